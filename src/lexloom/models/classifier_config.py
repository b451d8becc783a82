"""What a text classifier can be told: frozen dataclasses; the command line and TOML files mirror them. They need no torch."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.options import check_choices, check_share, check_whole
from lexloom.text.vocabulary import VocabularyConfig

Encoder = Literal["average", "cnn", "rnn", "linear"]
Pooling = Literal["mean", "weighted", "max", "last", "attention"]
_POOLINGS: dict[str, tuple[Pooling, ...]] = {
    "average": ("mean", "weighted", "max"),
    "cnn": ("max",),
    "rnn": ("max", "mean", "last", "attention"),
    "linear": ("mean",),
}
"""What each encoder can do, its default first."""


@dataclass(frozen=True)
class ClassifierConfig:
    """How a document becomes a decision."""

    encoder: Encoder = "average"
    """average: of the words' vectors; cnn: filters over a few words each (Kim 2014); rnn: recurrent layers; linear: of the vectors of words
    and of hashed n-grams (fastText), trained by a kernel of its own on the CPU."""
    pooling: Pooling | None = None
    """How steps become one vector. average: mean, weighted (a mean with learnt weights) or max; rnn: max, mean, last or attention; the
    first of these unless given."""
    widths: tuple[int, ...] = (3, 4, 5)
    """Words that the filters of a cnn span."""
    filters: int = 100
    """Filters of a cnn, of each width."""
    bidirectional: bool = True
    """Whether an rnn reads both ways."""
    dropout: float = 0.5
    """Share of features dropped before the last layer."""
    input_dropout: float | None = None
    """Share of the numbers of the words' vectors dropped; 0 for average, 0.5 for cnn and rnn unless given."""
    multi_label: bool | None = None
    """Whether a document may have several labels, or none; whether one has several unless given."""
    threshold: float | None = None
    """With several labels: a document has those whose probability is at least this. For each label the one with the highest F1 on the
    validation documents unless given (0.5 without them)."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: in training, rare labels weigh as much as frequent ones."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over all labels (Szegedy et al. 2016)."""
    max_tokens: int | None = None
    """Read so many tokens of a document at most; all unless given."""

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("dropout", "input_dropout", "label_smoothing", "threshold"):
            check_share(name, getattr(self, name))
        for name in ("filters", "max_tokens"):
            check_whole(name, getattr(self, name), 1)
        if not self.widths:
            raise ConfigError("widths is empty: give at least one, such as --widths 3 4 5")
        for width in self.widths:
            check_whole("widths", width, 1)
        if self.pooling is not None and self.pooling not in _POOLINGS[self.encoder]:
            allowed = ", ".join(_POOLINGS[self.encoder])
            raise ConfigError(f"pooling is {self.pooling!r}, which the encoder {self.encoder} does not have: expected one of {allowed}")

    @property
    def chosen_input_dropout(self) -> float:
        """The input dropout, the encoder's default filled in."""
        default = 0.5 if self.encoder in ("cnn", "rnn") else 0.0
        return default if self.input_dropout is None else self.input_dropout

    @property
    def chosen_pooling(self) -> Pooling:
        """The pooling, the encoder's default filled in."""
        return self.pooling or _POOLINGS[self.encoder][0]


@dataclass(frozen=True)
class ClassifierEmbeddingConfig(EmbeddingConfig):
    """How tokens become vectors in a classifier."""

    initialization_scale: float = 0.02
    """Standard deviation of normal, half the width of uniform, gain of xavier. Small: words that training hardly saw say little."""
    vectors_std: float | None = None
    """Stretch or shrink the vectors until their numbers have this standard deviation. Unless given it is initialization_scale, so that rows
    learn as fast as random ones; frozen vectors are left as they are."""

    @property
    def chosen_vectors_std(self) -> float | None:
        """What the vectors are stretched to; None where they are left as they are."""
        default = None if self.freeze else self.initialization_scale or None
        return default if self.vectors_std is None else self.vectors_std


@dataclass(frozen=True)
class ClassifierRecurrentConfig(RecurrentConfig):
    """The recurrent layers of the encoder rnn."""

    hidden_size: int = 100
    """Length of a layer's hidden state, in each direction."""


@dataclass(frozen=True)
class LinearConfig:
    """The features of the encoder linear."""

    word_ngrams: int = 2
    """Longest n-grams of words, hashed; 1 for words alone."""
    min_char_ngram: int = 3
    """Characters of the shortest n-grams of a word's characters; its ends count as characters."""
    max_char_ngram: int = 0
    """Characters of the longest; 0 for none. With them, words that training never saw say something too."""
    buckets: int = 2_000_000
    """Numbers that n-grams are hashed to, 4 bytes each; those that occur in training have a row too."""

    def __post_init__(self) -> None:
        check_whole("word_ngrams", self.word_ngrams, 1)
        check_whole("min_char_ngram", self.min_char_ngram, 1)
        check_whole("max_char_ngram", self.max_char_ngram, 0)
        check_whole("buckets", self.buckets, 1, at_most=2**31 - 1)
        if 0 < self.max_char_ngram < self.min_char_ngram:
            raise ConfigError(f"max_char_ngram is {self.max_char_ngram}: expected at least min_char_ngram, {self.min_char_ngram}")


@dataclass(frozen=True)
class ClassifierOptions:
    """All that a classifier is built from."""

    model: ClassifierConfig = ClassifierConfig()
    embedding: EmbeddingConfig = ClassifierEmbeddingConfig()
    recurrent: RecurrentConfig = ClassifierRecurrentConfig()
    linear: LinearConfig = LinearConfig()


def refuse_unused(options: ClassifierOptions, encoders: Collection[Encoder]) -> None:
    """Refuse options that are set and that none of some encoders knows.

    Raises:
        ConfigError: there are such.
    """
    for name, value, default, own in _options_of_encoders(options):
        if value != default and own not in encoders:
            raise ConfigError(f"{name} is {value!r}, which only the encoder {own} knows; leave it out, or take that one")


def _options_of_encoders(options: ClassifierOptions) -> Iterator[tuple[str, object, object, Encoder]]:
    """Go through the options that a single encoder knows: name, value, default, encoder."""
    parts: list[tuple[object, Encoder, tuple[str, ...]]] = [
        (options.model, "cnn", ("widths", "filters")),
        (options.model, "rnn", ("bidirectional",)),
        (options.recurrent, "rnn", tuple(field.name for field in fields(options.recurrent))),
        (options.linear, "linear", tuple(field.name for field in fields(options.linear))),
    ]
    for part, encoder, names in parts:
        for name in names:
            yield name, getattr(part, name), getattr(type(part), name), encoder


@dataclass(frozen=True)
class ClassifierVocabularyConfig(VocabularyConfig):
    """Which tokens get an id; a classifier keeps them all unless told otherwise."""

    min_count: int = 1
    """Leave out tokens seen less often than this; with 1, <unk> is never trained, unless by --word-dropout."""


BATCH_SIZE, _SMALLEST_BATCH, _BATCHES = 50, 4, 100  # documents, documents, batches of an epoch


@dataclass(frozen=True)
class DocumentConfig:
    """How documents are put into batches, and which are held out."""

    batch_size: int | None = None
    """Documents of a batch; 50 unless given, and in training fewer where documents are few, down to 4: so that an epoch has 100 batches."""
    batch_tokens: int = 20_000
    """Tokens of a batch at most, padding counted; a longer document is alone."""
    held_out: float = 0.1
    """Share of the documents, of each label, to validate on where no --valid is given."""

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)
        check_whole("batch_tokens", self.batch_tokens, 1)
        check_share("held_out", self.held_out)

    def training_batch_size(self, documents: int) -> int:
        """Documents of a batch where there are so many to train on: a model needs some hundred steps to learn anything."""
        return self.batch_size or min(BATCH_SIZE, max(_SMALLEST_BATCH, documents // _BATCHES))
