"""Options of a language model: frozen dataclasses, mirrored by the command line and TOML files. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.options import check_at_least, check_choices, check_share, check_whole
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import TrainingConfig

Level = Literal["character", "word", "subword"]


@dataclass(frozen=True)
class LanguageModelConfig:
    """A language model, apart from its embedding and its recurrent layers."""

    level: Level = "word"
    """What a token is: a character, a word or a subword."""
    dropout: float = 0.0
    """Share of features dropped after the embedding, between layers and before the softmax (locked: the same for a whole window)."""
    input_dropout: float | None = None
    """Dropout after the embedding. Default: dropout."""
    output_dropout: float | None = None
    """Dropout before the softmax. Default: dropout."""
    softmax: Literal["full", "tied", "adaptive"] = "full"
    """full; tied: shares its weights with the embedding; adaptive: rare tokens in clusters, fast for large vocabularies."""
    num_sampled: int | None = None
    """In training, take the full or tied softmax over the targets of the batch and this many other tokens: half the most frequent ones,
    half drawn for each batch. Default: over the whole vocabulary."""
    cutoffs: tuple[int, ...] | None = None
    """Ids at which the clusters of the adaptive softmax begin. Default: a fifth and three fifths of the vocabulary."""
    div_value: float = 4.0
    """Factor by which the dimension shrinks from one cluster of the adaptive softmax to the next."""
    activation_penalty: float = 0.0
    """Weight of the mean square of the last layer's outputs after dropout (AR; Merity et al. 2018)."""
    temporal_penalty: float = 0.0
    """Weight of the mean square of the difference of successive outputs of the last layer (TAR)."""

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
class LanguageVocabularyConfig(VocabularyConfig):
    """Which tokens get an id; all by default."""

    min_count: int = 1
    """Leave out tokens seen less often than this. With 1, `<unk>` is never trained, although other text may need it."""


@dataclass(frozen=True)
class LanguageTokenizerConfig(TokenizerConfig):
    """How to split text into tokens; by default as the level says."""

    tokenizer: str = "auto"
    """auto (characters, words or bpe, depending on the level), words (Unicode words and punctuation marks), whitespace, characters, bpe or
    unigram (learnt from the corpus), jieba (Chinese), or the path of a tokenizer.json."""


@dataclass(frozen=True)
class WindowConfig:
    """How the token stream is cut into batches."""

    batch_size: int = 20
    """Rows per batch."""
    bptt: int = 35
    """Tokens per row and window, through which gradients flow back (truncated back-propagation through time)."""
    windows: Literal["sequential", "random"] = "sequential"
    """sequential: each row continues from window to window and the state is carried; random: shuffled windows, each with a new state."""
    random_offset: bool = True
    """Begin each epoch at a random one of the first bptt tokens, so that windows begin at other tokens (random windows always do)."""
    sample_prompt: str | None = None
    """Print a continuation of this text after every sample_every epochs."""
    sample_every: int = 1
    """Epochs between samples."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("batch_size", self.batch_size, 1)
        check_whole("bptt", self.bptt, 1)
        check_whole("sample_every", self.sample_every, 1)


@dataclass(frozen=True)
class LanguageModelOptions:
    """All options of a language model and its training."""

    model: LanguageModelConfig = LanguageModelConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    recurrent: RecurrentConfig = RecurrentConfig()
    windows: WindowConfig = WindowConfig()
    training: TrainingConfig = TrainingConfig()
    tokenizer: TokenizerConfig = LanguageTokenizerConfig()
    vocabulary: VocabularyConfig = LanguageVocabularyConfig()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokenizer", tokenizer_for(self.model.level, self.tokenizer))
        if self.model.softmax == "tied" and self.embedding.max_norm is not None:
            raise ConfigError("max_norm shortens rows when they are looked up, but a tied softmax reads all rows; leave out one of them")
        if self.model.softmax == "tied" and self.embedding.embedding == "one-hot":
            raise ConfigError("a tied softmax needs an embedding matrix, and --embedding one-hot has none; give --softmax full")


_LEVEL_TOKENIZERS = {"character": "characters", "word": "words", "subword": "bpe"}


def tokenizer_for(level: str, config: TokenizerConfig) -> TokenizerConfig:
    """Resolve `auto` to the tokenizer of a level.

    Raises:
        ConfigError: the tokenizer does not fit the level.
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
        raise ConfigError(f"tokenizer {config.tokenizer} does not fit level {level}; give --level {better}, or leave --tokenizer out")
    return config
