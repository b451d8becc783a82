"""Tiny labelled texts, and linear classifiers trained on them."""

import random
from pathlib import Path
from typing import Any

from lexloom.models.classifier_config import ClassifierConfig, ClassifierEmbeddingConfig, ClassifierOptions, LinearConfig
from lexloom.models.linear.classifier import LinearClassifier
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.linear_classifier import train_linear_classifier

MARKS = {"good": ("fine", "great", "lovely"), "bad": ("awful", "dreadful", "poor")}
FILLERS = tuple(f"w{number}" for number in range(30))


def opinions(number: int, *, seed: int = 1, share: float = 0.5) -> list[tuple[str, str]]:
    """Labels and texts of ten words, of which two say the label."""
    draw = random.Random(seed)
    pairs = []
    for place in range(number):
        label = "good" if place < number * share else "bad"
        words = draw.choices(FILLERS, k=8) + draw.choices(MARKS[label], k=2)
        draw.shuffle(words)
        pairs.append((label, " ".join(words)))
    return pairs


def write(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{label}\t{text}\n" for label, text in pairs))
    return path


def options(*, model: dict[str, Any] | None = None, linear: dict[str, Any] | None = None, **embedding: Any) -> ClassifierOptions:
    return ClassifierOptions(
        ClassifierConfig(**{"encoder": "linear", **(model or {})}),
        ClassifierEmbeddingConfig(**{"embedding_dim": 10, **embedding}),
        linear=LinearConfig(**(linear or {})),
    )


def train(path: Path, *, separator: str | None = None, tokenizer: str = "whitespace", **parts: Any) -> LinearClassifier:
    """Train on a file; `parts` are those of `options`, `training`, and the named arguments of `train_linear_classifier`."""
    training = ClassifierTrainingConfig(**{"threads": 1, "epochs": 5, **parts.pop("training", {})})
    shape = options(**{name: parts.pop(name) for name in ("model", "linear", "embedding_dim", "vectors") if name in parts})
    corpus = open_labelled(path, separator=separator)
    return train_linear_classifier(corpus, shape, training, tokenizer=TokenizerConfig(tokenizer=tokenizer), **parts)
