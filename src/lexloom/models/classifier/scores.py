"""Evaluation of a classifier: accuracy, F1, calibration, mistakes, thresholds. Imports no torch."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from lexloom.models.classifier.answers import Predictor, decide
from lexloom.models.classifier.labels import LabelSet, Targets
from lexloom.text.examples import Examples, column_blocks

_BINS = 15
_SHOWN = 200  # characters of a text


class LabelScore(NamedTuple):
    """Scores of one label.

    Attributes:
        precision: share of its predictions that are correct.
        recall: share of its documents that are found.
        f1: their harmonic mean.
        support: its documents.
    """

    precision: float
    recall: float
    f1: float
    support: int


class Mistake(NamedTuple):
    """A wrong answer.

    Attributes:
        document: its number, from 1.
        text: its first characters.
        true: its true labels.
        predicted: the predicted labels, most probable first.
        confidence: the probability of the answer; with several labels the largest distance of a wrong label from its threshold.
    """

    document: int
    text: str
    true: list[str]
    predicted: list[str]
    confidence: float


@dataclass(frozen=True)
class ClassificationScore:
    """The scores of a classifier. Labels that do not occur in training count as errors.

    Attributes:
        documents: n.
        accuracy: share of the documents whose labels are all right.
        macro_f1: unweighted mean over the labels, those that do not occur in training included.
        micro_f1: over all decisions; with one label per document the same as the accuracy.
        calibration_error: expected calibration error (Guo et al. 2017): mean distance of confidence and accuracy, over 15 equal bins.
        per_class: the scores of each label.
        unseen_labels: labels that do not occur in training, with their numbers of documents.
        confusion: how often each true label (rows) was predicted as each label (columns), in the order of per_class; None if documents may
            have several labels.
        mistakes: wrong answers, the most confident first.
    """

    documents: int
    accuracy: float
    macro_f1: float
    micro_f1: float
    calibration_error: float
    per_class: dict[str, LabelScore]
    unseen_labels: dict[str, int]
    confusion: list[list[int]] | None
    mistakes: list[Mistake]

    def as_dict(self) -> dict[str, Any]:
        """Return the values in JSON types."""
        per_class = {name: score._asdict() for name, score in self.per_class.items()}
        return asdict(self) | {"per_class": per_class, "mistakes": [mistake._asdict() for mistake in self.mistakes]}


def evaluate_classifier(model: Predictor, corpus: Examples, *, mistakes: int = 10) -> ClassificationScore:
    """Evaluate a classifier on documents with labels.

    Args:
        model: a trained classifier.
        corpus: documents with labels.
        mistakes: return at most this many wrong answers.

    Raises:
        InputError: there is no document, or the corpus cannot be read.
    """
    seen: list[pl.DataFrame] = []
    blocks = column_blocks(corpus, "text", lambda frame: seen.append(frame.with_columns(pl.col("text").str.slice(0, _SHOWN))))
    parts = list(model.predict_blocks(blocks))
    if not parts:
        raise corpus.nothing(f"no {corpus.noun}")
    documents = pl.concat(seen)
    named, texts = documents["labels"], documents["text"]
    return score(model.labels, model.thresholds, np.concatenate(parts), named, texts, mistakes=mistakes)


def score(
    labels: LabelSet, thresholds: np.ndarray, probabilities: np.ndarray, named: pl.Series, texts: pl.Series, *, mistakes: int = 0
) -> ClassificationScore:
    """Score probabilities against the true labels.

    Args:
        labels: C labels.
        thresholds: float (C,).
        probabilities: float (n, C).
        named: the true labels, List(String) (n,).
        texts: String (n,).
        mistakes: return at most this many wrong answers.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    unseen = labels.unseen(named)
    names = [*labels.names, *unseen]
    truth = LabelSet(tuple(names), labels.multi_label).encode(named)
    chosen = np.pad(decide(probabilities, thresholds, multi_label=labels.multi_label), ((0, 0), (0, len(names) - len(labels))))
    true = truth.matrix(len(names))
    right = (true == chosen).all(1)
    macro = precision_recall_fscore_support(true, chosen, average=None, zero_division=0)
    micro = precision_recall_fscore_support(true, chosen, average="micro", zero_division=0)
    confusion = None
    if not labels.multi_label:
        confusion = confusion_matrix(truth.single, chosen.argmax(1), labels=np.arange(len(names))).tolist()
    confidence = probabilities.max(1)
    if labels.multi_label:
        wrong = (true != chosen)[:, : len(labels)]
        confidence = (np.abs(probabilities - thresholds) * wrong).max(1)
    return ClassificationScore(
        documents=len(true),
        accuracy=float(right.mean()),
        macro_f1=float(macro[2].mean()),
        micro_f1=float(micro[2]),
        calibration_error=_calibration_error(probabilities, chosen, true, right, multi_label=labels.multi_label),
        per_class={
            name: LabelScore(float(precision), float(recall), float(f1), int(support))
            for name, precision, recall, f1, support in zip(names, *macro, strict=True)
        },
        unseen_labels=unseen,
        confusion=confusion,
        mistakes=_mistakes(names, probabilities, confidence, chosen, right, named, texts, mistakes),
    )


def _calibration_error(probabilities: np.ndarray, chosen: np.ndarray, true: np.ndarray, right: np.ndarray, *, multi_label: bool) -> float:
    """Of the most probable label of each document; if a document may have several labels, of every label of every document."""
    known = probabilities.shape[1]
    confidence = probabilities.ravel() if multi_label else probabilities.max(1)
    hits = true[:, :known].ravel() if multi_label else right
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    sizes, gap = np.bincount(bins, minlength=_BINS), np.bincount(bins, weights=hits - confidence, minlength=_BINS)
    return float(np.abs(gap).sum() / sizes.sum())


def _mistakes(
    names: list[str],
    probabilities: np.ndarray,
    confidence: np.ndarray,
    chosen: np.ndarray,
    right: np.ndarray,
    named: pl.Series,
    texts: pl.Series,
    number: int,
) -> list[Mistake]:
    wrong = np.flatnonzero(~right)
    found = []
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:number].tolist():
        given = sorted(np.flatnonzero(chosen[row]).tolist(), key=lambda label: -probabilities[row, label])
        found.append(Mistake(row + 1, texts[row], named[row].to_list(), [names[label] for label in given], float(confidence[row])))
    return found


def tune_thresholds(probabilities: np.ndarray, targets: Targets) -> np.ndarray:
    """Choose for each label the threshold with the highest F1, float32 (C,).

    Candidates lie midway between neighbouring probabilities. A label that no document has keeps 0.5.

    Args:
        probabilities: float (n, C).
        targets: the true labels of the n documents.
    """
    true = targets.matrix(probabilities.shape[1])
    thresholds = np.full(probabilities.shape[1], 0.5, np.float32)
    for label in np.flatnonzero(true.any(0)).tolist():
        order = np.argsort(-probabilities[:, label], kind="stable")
        sorted_probabilities, hits = probabilities[order, label], np.cumsum(true[order, label])
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])  # if the documents up to each place have the label
        ends = np.append(sorted_probabilities[1:] < sorted_probabilities[:-1], True)  # equal probabilities are given or not given together
        best = int(np.argmax(np.where(ends, f1, -1)))
        above, below = np.float32(sorted_probabilities[best]), np.float32(sorted_probabilities[best + 1] if best + 1 < len(order) else 0)
        between = (above + below) / np.float32(2)
        thresholds[label] = between if between > below else above  # there may be no float32 between them
    return thresholds
