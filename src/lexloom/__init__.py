"""lexloom: from text to word vectors, language models and text classifiers, on one road.

The public names are loaded when they are first used, so that importing the package costs nothing. Those of models need torch.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from lexloom.version import __version__

if TYPE_CHECKING:
    from lexloom.decoding.sampling_config import SamplingConfig
    from lexloom.estimators.document_vectorizer import DocumentVectorizer
    from lexloom.estimators.text_classifier import TextClassifier
    from lexloom.models.base import load_model
    from lexloom.models.classification import evaluate_classifier, load_classifier
    from lexloom.models.classifier import Classifier
    from lexloom.models.classifier_config import (
        ClassifierConfig,
        ClassifierEmbeddingConfig,
        ClassifierOptions,
        ClassifierRecurrentConfig,
        ClassifierVocabularyConfig,
        DocumentConfig,
        LinearConfig,
    )
    from lexloom.models.language_model import LanguageModel
    from lexloom.models.language_model_config import (
        LanguageModelConfig,
        LanguageModelOptions,
        LanguageTokenizerConfig,
        LanguageVocabularyConfig,
        WindowConfig,
    )
    from lexloom.models.scoring import evaluate_language_model
    from lexloom.models.writing import next_tokens, write_text_from
    from lexloom.nn.embedding import Embedding
    from lexloom.nn.embedding_config import EmbeddingConfig
    from lexloom.nn.recurrent_config import RecurrentConfig
    from lexloom.text.labels import open_labelled
    from lexloom.text.readers import open_corpus
    from lexloom.text.store import TokenStore, build_store
    from lexloom.text.tokenizers import TokenizerConfig
    from lexloom.text.vocabulary import Vocabulary, VocabularyConfig
    from lexloom.training.classifier import train_classifier
    from lexloom.training.config import ClassifierTrainingConfig, TrainingConfig
    from lexloom.training.language_model import train_language_model
    from lexloom.training.linear_classifier import train_linear_classifier
    from lexloom.vectors.config import VectorConfig
    from lexloom.vectors.evaluate import evaluate_analogy, evaluate_similarity
    from lexloom.vectors.formats import load_vectors, save_vectors
    from lexloom.vectors.plot import plot_vectors
    from lexloom.vectors.search import analogy, neighbors, odd_one_out, similarity
    from lexloom.vectors.table import Vectors
    from lexloom.vectors.train import train_vectors

_HOMES = {
    "lexloom.decoding.sampling_config": ("SamplingConfig",),
    "lexloom.estimators.document_vectorizer": ("DocumentVectorizer",),
    "lexloom.estimators.text_classifier": ("TextClassifier",),
    "lexloom.models.classification": ("evaluate_classifier", "load_classifier"),
    "lexloom.models.classifier_config": (
        "ClassifierConfig",
        "ClassifierEmbeddingConfig",
        "ClassifierOptions",
        "ClassifierRecurrentConfig",
        "ClassifierVocabularyConfig",
        "DocumentConfig",
        "LinearConfig",
    ),
    "lexloom.models.language_model_config": (
        "LanguageModelConfig",
        "LanguageModelOptions",
        "LanguageTokenizerConfig",
        "LanguageVocabularyConfig",
        "WindowConfig",
    ),
    "lexloom.nn.embedding_config": ("EmbeddingConfig",),
    "lexloom.nn.recurrent_config": ("RecurrentConfig",),
    "lexloom.text.labels": ("open_labelled",),
    "lexloom.text.readers": ("open_corpus",),
    "lexloom.text.store": ("TokenStore", "build_store"),
    "lexloom.text.tokenizers": ("TokenizerConfig",),
    "lexloom.text.vocabulary": ("Vocabulary", "VocabularyConfig"),
    "lexloom.training.config": ("ClassifierTrainingConfig", "TrainingConfig"),
    "lexloom.training.linear_classifier": ("train_linear_classifier",),
    "lexloom.vectors.config": ("VectorConfig",),
    "lexloom.vectors.evaluate": ("evaluate_analogy", "evaluate_similarity"),
    "lexloom.vectors.formats": ("load_vectors", "save_vectors"),
    "lexloom.vectors.plot": ("plot_vectors",),
    "lexloom.vectors.search": ("analogy", "neighbors", "odd_one_out", "similarity"),
    "lexloom.vectors.table": ("Vectors",),
    "lexloom.vectors.train": ("train_vectors",),
}
_HOMES_WITH_TORCH = {
    "lexloom.models.base": ("load_model",),
    "lexloom.models.classifier": ("Classifier",),
    "lexloom.models.language_model": ("LanguageModel",),
    "lexloom.models.scoring": ("evaluate_language_model",),
    "lexloom.models.writing": ("next_tokens", "write_text_from"),
    "lexloom.nn.embedding": ("Embedding",),
    "lexloom.training.classifier": ("train_classifier",),
    "lexloom.training.language_model": ("train_language_model",),
}
_HOME_OF = {name: home for homes in (_HOMES, _HOMES_WITH_TORCH) for home, names in homes.items() for name in names}

__all__ = [
    "Classifier",
    "ClassifierConfig",
    "ClassifierEmbeddingConfig",
    "ClassifierOptions",
    "ClassifierRecurrentConfig",
    "ClassifierTrainingConfig",
    "ClassifierVocabularyConfig",
    "DocumentConfig",
    "DocumentVectorizer",
    "Embedding",
    "EmbeddingConfig",
    "LanguageModel",
    "LanguageModelConfig",
    "LanguageModelOptions",
    "LanguageTokenizerConfig",
    "LanguageVocabularyConfig",
    "LinearConfig",
    "RecurrentConfig",
    "SamplingConfig",
    "TextClassifier",
    "TokenStore",
    "TokenizerConfig",
    "TrainingConfig",
    "VectorConfig",
    "Vectors",
    "Vocabulary",
    "VocabularyConfig",
    "WindowConfig",
    "__version__",
    "analogy",
    "build_store",
    "evaluate_analogy",
    "evaluate_classifier",
    "evaluate_language_model",
    "evaluate_similarity",
    "load_classifier",
    "load_model",
    "load_vectors",
    "neighbors",
    "next_tokens",
    "odd_one_out",
    "open_corpus",
    "open_labelled",
    "plot_vectors",
    "save_vectors",
    "similarity",
    "train_classifier",
    "train_language_model",
    "train_linear_classifier",
    "train_vectors",
    "write_text_from",
]

if not TYPE_CHECKING and importlib.util.find_spec("torch") is None:  # so that `from lexloom import *` works without torch
    __all__ = [name for name in __all__ if _HOME_OF.get(name) not in _HOMES_WITH_TORCH]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lexloom' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "lightning"):
            raise
        message = f"{error.name} is not installed, and lexloom.{name} needs it; install it with: pip install 'lexloom[models]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
