"""What a classifier answers: probabilities, labels, explanations. Imports no torch."""

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from lexloom.models.classifier.labels import LabelSet
from lexloom.text.blocks import Block

"""The kind of model folders of linear classifiers."""


class Predictor(Protocol):
    """What every classifier can do, whatever its encoder."""

    kind: ClassVar[str]
    labels: LabelSet
    thresholds: np.ndarray

    def predict_blocks(self, blocks: Generator[Block]) -> Iterator[np.ndarray]:
        """Yield the probabilities of documents, float32 (n, C), in their order, a few megabytes of text at a time."""
        ...

    def explain(self, text: str, label: str | None = None) -> "Explanation":
        """Explain by the words of a document why it gets a label. Default: the most probable label."""
        ...


def decide(probabilities: np.ndarray, thresholds: np.ndarray, *, multi_label: bool) -> np.ndarray:
    """Choose labels, bool (n, C): the most probable one of each document; multi-label: all whose probability reaches the threshold."""
    if multi_label:
        return probabilities >= thresholds
    chosen = np.zeros(probabilities.shape, bool)
    chosen[np.arange(len(probabilities)), probabilities.argmax(1)] = True
    return chosen


@dataclass(frozen=True)
class Explanation:
    """The contribution of each word to a decision.

    Attributes:
        label: the decision.
        probability: of the label.
        tokens: of the document.
        scores: what each token adds to the log-odds of the label (gradient times input, Simonyan et al. 2013); a negative token speaks
            against it. For a mean of word vectors, which is linear, the scores and a constant sum to the log-odds.
    """

    label: str
    probability: float
    tokens: list[str]
    scores: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Return the values in JSON types."""
        return asdict(self)
