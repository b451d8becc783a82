"""What a run measures on: the corpora, prepared once and kept under benchmarks/work, and how much of everything."""

import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

WORK = Path(__file__).parent / "work"
MAX_LINE_WORDS = 1000  # gensim silently drops what follows the 10,000th word of a line
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Setting:
    """How a run is made.

    Attributes:
        data: the folder with enwiki/ and wordsim/.
        quick: a slice of the text, one seed, one round: to see that everything runs. Its figures judge nothing.
        threads: threads of every tool.
    """

    data: Path
    quick: bool = False
    threads: int = 2

    @property
    def seeds(self) -> range:
        """The seeds that quality is a mean over."""
        return range(1, 2) if self.quick else range(1, 4)

    @property
    def rounds(self) -> int:
        """How often tools take turns (A B A B)."""
        return 1 if self.quick else 2

    @property
    def table(self) -> tuple[int, int]:
        """V and E of the random vectors that queries and loading are timed on."""
        return (20_000, 100) if self.quick else (100_000, 300)

    @property
    def similarity_files(self) -> dict[str, Path]:
        """The human judgements, by the name that tables show."""
        return {"WordSim-353": self.data / "wordsim/EN-WS-353-ALL.txt", "MEN": self.data / "wordsim/EN-MEN-TR-3k.txt"}

    @property
    def analogy_file(self) -> Path:
        """Google's analogies."""
        return self.data / "wordsim/questions-words.txt"

    def corpus(self) -> Path:
        """The text that is trained on: lower-cased words, lines of at most 1,000 of them."""
        return self._prepared("quick", 1 << 23) if self.quick else self._prepared("whole", None)

    def slice(self) -> Path:
        """A part of it that the slowest peer can be timed on, about 3 million words."""
        return self._prepared("quick", 1 << 23) if self.quick else self._prepared("slice", 1 << 24)

    def one_line(self) -> Path:
        """The corpus as a single line."""
        source = self.corpus()
        target = source.with_name(f"{source.stem}-one-line.txt")
        if not target.exists():
            _write(target, (line.rstrip("\n") + " " for line in source.open(encoding="utf-8")))
        return target

    def _prepared(self, name: str, size: int | None) -> Path:
        """Split the first `size` characters of the Wikipedia text (all of it: None) into words, once."""
        target = WORK / f"enwiki-{name}.txt"
        if not target.exists():
            WORK.mkdir(parents=True, exist_ok=True)
            with lzma.open(self.data / "enwiki/enwiki_100mb.txt.xz", "rt", encoding="utf-8", errors="replace") as text:
                _write(target, _word_lines(text, size))
        return target


def _word_lines(text: Iterator[str], size: int | None) -> Iterator[str]:
    seen = 0
    for line in text:
        words = iter(_WORD.findall(line.lower()))
        while part := list(islice(words, MAX_LINE_WORDS)):
            yield " ".join(part) + "\n"
        seen += len(line)
        if size is not None and seen >= size:
            return


def _write(target: Path, lines: Iterator[str]) -> None:
    temporary = target.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    temporary.replace(target)
