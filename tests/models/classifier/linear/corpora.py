"""Tiny labelled texts, and linear classifiers trained on them."""

import random
from pathlib import Path
from typing import Any

from lexloom.models.classifier.linear.model import LinearClassifier
from lexloom.models.classifier.linear.train import train_linear
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierTrainingConfig,
    DocumentConfig,
    LinearConfig,
)
from lexloom.run_folder import RunConfig
from lexloom.text.examples import Examples
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.reporter import Reporter

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


def options(
    *,
    model: dict[str, Any] | None = None,
    linear: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    batches: dict[str, Any] | None = None,
    tokenizer: str = "whitespace",
    **embedding: Any,
) -> ClassifierOptions:
    """Options of a small linear classifier; other names are options of the embedding."""
    return ClassifierOptions(
        ClassifierConfig(**{"encoder": "linear", **(model or {})}),
        ClassifierEmbeddingConfig(**{"embedding_dim": 10, **embedding}),
        linear=LinearConfig(**(linear or {})),
        batches=DocumentConfig(**(batches or {})),
        training=ClassifierTrainingConfig(**{"threads": 1, "epochs": 5, **(training or {})}),
        tokenizer=TokenizerConfig(tokenizer=tokenizer),
    )


def train(
    path: Path,
    *,
    separator: str | None = None,
    valid: Examples | None = None,
    test: Examples | None = None,
    reporter: Reporter | None = None,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    **parts: Any,
) -> LinearClassifier:
    """Train on a file; `parts` are those of `options`."""
    corpus, run = open_labelled(path, separator=separator), RunConfig(out, resume, overwrite)
    return train_linear(corpus, options(**parts), valid=valid, test=test, run=run, reporter=reporter).result
