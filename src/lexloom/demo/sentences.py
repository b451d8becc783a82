"""Sentences of docstrings for a classifier: which package does each come from?"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lexloom.demo.harvest import Harvest
from lexloom.files import open_bytes

PACKAGES = 8
"""That are told apart at most."""
FEWEST = 200
"""Sentences that a package must have."""
_MOST = 5_000  # sentences of a package
_UNEVEN = 2  # a package has at most so many times the sentences of the smallest
_WORDS = (6, 40)  # of a sentence, the fewest and the most
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Sentences:
    """Sentences of docstrings, each with the one package that it stands in.

    Attributes:
        train: columns package and text, of those to train on.
        held_out: the same of the others; none is among those to train on, nor one that differs from it in case, digits and signs alone.
    """

    train: pl.DataFrame
    held_out: pl.DataFrame

    @property
    def shares(self) -> dict[str, float]:
        """The packages with the share that each has of the held-out sentences, the largest first."""
        counted = self.held_out["package"].value_counts(normalize=True, name="share")
        return dict(counted.sort("share", "package", descending=[True, False]).iter_rows())


def choose_sentences(harvest: Harvest) -> Sentences:
    """Choose the packages with the most sentences, about as many of each, and hold out a part.

    A sentence begins with a capital letter and ends with a stop. Those that stand in several packages are left out, and those that contain
    the name of theirs. The sentences of a paragraph are held out together, but for one paragraph of each package.

    Args:
        harvest: the paragraphs and their packages.

    Returns:
        The sentences; none where fewer than two packages have enough.
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
    """Part paragraphs into sentences, and keep one of those that are alike if they stand in one package alone."""
    parted = pl.col("text").str.replace_all(r"([.!?]) (\p{Lu})", "$1\n$2").str.split("\n")
    lower = pl.col("text").str.to_lowercase()
    return (
        paragraphs.with_columns(parted)
        .explode("text", empty_as_null=False)
        .filter(words().is_between(*_WORDS), pl.col("text").str.contains(r"^\p{Lu}.*[.!?]$"))
        .group_by(lower.str.replace_all(r"\P{L}+", " ").alias("letters"), maintain_order=True)
        .agg(pl.col("package").n_unique().alias("packages"), pl.col("package", "text").first())
        .filter(pl.col("packages") == 1, pl.col("package") != "")
        .filter(~lower.str.contains(pl.col("package").str.to_lowercase(), literal=True))
    )


def words() -> pl.Expr:
    """Count the words of a column text, parted by single spaces."""
    return pl.col("text").str.count_matches(" ") + 1


def _lines(path: Path) -> list[str]:
    with open_bytes(path) as stream:
        return stream.read().decode("utf-8").removesuffix("\n").split("\n")
