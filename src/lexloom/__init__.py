"""lexloom: from text to word vectors, on one road.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lexloom.version import __version__

if TYPE_CHECKING:
    from lexloom.text.readers import open_corpus
    from lexloom.text.store import TokenStore, build_store
    from lexloom.text.tokenizers import TokenizerConfig
    from lexloom.text.vocabulary import Vocabulary, VocabularyConfig
    from lexloom.vectors.config import VectorConfig
    from lexloom.vectors.evaluate import evaluate_analogy, evaluate_similarity
    from lexloom.vectors.formats import load_vectors, save_vectors
    from lexloom.vectors.plot import plot_vectors
    from lexloom.vectors.search import analogy, neighbors, odd_one_out, similarity
    from lexloom.vectors.table import Vectors
    from lexloom.vectors.train import train_vectors

_HOMES = {
    "lexloom.text.readers": ("open_corpus",),
    "lexloom.text.store": ("TokenStore", "build_store"),
    "lexloom.text.tokenizers": ("TokenizerConfig",),
    "lexloom.text.vocabulary": ("Vocabulary", "VocabularyConfig"),
    "lexloom.vectors.config": ("VectorConfig",),
    "lexloom.vectors.evaluate": ("evaluate_analogy", "evaluate_similarity"),
    "lexloom.vectors.formats": ("load_vectors", "save_vectors"),
    "lexloom.vectors.plot": ("plot_vectors",),
    "lexloom.vectors.search": ("analogy", "neighbors", "odd_one_out", "similarity"),
    "lexloom.vectors.table": ("Vectors",),
    "lexloom.vectors.train": ("train_vectors",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "TokenStore",
    "TokenizerConfig",
    "VectorConfig",
    "Vectors",
    "Vocabulary",
    "VocabularyConfig",
    "__version__",
    "analogy",
    "build_store",
    "evaluate_analogy",
    "evaluate_similarity",
    "load_vectors",
    "neighbors",
    "odd_one_out",
    "open_corpus",
    "plot_vectors",
    "save_vectors",
    "similarity",
    "train_vectors",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lexloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
