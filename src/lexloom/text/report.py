"""What went wrong while a corpus was read: counted, with the first place, and never in silence."""

from dataclasses import dataclass


@dataclass
class CorpusReport:
    """What reading a corpus met; complete once the reading is.

    Attributes:
        documents: documents read, empty ones included.
        characters: of their text, line ends not counted.
        bytes: the same in UTF-8.
        broken: sequences of bytes that were not UTF-8 (or lone surrogates), each replaced by U+FFFD.
        first_broken: where the first of them was, `file:line`.
        bad_lines: records left out because they could not be understood.
        first_bad: where the first of them was and why, `file:line: reason`.
        keep_bad: whether they are empty documents rather than left out.
    """

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    broken: int = 0
    first_broken: str | None = None
    bad_lines: int = 0
    first_bad: str | None = None
    keep_bad: bool = False

    def add_broken(self, count: int, where: str) -> None:
        """Count replaced bytes."""
        self.broken += count
        self.first_broken = self.first_broken or where

    def add_bad(self, where: str, reason: str) -> None:
        """Count a record that is left out."""
        self.bad_lines += 1
        self.first_bad = self.first_bad or f"{where}: {reason}"

    def excuse(self) -> str:
        """Say, as the end of a complaint that there is nothing to read, what was left out; empty where nothing was."""
        return f"; {self._left_out}, the first: {self.first_bad}" if self.bad_lines else ""

    @property
    def _left_out(self) -> str:
        if self.bad_lines == 1:
            return f"1 bad record was {'taken for an empty text' if self.keep_bad else 'left out'}"
        return f"{self.bad_lines} bad records were {'taken for empty texts' if self.keep_bad else 'left out'}"

    def warnings(self) -> list[str]:
        """Say what a user should know, one line each; empty when all was well."""
        lines = []
        if self.broken:
            lines.append(f"{self.first_broken}: not valid UTF-8; {self.broken} broken places in all were replaced by U+FFFD")
        if self.bad_lines:
            lines.append(f"{self._left_out}; the first: {self.first_bad}")
        return lines
