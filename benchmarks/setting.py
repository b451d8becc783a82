"""What a run measures on: the corpora, prepared once and kept under benchmarks/work, and how much of everything."""

import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

WORK = Path(__file__).parent / "work"
MAX_LINE_WORDS = 1000  # gensim silently drops what follows the 10,000th word of a line
_WORD = re.compile(r"\w+")
_TREEBANK_WORD = re.compile(  # lower case; abbreviations keep their stop, clitics stand apart, compounds together
    r"(?:[a-z]\.){2,}"
    r"|\b(?:mr|mrs|ms|messrs|dr|st|jr|sr|sen|rep|gov|gen|prof|co|corp|inc|ltd|bros|vs|calif|conn|mass"
    r"|jan|feb|aug|sept|oct|nov|dec)\."
    r"|\d+(?:[.,]\d+)*(?![\w-])|\w+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|m|d)\b|\w+(?:-\w+)*|[$&#]"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Setting:
    """How a run is made.

    Attributes:
        data: the folder with enwiki/, wordsim/ and lm/.
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
        return _prepare(target, lambda: (line.rstrip("\n") + " " for line in source.open(encoding="utf-8")))

    def treebank_like(self) -> Path:
        """The Wikipedia text split as the Penn Treebank is, `N` for every number."""
        name, size = ("treebank-quick", 1 << 21) if self.quick else ("treebank", None)
        return self._prepared(name, size, _split_treebank)

    def treebank(self, part: str) -> Path:
        """The Penn Treebank: train, valid or test."""
        source = self.data / f"lm/ptb.{part}.txt.xz"
        if not self.quick:
            return source
        return _prepare(WORK / f"treebank-quick-{part}.txt", lambda: islice(_lines(source), 300))

    def treebank_vocabulary(self) -> Path:
        """A part of the Penn Treebank with its whole vocabulary: the lines that bring a new word."""
        source = self.treebank("train")
        if self.quick:
            return source
        return _prepare(WORK / "treebank-vocabulary.txt", lambda: _lines_with_news(_lines(source)))

    def time_machine(self, size: int | None = None) -> Path:
        """The first `size` characters of The Time Machine (all of it: None): lower-case letters and single spaces, in one line."""
        if self.quick:
            size = min(size or 10_000, 10_000)

        def text() -> Iterator[str]:
            book = (self.data / "lm/timemachine.txt").read_text(encoding="utf-8")
            yield re.sub("[^a-z]+", " ", book.lower()).strip()[:size] + "\n"

        return _prepare(WORK / f"time-machine-{size or 'whole'}.txt", text)

    def _prepared(self, name: str, size: int | None, split: _Split = _WORD.findall) -> Path:
        """Split the first `size` characters of the Wikipedia text (all of it: None) into words, once."""
        source = self.data / "enwiki/enwiki_100mb.txt.xz"
        return _prepare(WORK / f"enwiki-{name}.txt", lambda: _word_lines(_lines(source), size, split))


def _split_treebank(line: str) -> list[str]:
    return ["N" if _NUMBER.fullmatch(word) else word for word in _TREEBANK_WORD.findall(line.replace("\u2019", "'"))]


def _lines(source: Path) -> Iterator[str]:
    with lzma.open(source, "rt", encoding="utf-8", errors="replace") as text:
        yield from text


def _lines_with_news(lines: Iterator[str]) -> Iterator[str]:
    known: set[str] = set()
    for line in lines:
        if news := set(line.split()) - known:
            known |= news
            yield line


def _word_lines(text: Iterator[str], size: int | None, split: _Split) -> Iterator[str]:
    seen = 0
    for line in text:
        words = iter(split(line.lower()))
        while part := list(islice(words, MAX_LINE_WORDS)):
            yield " ".join(part) + "\n"
        seen += len(line)
        if size is not None and seen >= size:
            return


def _prepare(target: Path, lines: Callable[[], Iterator[str]]) -> Path:
    """Write a file, once."""
    if not target.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        _write(target, lines())
    return target


def _write(target: Path, lines: Iterator[str]) -> None:
    temporary = target.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    temporary.replace(target)
