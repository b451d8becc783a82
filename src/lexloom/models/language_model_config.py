"""What a language model can be told: frozen dataclasses; the command line and TOML files mirror them. They need no torch."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.options import check_at_least, check_choices, check_share, check_whole
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig

Level = Literal["character", "word", "subword"]


@dataclass(frozen=True)
class LanguageModelConfig:
    """What surrounds the recurrent layers of a language model."""

    level: Level = "word"
    """What a token is: a character, a word or a subword."""
    dropout: float = 0.0
    """Share of features dropped (locked: the same over a window) after the embedding, between layers, and before the softmax."""
    input_dropout: float | None = None
    """The same after the embedding alone; dropout unless given."""
    output_dropout: float | None = None
    """The same before the softmax alone; dropout unless given."""
    softmax: Literal["full", "tied", "adaptive"] = "full"
    """full; tied: the embedding's matrix serves as the weights; adaptive: rare tokens in clusters, fast for large vocabularies."""
    num_sampled: int | None = None
    """In training, take the full or tied softmax over the batch's targets and so many other tokens, half of them the most frequent ones and
    half drawn anew for each batch; over the whole vocabulary unless given."""
    cutoffs: tuple[int, ...] | None = None
    """Where the clusters of the adaptive softmax begin; a fifth and three fifths of the vocabulary unless given."""
    div_value: float = 4.0
    """Each cluster of the adaptive softmax has that many times fewer dimensions than the one before."""
    activation_penalty: float = 0.0
    """Weight of the mean square of the last layer's dropped-out outputs (AR; Merity et al. 2018)."""
    temporal_penalty: float = 0.0
    """Weight of the mean square of the change of the last layer's outputs from step to step (TAR)."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_share("dropout", self.dropout)
        check_share("input_dropout", self.input_dropout)
        check_share("output_dropout", self.output_dropout)
        check_at_least("activation_penalty", self.activation_penalty, 0.0)
        check_at_least("temporal_penalty", self.temporal_penalty, 0.0)
        check_at_least("div_value", self.div_value, 1.0)
        check_whole("num_sampled", self.num_sampled, 2)
        if self.num_sampled is not None and self.softmax == "adaptive":
            raise ConfigError("num_sampled belongs to the full or tied softmax, not to the adaptive one; leave one of them out")
        if self.cutoffs is not None and self.softmax != "adaptive":
            raise ConfigError(f"cutoffs belong to the adaptive softmax, not to {self.softmax}; give --softmax adaptive or leave them out")


@dataclass(frozen=True)
class LanguageModelOptions:
    """All that a language model is built from."""

    model: LanguageModelConfig = LanguageModelConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()  # noqa: RUF009
    recurrent: RecurrentConfig = RecurrentConfig()  # noqa: RUF009

    def __post_init__(self) -> None:
        if self.model.softmax == "tied" and self.embedding.max_norm is not None:
            raise ConfigError("max_norm shortens rows when they are looked up, and a tied softmax reads all of them; leave out one of them")
        if self.model.softmax == "tied" and self.embedding.embedding == "one-hot":
            raise ConfigError("a tied softmax needs an embedding matrix, and --embedding one-hot has none; give --softmax full")


@dataclass(frozen=True)
class LanguageVocabularyConfig(VocabularyConfig):
    """Which tokens get an id; a language model keeps them all unless told otherwise."""

    min_count: int = 1
    """Leave out tokens seen less often than this; with 1, <unk> is never trained, and other text may hold words that it must stand for."""


@dataclass(frozen=True)
class LanguageTokenizerConfig(TokenizerConfig):
    """How to split text into tokens; by the level unless told otherwise."""

    tokenizer: str = "auto"
    """auto (characters, words or bpe, by the level), words (Unicode words, and punctuation apart), whitespace, characters, bpe or unigram
    (learnt from the corpus), jieba (Chinese), or the path of a tokenizer.json."""


@dataclass(frozen=True)
class WindowConfig:
    """How the stream of tokens is cut into batches."""

    batch_size: int = 20
    """Rows of a batch."""
    bptt: int = 35
    """Tokens of a row in a window, through which the gradient flows back (truncated back-propagation through time)."""
    windows: Literal["sequential", "random"] = "sequential"
    """sequential: rows read on from window to window and the state is carried; random: windows from anywhere, each with a fresh state."""
    random_offset: bool = False
    """Begin each epoch at another of the first bptt tokens, so that rows and windows begin elsewhere (random windows always do)."""
    sample_prompt: str | None = None
    """After every sample_every epochs, print how the model goes on from this text."""
    sample_every: int = 1
    """Epochs between such samples."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("batch_size", self.batch_size, 1)
        check_whole("bptt", self.bptt, 1)
        check_whole("sample_every", self.sample_every, 1)


_LEVEL_TOKENIZERS = {"character": "characters", "word": "words", "subword": "bpe"}


def tokenizer_for(level: str, config: TokenizerConfig) -> TokenizerConfig:
    """Choose the tokenizer of a level where none is named.

    Raises:
        ConfigError: one is named that does not go with the level.
    """
    if config.tokenizer == LanguageTokenizerConfig.tokenizer:
        return dataclasses.replace(config, tokenizer=_LEVEL_TOKENIZERS[level])
    fits = {
        "character": config.tokenizer == "characters",
        "word": config.tokenizer not in ("characters", "bpe", "unigram"),
        "subword": config.tokenizer not in ("characters", "words", "whitespace"),
    }
    if not fits[level]:
        better = {"characters": "character", "bpe": "subword", "unigram": "subword"}.get(config.tokenizer, "word")
        raise ConfigError(f"tokenizer {config.tokenizer} does not go with level {level}; give --level {better}, or leave --tokenizer out")
    return config
