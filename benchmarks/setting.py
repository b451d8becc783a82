"""What a run measures on: the corpora, prepared once and kept under benchmarks/work, and how much of everything."""

import gzip
import lzma
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

WORK = Path(__file__).parent / "work"
MAX_LINE_WORDS = 1000  # gensim silently drops what follows the 10,000th word of a line
_WORD = re.compile(r"\w+")
_TREEBANK_WORD = re.compile(  # lower case; abbreviations keep their stop, clitics stand apart, compounds together
    r"(?:[a-z]\.){2,}"
    r"|\b(?:mr|mrs|ms|messrs|dr|st|jr|sr|sen|rep|gov|gen|prof|co|corp|inc|ltd|bros|vs|calif|conn|mass"
    r"|jan|feb|aug|sept|oct|nov|dec)\."
    r"|\d+(?:[.,]\d+)*(?![\w-])|\w+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|m|d)\b|\w+(?:-\w+)*|[$&#]"
)
_SENTENCE_WORD = re.compile(  # as in the sentences of the Stanford Sentiment Treebank, lower case: marks are words, clitics stand apart
    r"(?:[a-z]\.){2,}|\w+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|m|d)\b|\w+(?:-\w+)*|[^\w\s]"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Setting:
    """How a run is made.

    Attributes:
        data: the folder with enwiki/, wordsim/, lm/ and classify/.
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

    def sentences_of_wikipedia(self) -> Path:
        """The Wikipedia text split as the sentences about films are."""
        name, size = ("sentences-quick", 1 << 21) if self.quick else ("sentences", None)
        return self._prepared(name, size, _split_sentence)

    def sentences_of_reviews(self) -> Path:
        """The training texts of IMDB, split likewise, without labels."""
        return _prepare(
            WORK / f"reviews{self._size}.txt", lambda: (" ".join(_split_sentence(text)) + "\n" for _, text in self._reviews("train"))
        )

    def treebank_sentences(self, part: str) -> Path:
        """SST-2: train, dev or test; a label, a tab, a sentence about a film, split already."""
        return _prepare(WORK / f"sst-{part}{self._size}.tsv", lambda: map(_labelled, self._few(self._sentences(part), 600)))

    def movie_review_fold(self, number: int, folds: int) -> tuple[Path, Path]:
        """MR without and with one of its folds: for training and for testing; 1 is the first fold."""
        train, test = (WORK / f"mr-{number}-{part}{self._size}.tsv" for part in ("train", "test"))

        def rows() -> list[str]:
            source = self.data / "classify/rt-polarity.all.gz"
            pairs = [line.rstrip("\n").split(" ", 1) for line in _lines(source, "latin-1")]
            return list(self._few(map(_labelled, random.Random(1).sample(pairs, len(pairs))), 1000))

        _prepare(test, lambda: iter(rows()[number - 1 :: folds]))
        return _prepare(train, lambda: (row for place, row in enumerate(rows()) if place % folds != number - 1)), test

    def reviews(self, part: str) -> Path:
        """IMDB, train or test, in fastText's format, lower-cased words and marks, in random order."""
        rows = lambda: (f"__label__{label} {' '.join(_split_sentence(text))}\n" for label, text in self._reviews(part))  # noqa: E731
        return _prepare(WORK / f"imdb-{part}{self._size}.txt", rows)

    def million_sentences(self) -> Path:
        """SST-2's training sentences over and over, a million lines without labels."""
        count = 10_000 if self.quick else 1_000_000

        def lines() -> Iterator[str]:
            sentences = [sentence for _, sentence in self._sentences("train")]
            return (f"{sentence}\n" for sentence in islice(chain.from_iterable(_shuffles(sentences)), count))

        return _prepare(WORK / f"sst-{count}.txt", lines)

    @property
    def _size(self) -> str:
        return "-quick" if self.quick else ""

    def _few(self, rows: Iterable[Any], count: int) -> Iterable[Any]:
        return islice(rows, count) if self.quick else rows

    def _sentences(self, part: str) -> Iterator[list[str]]:
        """Labels and sentences of SST-2."""
        return (line.rstrip("\n").split(" ", 1) for line in _lines(self.data / f"classify/stsa.binary.{part}.gz"))

    def _reviews(self, part: str) -> Iterable[list[str]]:
        """Labels and lower-cased texts of IMDB, in random order."""
        lines = list(_lines(self.data / f"classify/imdb.{part}.tsv.xz"))
        random.Random(1).shuffle(lines)
        return self._few((line.rstrip("\n").replace("<br />", " ").lower().split("\t", 1) for line in lines), 500)

    def _prepared(self, name: str, size: int | None, split: _Split = _WORD.findall) -> Path:
        """Split the first `size` characters of the Wikipedia text (all of it: None) into words, once."""
        source = self.data / "enwiki/enwiki_100mb.txt.xz"
        return _prepare(WORK / f"enwiki-{name}.txt", lambda: _word_lines(_lines(source), size, split))


def _split_treebank(line: str) -> list[str]:
    return ["N" if _NUMBER.fullmatch(word) else word for word in _TREEBANK_WORD.findall(line.replace("\u2019", "'"))]


def _split_sentence(line: str) -> list[str]:
    return _SENTENCE_WORD.findall(line.replace("\u2019", "'"))


def _labelled(row: list[str]) -> str:
    return "\t".join(row) + "\n"


def _shuffles(rows: list[str]) -> Iterator[list[str]]:
    draw = random.Random(1)
    while True:
        yield draw.sample(rows, len(rows))


def _lines(source: Path, encoding: str = "utf-8") -> Iterator[str]:
    opened = (gzip if source.suffix == ".gz" else lzma).open(source, "rt", encoding=encoding, errors="replace")
    with opened as text:
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
