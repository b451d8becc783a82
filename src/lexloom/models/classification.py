"""What a classifier says of documents: probabilities, labels, and how well these fit the true ones. No torch is needed here."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.models.folder import Saved, read_folder
from lexloom.models.label_set import LabelSet, Targets
from lexloom.text.blocks import Block
from lexloom.text.labels import Gathered, LabelledCorpus
from lexloom.text.readers import Corpus
from lexloom.text.report import CorpusReport

_BINS = 15
_SHOWN = 200  # characters of a text


class Predictor(Protocol):
    """What every classifier can do, whatever it is made of."""

    labels: LabelSet
    thresholds: np.ndarray

    def predict_corpus(self, corpus: Corpus) -> Iterator[np.ndarray]:
        """Give the probabilities of documents, float32 (n, C), some at a time, in their order."""
        ...

    def explain(self, text: str, label: str | None = None) -> "Explanation":
        """Say which words of a document speak for a label; the likeliest unless given."""
        ...


def decide(probabilities: np.ndarray, thresholds: np.ndarray, *, several: bool) -> np.ndarray:
    """Choose labels: bool (n, C), the most likely one of each document, or all that are likely enough."""
    if several:
        return probabilities >= thresholds
    chosen = np.zeros(probabilities.shape, bool)
    chosen[np.arange(len(probabilities)), probabilities.argmax(1)] = True
    return chosen


@dataclass(frozen=True)
class Explanation:
    """Which words spoke for a decision.

    Attributes:
        label: what was decided.
        probability: how likely the classifier holds it.
        tokens: of the document.
        scores: for each token how much it adds to the log-odds of the label (gradient times input, Simonyan et al. 2013); below zero
            it speaks against it. An average of words is linear: there they and a constant sum to the log-odds.
    """

    label: str
    probability: float
    tokens: list[str]
    scores: list[float]

    def as_dict(self) -> dict[str, Any]:
        """The same in plain JSON values."""
        return asdict(self)


class LabelScore(NamedTuple):
    """How one label fares.

    Attributes:
        precision: share of its predictions that are right.
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
        text: its beginning.
        true: its labels.
        predicted: what the classifier said, the likeliest first.
        confidence: the probability of the answer, or with several labels how far the most wrong label is from its threshold.
    """

    document: int
    text: str
    true: list[str]
    predicted: list[str]
    confidence: float


@dataclass(frozen=True)
class ClassificationScore:
    """How well a classifier's answers fit the true labels. Documents with a label that training never saw count, as errors.

    Attributes:
        documents: n.
        accuracy: share of the documents whose labels are all right.
        macro_f1: mean over the labels, whatever their frequency, those that training never saw included.
        micro_f1: over all decisions together; where a document has one label, the accuracy.
        calibration_error: expected calibration error (Guo et al. 2017): how far confidence and accuracy lie apart, over 15 equal bins.
        per_class: each label's own scores.
        unseen_labels: labels that training never saw, with the number of their documents.
        confusion: of each true label (rows) how often each was predicted (columns), in the order of per_class; with several labels None.
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
        """The same in plain JSON values."""
        per_class = {name: score._asdict() for name, score in self.per_class.items()}
        return asdict(self) | {"per_class": per_class, "mistakes": [mistake._asdict() for mistake in self.mistakes]}


def evaluate_classifier(model: Predictor, corpus: LabelledCorpus, *, mistakes: int = 10) -> ClassificationScore:
    """Compare a classifier's answers with the true labels.

    Args:
        model: a trained classifier.
        corpus: documents with labels.
        mistakes: how many wrong answers to show.

    Raises:
        InputError: there is no document, or the corpus cannot be read.
    """
    remembered = _Remembering(corpus)
    parts = list(model.predict_corpus(remembered))
    named = remembered.labels()
    if not len(named):
        raise InputError(f"{corpus.name}: no document with a label{corpus.report.excuse()}")
    return score(model.labels, model.thresholds, np.concatenate(parts), named, pl.concat(remembered.texts), mistakes=mistakes)


class _Remembering(LabelledCorpus):
    """A corpus that keeps the beginning of each text while it is read."""

    def __init__(self, corpus: LabelledCorpus) -> None:
        self.texts = [pl.Series([], dtype=pl.String)]
        begins = True

        def read(_report: CorpusReport, gathered: Gathered) -> Iterator[Block]:
            nonlocal begins
            for block in corpus.blocks():
                first = np.concatenate([[begins], block.ends[:-1]])
                self.texts.append(block.texts.filter(pl.Series(first)).str.slice(0, _SHOWN))
                begins = bool(block.ends[-1])
                yield block
            gathered.append(corpus.labels())

        super().__init__(corpus.name, read)


def score(
    labels: LabelSet, thresholds: np.ndarray, probabilities: np.ndarray, named: pl.Series, texts: pl.Series, *, mistakes: int = 0
) -> ClassificationScore:
    """Compare probabilities with true labels.

    Args:
        labels: C labels.
        thresholds: float (C,).
        probabilities: float (n, C).
        named: the true labels, List(String) (n,).
        texts: String (n,).
        mistakes: how many wrong answers to show.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    unseen = labels.unseen(named)
    names = [*labels.names, *unseen]
    truth = LabelSet(tuple(names), labels.several).encode(named)
    chosen = np.pad(decide(probabilities, thresholds, several=labels.several), ((0, 0), (0, len(names) - len(labels))))
    true = truth.matrix(len(names))
    right = (true == chosen).all(1)
    macro = precision_recall_fscore_support(true, chosen, average=None, zero_division=0)
    micro = precision_recall_fscore_support(true, chosen, average="micro", zero_division=0)
    confusion = None
    if not labels.several:
        confusion = confusion_matrix(truth.single, chosen.argmax(1), labels=np.arange(len(names))).tolist()
    confidence = probabilities.max(1)
    if labels.several:
        wrong = (true != chosen)[:, : len(labels)]
        confidence = (np.abs(probabilities - thresholds) * wrong).max(1)
    return ClassificationScore(
        documents=len(true),
        accuracy=float(right.mean()),
        macro_f1=float(macro[2].mean()),
        micro_f1=float(micro[2]),
        calibration_error=_calibration_error(probabilities, chosen, true, right, several=labels.several),
        per_class={
            name: LabelScore(float(precision), float(recall), float(f1), int(support))
            for name, precision, recall, f1, support in zip(names, *macro, strict=True)
        },
        unseen_labels=unseen,
        confusion=confusion,
        mistakes=_mistakes(names, probabilities, confidence, chosen, right, named, texts, mistakes),
    )


def _calibration_error(probabilities: np.ndarray, chosen: np.ndarray, true: np.ndarray, right: np.ndarray, *, several: bool) -> float:
    """Of the likeliest label of each document, or where there may be several, of every label of every document."""
    known = probabilities.shape[1]
    confidence = probabilities.ravel() if several else probabilities.max(1)
    hits = true[:, :known].ravel() if several else right
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
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])  # of the documents up to each
        ends = np.append(sorted_probabilities[1:] < sorted_probabilities[:-1], True)  # equals stand or fall together
        best = int(np.argmax(np.where(ends, f1, -1)))
        above, below = np.float32(sorted_probabilities[best]), np.float32(sorted_probabilities[best + 1] if best + 1 < len(order) else 0)
        between = (above + below) / np.float32(2)
        thresholds[label] = between if between > below else above  # there may be no number between them
    return thresholds


def load_classifier(folder: str | os.PathLike[str], threads: int | None = None) -> Predictor:
    """Load a classifier, whatever it is made of, ready to predict.

    Args:
        folder: where a training wrote it.
        threads: that predict, where it is linear; torch has threads of its own.

    Raises:
        FormatError: it is missing, damaged, or no classifier; the message says where.
    """

    def build(saved: Saved) -> Predictor:
        if saved.kind == "linear-classifier":
            from lexloom.models.linear.classifier import LinearClassifier

            return LinearClassifier.build(saved, threads)
        from lexloom.models.base import model_of
        from lexloom.models.classifier import Classifier

        return model_of(saved, Classifier)

    return read_folder(folder, build, "classifier", "linear-classifier")
