"""The labels of a classifier as ids, and stratified validation splits. Imports no torch."""

import difflib
from dataclasses import dataclass

import numpy as np
import polars as pl

from lexloom.errors import ConfigError, InputError
from lexloom.text.documents import starts_of, take_rows

UNKNOWN = -1
"""The id of a label that does not occur in training."""


@dataclass(frozen=True)
class LabelSet:
    """C labels.

    Attributes:
        names: C, in alphabetical order.
        multi_label: whether a document may have several of them, or none (multi-label).
    """

    names: tuple[str, ...]
    multi_label: bool

    def __len__(self) -> int:
        return len(self.names)

    def id_of(self, name: str) -> int:
        """Return the id of a label.

        Raises:
            ConfigError: there is no such label.
        """
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, 1)
            known = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(self.names[:10])}"
            raise ConfigError(f"label {name!r} is unknown to the classifier; {known}")
        return self.names.index(name)

    def unseen(self, labels: pl.Series) -> dict[str, int]:
        """Count documents, labels List(String) (n,), by label outside of this set; the most frequent first."""
        distinct = labels.list.unique(maintain_order=True).explode(empty_as_null=False)
        counted = distinct.filter(~distinct.is_in(list(self.names))).alias("label").value_counts(name="documents")
        return dict(counted.sort("documents", "label", descending=[True, False]).iter_rows())

    def encode(self, labels: pl.Series) -> "Targets":
        """Encode the labels of documents, List(String) (n,), each once per document; labels outside of this set get `UNKNOWN`."""
        labels = labels.list.unique(maintain_order=True)
        flat = labels.explode(empty_as_null=False)
        place = {name: number for number, name in enumerate(self.names)}
        distinct = flat.unique(maintain_order=True)
        codes = np.empty(0, np.int64)
        if len(flat):
            codes = flat.replace_strict(distinct, [place.get(name, UNKNOWN) for name in distinct], return_dtype=pl.Int64).to_numpy()
        return Targets(codes, starts_of(labels.list.len().to_numpy()), self.multi_label)


def describe_unseen(labels: dict[str, int]) -> str:
    """Describe labels that do not occur in training, with their numbers of documents."""
    listed = ", ".join(f"{name!r} ({number})" for name, number in list(labels.items())[:10]) + (", ..." if len(labels) > 10 else "")
    return f"labels that do not occur in training count as errors (number of documents): {listed}"


def find_labels(labels: pl.Series, multi_label: bool | None, name: str) -> LabelSet:
    """Collect the labels of documents.

    Args:
        labels: List(String) (n,).
        multi_label: whether a document may have several labels. Default: whether any has.
        name: of the corpus, for messages.

    Raises:
        InputError: there are fewer than two different labels, or a document has several where that is not allowed.
    """
    most = int(labels.list.n_unique().max() or 0)  # type: ignore[arg-type]
    if multi_label is False and most > 1:
        row = int((labels.list.n_unique() > 1).arg_true()[0])
        found = ", ".join(labels[row].to_list())
        raise InputError(f"{name}: document {row + 1} has several labels ({found}); give --multi-label, or one label per document")
    names = tuple(labels.explode(empty_as_null=False).unique().sort().to_list())
    if len(names) < 2:
        what = f"a single label, {names[0]!r}" if names else "no label"
        whose = "the only document has" if len(labels) == 1 else f"all {len(labels)} documents have"
        raise InputError(f"{name}: {whose} {what}; a classifier needs at least two different ones")
    return LabelSet(names, most > 1 if multi_label is None else multi_label)


@dataclass(frozen=True)
class Targets:
    """The labels of n documents as ids.

    Attributes:
        codes: int64 (m,), the labels of all documents, one document after the other; `UNKNOWN` for other labels.
        starts: int64 (n + 1,): the labels of document d are `codes[starts[d] : starts[d + 1]]`.
        multi_label: whether a document may have several.
    """

    codes: np.ndarray
    starts: np.ndarray
    multi_label: bool

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def single(self) -> np.ndarray:
        """The label of each document, int64 (n,); the first if it has several."""
        first: np.ndarray = self.codes[self.starts[:-1]]
        return first

    def counts(self, size: int) -> np.ndarray:
        """Count the documents of each of C labels, int64 (C,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=size)

    def matrix(self, size: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Return the labels of documents, int64 (B,), as an indicator matrix, bool (B, C). Default: of all documents."""
        numbers = np.arange(len(self)) if numbers is None else numbers
        chosen = self.take(numbers)
        rows = np.repeat(np.arange(len(numbers)), np.diff(chosen.starts))
        known = chosen.codes >= 0
        matrix = np.zeros((len(numbers), size), bool)
        matrix[rows[known], chosen.codes[known]] = True
        return matrix

    def take(self, numbers: np.ndarray) -> "Targets":
        """Copy the labels of some documents, int64 (B,)."""
        return Targets(*take_rows(self.codes, self.starts, numbers), self.multi_label)


def hold_out(targets: Targets, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split documents in two, stratified by the rarest label of each document.

    Each label keeps at least one document in the first part.

    Args:
        targets: the labels of n documents.
        share: of the documents, in the second part.
        seed: of the draws.

    Returns:
        The numbers of the documents of each part, int64, ascending.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(targets))
    strata = _rarest(targets)
    order = order[np.argsort(strata[order], kind="stable")]  # label by label, shuffled within
    counts = np.unique(strata, return_counts=True)[1]
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its label
    # each label gives the integer part of its share; the remainder comes from the labels with the largest fractions
    taken = np.floor(share * counts).astype(np.int64)
    left = min(round(share * len(order)), int((counts - 1).sum())) - int(taken.sum())
    fractions = np.where(counts > taken + 1, share * counts - taken, -1.0)
    taken[np.argsort(-fractions, kind="stable")[: max(0, left)]] += 1
    held = place < np.repeat(np.minimum(taken, counts - 1), counts)
    return np.sort(order[~held]), np.sort(order[held])


def _rarest(targets: Targets) -> np.ndarray:
    """Return the rarest label of each document, int64 (n,); `UNKNOWN` for a document without labels."""
    documents = np.repeat(np.arange(len(targets)), np.diff(targets.starts))
    frequency = np.bincount(targets.codes)[targets.codes]
    ranked = np.lexsort((targets.codes, frequency, documents))
    rarest = np.full(len(targets), UNKNOWN)
    rarest[documents[ranked][::-1]] = targets.codes[ranked][::-1]  # of several assignments to one place the last one counts
    return rarest
