"""All models by name: the kind that model folders say."""

from lexloom.models.base import Model
from lexloom.models.classifier import Classifier
from lexloom.models.language_model import LanguageModel

MODELS: dict[str, type[Model]] = {model.kind: model for model in (Classifier, LanguageModel)}
