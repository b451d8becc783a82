"""Options of a text classifier: frozen dataclasses, mirrored by the command line and TOML files. Imports no torch."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.options import check_choices, check_share, check_whole
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import TrainingConfig

Encoder = Literal["average", "cnn", "rnn", "linear"]
Pooling = Literal["mean", "weighted", "max", "last", "attention"]
_POOLINGS: dict[str, tuple[Pooling, ...]] = {
    "average": ("mean", "weighted", "max"),
    "cnn": ("max",),
    "rnn": ("max", "mean", "last", "attention"),
    "linear": ("mean",),
}
"""The poolings of each encoder, its default first."""


@dataclass(frozen=True)
class ClassifierConfig:
    """How a document becomes a vector, and the vector a decision."""

    encoder: Encoder = "average"
    """average: mean of the word vectors; cnn: filters over a few words each (Kim 2014); rnn: recurrent layers; linear: mean of the vectors
    of words and hashed n-grams (fastText), trained by its own kernel on the CPU."""
    pooling: Pooling | None = None
    """How the vectors of all steps become one. average: mean (default), weighted (a mean with learnt weights) or max; rnn: max (default),
    mean, last or attention."""
    widths: tuple[int, ...] = (3, 4, 5)
    """Widths of the cnn filters, in words."""
    filters: int = 100
    """Filters of the cnn per width."""
    bidirectional: bool = True
    """Whether the rnn reads in both directions."""
    dropout: float = 0.5
    """Share of features dropped before the last layer."""
    input_dropout: float | None = None
    """Share of the features of the word vectors dropped. Default: 0 for average, 0.5 for cnn and rnn."""
    multi_label: bool | None = None
    """Whether a document may have several labels, or none. Default: whether any training document has several."""
    threshold: float | None = None
    """With several labels per document: the probability from which a label is given. Default: tuned per label for the highest F1 on the
    validation documents (0.5 without them)."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: rare labels weigh as much as frequent ones in training."""
    label_smoothing: float = 0.0
    """Share of each target spread over all labels (Szegedy et al. 2016)."""
    max_tokens: int | None = None
    """Read at most this many tokens of a document. Default: all."""

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
            raise ConfigError(f"pooling is {self.pooling!r}, which the {self.encoder} encoder does not have: expected one of {allowed}")

    @property
    def chosen_input_dropout(self) -> float:
        """The input dropout, with the encoder's default filled in."""
        default = 0.5 if self.encoder in ("cnn", "rnn") else 0.0
        return default if self.input_dropout is None else self.input_dropout

    @property
    def chosen_pooling(self) -> Pooling:
        """The pooling, with the encoder's default filled in."""
        return self.pooling or _POOLINGS[self.encoder][0]


@dataclass(frozen=True)
class ClassifierEmbeddingConfig(EmbeddingConfig):
    """How tokens become vectors in a classifier."""

    initialization_scale: float = 0.02
    """Standard deviation of normal, half the width of uniform, gain of xavier. Small, so that rare words have little effect."""
    vectors_std: float | None = None
    """Scale the vectors to this standard deviation. Default: initialization_scale, so that they learn as fast as random rows; frozen
    vectors are not scaled."""

    @property
    def chosen_vectors_std(self) -> float | None:
        """The standard deviation to scale the vectors to; None to leave them as they are."""
        default = None if self.freeze else self.initialization_scale or None
        return default if self.vectors_std is None else self.vectors_std


@dataclass(frozen=True)
class ClassifierRecurrentConfig(RecurrentConfig):
    """The recurrent layers of the rnn encoder."""

    hidden_size: int = 100
    """Size of the hidden state, per direction."""


@dataclass(frozen=True)
class LinearConfig:
    """The features of the linear encoder."""

    word_ngrams: int = 2
    """Longest word n-grams, which are hashed; 1 for words alone."""
    min_char_ngram: int = 3
    """Shortest character n-grams of a word; its boundaries count as characters."""
    max_char_ngram: int = 0
    """Longest character n-grams; 0 for none. With them, out-of-vocabulary words count too."""
    buckets: int = 2_000_000
    """Hash buckets of the n-grams, 4 bytes each; those that occur in training get a row."""

    def __post_init__(self) -> None:
        check_whole("word_ngrams", self.word_ngrams, 1)
        check_whole("min_char_ngram", self.min_char_ngram, 1)
        check_whole("max_char_ngram", self.max_char_ngram, 0)
        check_whole("buckets", self.buckets, 1, at_most=2**31 - 1)
        if 0 < self.max_char_ngram < self.min_char_ngram:
            raise ConfigError(f"max_char_ngram is {self.max_char_ngram}: expected at least min_char_ngram, {self.min_char_ngram}")


@dataclass(frozen=True)
class ClassifierVocabularyConfig(VocabularyConfig):
    """Which tokens get an id; all by default."""

    min_count: int = 1
    """Leave out tokens seen less often than this. With 1, `<unk>` is trained by --word-dropout alone."""


BATCH_SIZE, _SMALLEST_BATCH, _BATCHES = 50, 4, 100  # documents, documents, batches per epoch


@dataclass(frozen=True)
class DocumentConfig:
    """How documents are batched, and how many are held out."""

    batch_size: int | None = None
    """Documents per batch. Default: 50; for small training sets fewer (at least 4), so that an epoch has about 100 batches."""
    batch_tokens: int = 20_000
    """At most this many tokens per batch, padding included; a longer document gets its own batch."""
    held_out: float = 0.1
    """Share of the documents of each label to validate on if there is no --valid."""

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)
        check_whole("batch_tokens", self.batch_tokens, 1)
        check_share("held_out", self.held_out)

    def training_batch_size(self, documents: int) -> int:
        """Documents per batch for this many training documents: a model needs some hundred steps to learn anything."""
        return self.batch_size or min(BATCH_SIZE, max(_SMALLEST_BATCH, documents // _BATCHES))


@dataclass(frozen=True)
class ClassifierTrainingConfig(TrainingConfig):
    """How a classifier is trained."""

    epochs: int = 10
    """Passes over the documents."""
    learning_rate: float | None = None
    """Highest learning rate. Default: 1 for sgd and asgd, 0.001 for adam and adamw, 0.5 for the linear encoder."""
    best_by: Literal["accuracy", "loss"] = "accuracy"
    """What chooses the best epoch on the validation documents: accuracy (ties go by loss) or loss alone."""

    @property
    def initial_rate(self) -> float:
        """The highest learning rate, with the optimizer's default filled in."""
        return super().initial_rate / (2 if self.learning_rate is None and self.optimizer.startswith("adam") else 1)


@dataclass(frozen=True)
class ClassifierOptions:
    """All options of a classifier and its training."""

    model: ClassifierConfig = ClassifierConfig()
    embedding: EmbeddingConfig = ClassifierEmbeddingConfig()
    recurrent: RecurrentConfig = ClassifierRecurrentConfig()
    linear: LinearConfig = LinearConfig()
    batches: DocumentConfig = DocumentConfig()
    training: ClassifierTrainingConfig = ClassifierTrainingConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    vocabulary: VocabularyConfig = ClassifierVocabularyConfig()


def refuse_unused(options: ClassifierOptions, encoders: Collection[Encoder]) -> None:
    """Raise a ConfigError if an option is set that none of the encoders has."""
    for name, value, default, own in _options_of_encoders(options):
        if value != default and own not in encoders:
            raise ConfigError(f"{name} is {value!r}, which only the {own} encoder has; leave it out, or use that encoder")


def _options_of_encoders(options: ClassifierOptions) -> Iterator[tuple[str, object, object, Encoder]]:
    """Iterate over the options of a single encoder: name, value, default, encoder."""
    parts: list[tuple[object, Encoder, tuple[str, ...]]] = [
        (options.model, "cnn", ("widths", "filters")),
        (options.model, "rnn", ("bidirectional",)),
        (options.recurrent, "rnn", tuple(field.name for field in fields(options.recurrent))),
        (options.linear, "linear", tuple(field.name for field in fields(options.linear))),
    ]
    for part, encoder, names in parts:
        for name in names:
            yield name, getattr(part, name), getattr(type(part), name), encoder
