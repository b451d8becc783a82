"""What a benchmark measures on: corpora, which are prepared once and kept in benchmarks/work, and the numbers of seeds and rounds."""

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
MAX_LINE_WORDS = 1000  # gensim silently drops all words of a line after the 10,000th
_WORD = re.compile(r"\w+")
_TREEBANK_WORD = re.compile(  # lower-case text; abbreviations keep their full stop, clitics are split off, hyphenated compounds are kept
    r"(?:[a-z]\.){2,}"
    r"|\b(?:mr|mrs|ms|messrs|dr|st|jr|sr|sen|rep|gov|gen|prof|co|corp|inc|ltd|bros|vs|calif|conn|mass"
    r"|jan|feb|aug|sept|oct|nov|dec)\."
    r"|\d+(?:[.,]\d+)*(?![\w-])|\w+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|m|d)\b|\w+(?:-\w+)*|[$&#]"
)
_SENTENCE_WORD = re.compile(  # lower-case text, as in the Stanford Sentiment Treebank: marks are words, clitics are split off
    r"(?:[a-z]\.){2,}|\w+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|m|d)\b|\w+(?:-\w+)*|[^\w\s]"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Setting:
    """The data and the size of a benchmark.

    Attributes:
        data: the folder with enwiki/, wordsim/, lm/ and classify/.
        quick: a slice of the text, one seed, one round, to check that everything runs; the figures mean nothing.
        threads: threads of every tool.
    """

    data: Path
    quick: bool = False
    threads: int = 2

    @property
    def seeds(self) -> range:
        """The seeds over which scores are averaged."""
        return range(1, 2) if self.quick else range(1, 4)

    @property
    def rounds(self) -> int:
        """How many times the tools run in turn (A B A B)."""
        return 1 if self.quick else 2

    @property
    def table(self) -> tuple[int, int]:
        """Number and length, V and E, of the random vectors on which queries and loading are timed."""
        return (20_000, 100) if self.quick else (100_000, 300)

    @property
    def similarity_files(self) -> dict[str, Path]:
        """Files of human similarity judgements by name."""
        return {"WordSim-353": self.data / "wordsim/EN-WS-353-ALL.txt", "MEN": self.data / "wordsim/EN-MEN-TR-3k.txt"}

    @property
    def analogy_file(self) -> Path:
        """Google's analogy questions."""
        return self.data / "wordsim/questions-words.txt"

    def corpus(self) -> Path:
        """The training text: lower-cased words, at most 1,000 per line."""
        return self._prepared("quick", 1 << 23) if self.quick else self._prepared("whole", None)

    def slice(self) -> Path:
        """The start of the corpus, about 3 million words, short enough for the slowest peer."""
        return self._prepared("quick", 1 << 23) if self.quick else self._prepared("slice", 1 << 24)

    def one_line(self) -> Path:
        """The corpus as a single line."""
        source = self.corpus()
        target = source.with_name(f"{source.stem}-one-line.txt")
        return _prepare(target, lambda: (line.rstrip("\n") + " " for line in source.open(encoding="utf-8")))

    def treebank_like(self) -> Path:
        """The Wikipedia text tokenized like the Penn Treebank, with `N` for every number."""
        name, size = ("treebank-quick", 1 << 21) if self.quick else ("treebank", None)
        return self._prepared(name, size, _split_treebank)

    def treebank(self, part: str) -> Path:
        """A part of the Penn Treebank: train, valid or test."""
        source = self.data / f"lm/ptb.{part}.txt.xz"
        if not self.quick:
            return source
        return _prepare(WORK / f"treebank-quick-{part}.txt", lambda: islice(_lines(source), 300))

    def treebank_vocabulary(self) -> Path:
        """The lines of the Penn Treebank that bring a new word: a short text with the whole vocabulary."""
        source = self.treebank("train")
        if self.quick:
            return source
        return _prepare(WORK / "treebank-vocabulary.txt", lambda: _lines_with_new_words(_lines(source)))

    def time_machine(self, size: int | None = None) -> Path:
        """The first `size` characters of The Time Machine (None: all) in one line of lower-case letters and single spaces."""
        if self.quick:
            size = min(size or 10_000, 10_000)

        def text() -> Iterator[str]:
            book = (self.data / "lm/timemachine.txt").read_text(encoding="utf-8")
            yield re.sub("[^a-z]+", " ", book.lower()).strip()[:size] + "\n"

        return _prepare(WORK / f"time-machine-{size or 'whole'}.txt", text)

    def sentences_of_wikipedia(self) -> Path:
        """The Wikipedia text tokenized like SST-2."""
        name, size = ("sentences-quick", 1 << 21) if self.quick else ("sentences", None)
        return self._prepared(name, size, _split_sentence)

    def sentences_of_reviews(self) -> Path:
        """The training texts of IMDB, tokenized like SST-2, without labels."""
        return _prepare(
            WORK / f"reviews{self._size}.txt", lambda: (" ".join(_split_sentence(text)) + "\n" for _, text in self._reviews("train"))
        )

    def treebank_sentences(self, part: str) -> Path:
        """A part of SST-2, train, dev or test: per line a label, a tab and a tokenized sentence."""
        return _prepare(WORK / f"sst-{part}{self._size}.tsv", lambda: map(_labelled, self._few(self._sentences(part), 600)))

    def movie_review_fold(self, number: int, folds: int) -> tuple[Path, Path]:
        """The training and the test documents of MR for one of its folds, counted from 1."""
        train, test = (WORK / f"mr-{number}-{part}{self._size}.tsv" for part in ("train", "test"))

        def rows() -> list[str]:
            source = self.data / "classify/rt-polarity.all.gz"
            pairs = [line.rstrip("\n").split(" ", 1) for line in _lines(source, "latin-1")]
            return list(self._few(map(_labelled, random.Random(1).sample(pairs, len(pairs))), 1000))

        _prepare(test, lambda: iter(rows()[number - 1 :: folds]))
        return _prepare(train, lambda: (row for place, row in enumerate(rows()) if place % folds != number - 1)), test

    def reviews(self, part: str) -> Path:
        """A part of IMDB, train or test, in fastText's format and in random order: lower-cased words and marks."""
        rows = lambda: (f"__label__{label} {' '.join(_split_sentence(text))}\n" for label, text in self._reviews(part))  # noqa: E731
        return _prepare(WORK / f"imdb-{part}{self._size}.txt", rows)

    def million_sentences(self) -> Path:
        """A million lines without labels: the training sentences of SST-2, reshuffled again and again."""
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
        """The labels and sentences of a part of SST-2."""
        return (line.rstrip("\n").split(" ", 1) for line in _lines(self.data / f"classify/stsa.binary.{part}.gz"))

    def _reviews(self, part: str) -> Iterable[list[str]]:
        """The labels and lower-cased texts of a part of IMDB, in random order."""
        lines = list(_lines(self.data / f"classify/imdb.{part}.tsv.xz"))
        random.Random(1).shuffle(lines)
        return self._few((line.rstrip("\n").replace("<br />", " ").lower().split("\t", 1) for line in lines), 500)

    def _prepared(self, name: str, size: int | None, split: _Split = _WORD.findall) -> Path:
        """Tokenize the first `size` characters of the Wikipedia text (None: all), once."""
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


def _lines_with_new_words(lines: Iterator[str]) -> Iterator[str]:
    known: set[str] = set()
    for line in lines:
        if new := set(line.split()) - known:
            known |= new
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
    """Write a file unless it exists."""
    if not target.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        _write(target, lines())
    return target


def _write(target: Path, lines: Iterator[str]) -> None:
    temporary = target.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    temporary.replace(target)
