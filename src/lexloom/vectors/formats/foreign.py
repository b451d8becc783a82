"""Say what a file is that lexloom does not read as vectors, and what to do with it."""

import struct

_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
_TO_WORD2VEC = "save its vectors with `KeyedVectors.save_word2vec_format` and read that file"

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (_FASTTEXT_MAGIC, "a fastText model (.bin or .ftz), not a table of vectors; use the .vec file that fastText writes beside it"),
    (b"\x89HDF\r\n", "an HDF5 file; export the vectors as word2vec text, .npy or Parquet"),
    (b"SQLite format 3\x00", "an SQLite database (Magnitude keeps vectors so); export the vectors as word2vec text"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (b"%PDF-", "a PDF document, not vectors"),
    (b"\xff\xfe", "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"),
)


def foreign(head: bytes) -> str | None:
    """Name a file of another kind by its first bytes, with what to do; None where nothing is known of it.

    Args:
        head: the first bytes, decompressed; a few hundred are enough.
    """
    if not head:
        return "the file is empty; it may be a download that failed"
    for magic, what in _MAGICS:
        if head.startswith(magic):
            return what
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _pickle(head)
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "a web page (HTML or XML), not vectors; the download probably got an error page: open it, and download again"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if _is_old_fasttext(head):
        return "a model of an early fastText (.bin without a magic number); use the .vec file that fastText writes beside it"
    return None


def torch_archive(head: bytes) -> str | None:
    """Name a PyTorch checkpoint by the first bytes of its zip; None for any other zip."""
    length = int.from_bytes(head[26:28], "little")
    first_member = head[30 : 30 + length]
    if head.startswith(b"PK\x03\x04") and first_member.endswith((b"data.pkl", b"/.format_version", b"/.data/serialization_id")):
        return "a PyTorch checkpoint (a zip of pickles); save the weight as .npy with a vocabulary, or as safetensors, and read that"
    return None


def _pickle(head: bytes) -> str:
    if head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8P\x19"):
        return "a PyTorch checkpoint of the old kind (a pickle); save the weight as .npy with a vocabulary and read that"
    if b"gensim" in head:
        return f"a gensim model (a Python pickle); in gensim, {_TO_WORD2VEC}"
    return f"a Python pickle, which lexloom never opens (it could run code); in the tool that wrote it, {_TO_WORD2VEC}"


def _is_old_fasttext(head: bytes) -> bool:
    # twelve int32: dim, window, epochs, min_count, negatives, word n-grams, loss, model, buckets, minn, maxn, rate updates
    if len(head) < 48:
        return False
    fields = struct.unpack("<12i", head[:48])
    return (
        all(0 <= field <= 100_000_000 for field in fields) and 0 < fields[0] <= 10_000 and fields[6] in (1, 2, 3) and fields[7] in (1, 2, 3)
    )
