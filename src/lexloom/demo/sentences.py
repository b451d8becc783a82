"""Sentences of docstrings, labelled with their packages, for a classifier."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lexloom.demo.harvest import Harvest
from lexloom.files import open_bytes

PACKAGES = 8
"""The largest number of packages."""
FEWEST = 200
"""The smallest number of sentences of a package."""
_MOST = 5_000  # at most that many sentences of a package
_UNEVEN = 2  # a package has at most that many times the sentences of the smallest
_WORDS = (6, 40)  # of a sentence, minimum and maximum
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Sentences:
    """Sentences of docstrings, each found in one package only.

    Attributes:
        train: the training sentences, with the columns package and text.
        held_out: the others; none occurs in `train`, not even with other case, digits or punctuation.
    """

    train: pl.DataFrame
    held_out: pl.DataFrame

    @property
    def shares(self) -> dict[str, float]:
        """The share of the held-out sentences that each package has, in descending order."""
        counted = self.held_out["package"].value_counts(normalize=True, name="share")
        return dict(counted.sort("share", "package", descending=[True, False]).iter_rows())


def choose_sentences(harvest: Harvest) -> Sentences:
    """Choose the packages with the most sentences, about the same number from each, and hold out a part.

    A sentence begins with a capital letter and ends with `.`, `!` or `?`. Sentences that occur in several packages or contain the name of
    their package are left out. The sentences of a paragraph are held out together, except for one paragraph of each package.

    Args:
        harvest: the paragraphs and their packages.

    Returns:
        The sentences; none if fewer than two packages have enough.
    """
    found = _distinct(pl.DataFrame({"package": _lines(harvest.packages), "text": _lines(harvest.path)}))
    sizes = found.group_by("package").len("size").filter(pl.col("size") >= FEWEST)
    sizes = sizes.sort("size", "package", descending=[True, False]).head(PACKAGES if len(sizes) > 1 else 0)
    most = min([_MOST, *(_UNEVEN * sizes["size"])])
    number, size = pl.int_range(pl.len()).over("package"), pl.len().over("package")
    chosen = found.join(sizes, on="package", maintain_order="left").filter(number < most).select("package", "text")
    held_out = number < _HELD_OUT * size
    return Sentences(chosen.filter(~held_out), chosen.filter(held_out))


def _distinct(paragraphs: pl.DataFrame) -> pl.DataFrame:
    """Split paragraphs into sentences, and keep one of each group of duplicates if the group occurs in one package only."""
    split = pl.col("text").str.replace_all(r"([.!?]) (\p{Lu})", "$1\n$2").str.split("\n")
    lower = pl.col("text").str.to_lowercase()
    return (
        paragraphs.with_columns(split)
        .explode("text", empty_as_null=False)
        .filter(words().is_between(*_WORDS), pl.col("text").str.contains(r"^\p{Lu}.*[.!?]$"))
        .group_by(lower.str.replace_all(r"\P{L}+", " ").alias("letters"), maintain_order=True)
        .agg(pl.col("package").n_unique().alias("packages"), pl.col("package", "text").first())
        .filter(pl.col("packages") == 1, pl.col("package") != "")
        .filter(~lower.str.contains(pl.col("package").str.to_lowercase(), literal=True))
    )


def words() -> pl.Expr:
    """Count the words of the column text, which are separated by single spaces."""
    return pl.col("text").str.count_matches(" ") + 1


def _lines(path: Path) -> list[str]:
    with open_bytes(path) as stream:
        return stream.read().decode("utf-8").removesuffix("\n").split("\n")
