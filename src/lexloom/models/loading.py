"""Load a model folder of any kind."""

import os
from importlib import import_module
from typing import Any

from lexloom.model_folder import Saved, read_folder

MODELS = {
    "language-model": "lexloom.models.language_model.network:LanguageModel",
    "classifier": "lexloom.models.classifier.network:Classifier",
    "linear-classifier": "lexloom.models.classifier.linear.model:LinearClassifier",
}
"""The class of each kind of model. Each has a class method `load(saved)`; the linear classifier needs no torch."""


def load_model(folder: str | os.PathLike[str], *kinds: str) -> Any:
    """Load a model, ready to predict.

    Args:
        folder: where a run wrote it.
        kinds: the kinds to accept, keys of `MODELS`; any kind if none is given.

    Raises:
        FormatError: it is missing, damaged, of another kind or version.
    """
    return read_folder(folder, _load, *(kinds or MODELS))


def _load(saved: Saved) -> Any:
    module, _, name = MODELS[saved.kind].partition(":")
    return getattr(import_module(module), name).load(saved)
