"""Bytes to text: UTF-8 with its marks, and what is done about bytes that are not UTF-8."""

from lexloom.errors import InputError
from lexloom.text.report import CorpusReport


def strip_mark(beginning: bytes, name: str) -> bytes:
    """Remove a UTF-8 byte order mark from the beginning of a file.

    Raises:
        InputError: the mark is that of UTF-16 (or UTF-32).
    """
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name}: begins with a UTF-16 byte order mark, expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8")
    return beginning.removeprefix(b"\xef\xbb\xbf")


def decode(data: bytes, name: str, line: int, report: CorpusReport) -> str:
    """Decode UTF-8; each broken sequence becomes U+FFFD and is counted.

    Args:
        data: whole lines.
        name: the file, for the report.
        line: the number of the first line in `data`.
        report: where broken sequences are counted.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
        first = line + data.count(b"\n", 0, error.start)
        report.add_broken(broken, f"{name}:{first}")
        return text


def without_surrogates(text: str, where: str, report: CorpusReport) -> str:
    """Replace lone surrogates, which no encoding can carry, by U+FFFD; pairs are joined to the character that they mean."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        broken = mended.count("\ufffd") - text.count("\ufffd")
        if broken:
            report.add_broken(broken, where)
        return mended
