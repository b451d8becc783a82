"""The labels of a classifier by number, and documents cut into parts in which each label has its share. No torch is needed here."""

import difflib
from dataclasses import dataclass

import numpy as np
import polars as pl

from lexloom.errors import ConfigError, InputError
from lexloom.text.ragged import starts_of, take_rows

UNKNOWN = -1
"""The number of a label that training never saw."""


@dataclass(frozen=True)
class LabelSet:
    """C labels.

    Attributes:
        names: C, in alphabetical order.
        several: whether a document may have several of them, or none (multi-label).
    """

    names: tuple[str, ...]
    several: bool

    def __len__(self) -> int:
        return len(self.names)

    def number_of(self, name: str) -> int:
        """Give the number of a label.

        Raises:
            ConfigError: there is no such label.
        """
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, 1)
            known = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(self.names[:10])}"
            raise ConfigError(f"label {name!r}: the classifier does not know it; {known}")
        return self.names.index(name)

    def unseen(self, labels: pl.Series) -> dict[str, int]:
        """Count the documents of labels, List(String) (n,), that are not among these; the most frequent first."""
        distinct = labels.list.unique(maintain_order=True).explode(empty_as_null=False)
        counted = distinct.filter(~distinct.is_in(list(self.names))).alias("label").value_counts(name="documents")
        return dict(counted.sort("documents", "label", descending=[True, False]).iter_rows())

    def encode(self, labels: pl.Series) -> "Targets":
        """Number the labels of documents, List(String) (n,), each once; what is unknown gets `UNKNOWN`."""
        labels = labels.list.unique(maintain_order=True)
        flat = labels.explode(empty_as_null=False)
        place = {name: number for number, name in enumerate(self.names)}
        distinct = flat.unique(maintain_order=True)
        codes = np.empty(0, np.int64)
        if len(flat):
            codes = flat.replace_strict(distinct, [place.get(name, UNKNOWN) for name in distinct], return_dtype=pl.Int64).to_numpy()
        return Targets(codes, starts_of(labels.list.len().to_numpy()), self.several)


def describe_unseen(labels: dict[str, int]) -> str:
    """Name labels that training never saw, with the number of documents that have them."""
    listed = ", ".join(f"{name!r} ({number})" for name, number in list(labels.items())[:10]) + (", ..." if len(labels) > 10 else "")
    return f"labels that training never saw count as errors; with the documents that have them: {listed}"


def find_labels(labels: pl.Series, several: bool | None, name: str) -> LabelSet:
    """Gather the labels that documents have.

    Args:
        labels: List(String) (n,).
        several: whether a document may have several; whether one does where None.
        name: of the corpus, for messages.

    Raises:
        InputError: there are fewer than two different labels, or a document has several where that is not allowed.
    """
    most = int(labels.list.n_unique().max() or 0)  # type: ignore[arg-type]
    if several is False and most > 1:
        row = int((labels.list.n_unique() > 1).arg_true()[0])
        found = ", ".join(labels[row].to_list())
        raise InputError(f"{name}: document {row + 1} has several labels ({found}); give --multi-label, or one label a document")
    names = tuple(labels.explode(empty_as_null=False).unique().sort().to_list())
    if len(names) < 2:
        what = f"a single label, {names[0]!r}" if names else "no label"
        whose = "the only document has" if len(labels) == 1 else f"all {len(labels)} documents have"
        raise InputError(f"{name}: {whose} {what}; a classifier needs at least two different ones")
    return LabelSet(names, most > 1 if several is None else several)


@dataclass(frozen=True)
class Targets:
    """The labels of n documents by number.

    Attributes:
        codes: int64 (m,), the labels of all documents one after the other, `UNKNOWN` where training never saw them.
        starts: int64 (n + 1,): those of document d are `codes[starts[d] : starts[d + 1]]`.
        several: whether a document may have several.
    """

    codes: np.ndarray
    starts: np.ndarray
    several: bool

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def single(self) -> np.ndarray:
        """The one label of each document, int64 (n,); the first where it has several."""
        first: np.ndarray = self.codes[self.starts[:-1]]
        return first

    def counts(self, size: int) -> np.ndarray:
        """Count the documents of each of C labels, int64 (C,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=size)

    def matrix(self, size: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Write the labels of documents, int64 (B,), all unless given, as zeros and ones, bool (B, C)."""
        numbers = np.arange(len(self)) if numbers is None else numbers
        chosen = self.take(numbers)
        rows = np.repeat(np.arange(len(numbers)), np.diff(chosen.starts))
        known = chosen.codes >= 0
        matrix = np.zeros((len(numbers), size), bool)
        matrix[rows[known], chosen.codes[known]] = True
        return matrix

    def take(self, numbers: np.ndarray) -> "Targets":
        """Copy those of some documents, int64 (B,)."""
        return Targets(*take_rows(self.codes, self.starts, numbers), self.several)


def hold_out(targets: Targets, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut documents into two parts in which each label has its share: stratified by the rarest label of each document.

    A label with a single document stays in the first part, and none loses its last document to the second.

    Args:
        targets: the labels of n documents.
        share: of the documents, for the second part.
        seed: where the draws begin.

    Returns:
        The numbers of the documents of each part, int64, ascending.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(targets))
    strata = _rarest(targets)
    order = order[np.argsort(strata[order], kind="stable")]  # label by label, shuffled within
    counts = np.unique(strata, return_counts=True)[1]
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its label
    # every label gives the whole part of its share, and the fractions go to the labels where they are largest
    taken = np.floor(share * counts).astype(np.int64)
    left = min(round(share * len(order)), int((counts - 1).sum())) - int(taken.sum())
    fractions = np.where(counts > taken + 1, share * counts - taken, -1.0)
    taken[np.argsort(-fractions, kind="stable")[: max(0, left)]] += 1
    held = place < np.repeat(np.minimum(taken, counts - 1), counts)
    return np.sort(order[~held]), np.sort(order[held])


def _rarest(targets: Targets) -> np.ndarray:
    """Give the rarest label of each document, int64 (n,); `UNKNOWN` for one without."""
    documents = np.repeat(np.arange(len(targets)), np.diff(targets.starts))
    frequency = np.bincount(targets.codes)[targets.codes]
    ranked = np.lexsort((targets.codes, frequency, documents))
    rarest = np.full(len(targets), UNKNOWN)
    rarest[documents[ranked][::-1]] = targets.codes[ranked][::-1]  # of several assignments to one place the last one stays
    return rarest
