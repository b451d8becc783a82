"""The formats of vectors: one table with a reader and a writer each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lexloom.files import ByteStream
from lexloom.vectors.formats.binary import read_binary, write_binary
from lexloom.vectors.formats.folder import read_folder, write_folder
from lexloom.vectors.formats.npy import read_npy, write_npy
from lexloom.vectors.formats.parquet import read_parquet, write_parquet
from lexloom.vectors.formats.recognize import Header
from lexloom.vectors.formats.rows import Loaded, Request
from lexloom.vectors.formats.text import read_text, write_fasttext, write_glove, write_projector, write_word2vec
from lexloom.vectors.table import Vectors


@dataclass(frozen=True)
class Format:
    """A format that vectors are loaded from and saved in.

    Attributes:
        what: a line for people.
        suffix: the suffix of a target that means this format; None if the format must be named.
        read: reads vectors from a source that `recognize` took for this format; None for a format that is only written.
        write: writes vectors to a path.
        folder: whether the path becomes a folder.
        compressible: whether a suffix such as .gz compresses it.
    """

    what: str
    suffix: str | None
    read: Callable[[ByteStream, Header, Request], Loaded] | None
    write: Callable[[Vectors, Path], None]
    folder: bool = False
    compressible: bool = True


FORMATS: dict[str, Format] = {
    "word2vec": Format("text: `V E`, then one token and its numbers per line", ".txt", read_text, write_word2vec),
    "word2vec-binary": Format("`V E` as text, then token, space, float32 numbers", ".bin", read_binary, write_binary),
    "glove": Format("text: one token and its numbers per line, no header", None, read_text, write_glove),
    "fasttext-vec": Format("text: word2vec with a space at the end of each line", ".vec", read_text, write_fasttext),
    "folder": Format("lexloom's own; model2vec and sentence-transformers load it", "", read_folder, write_folder, True, False),
    "npy": Format("a NumPy array with NAME.vocab.txt beside it", ".npy", read_npy, write_npy),
    "parquet": Format("columns token, count, vector", ".parquet", read_parquet, write_parquet, compressible=False),
    "projector": Format("a folder for TensorBoard's embedding projector", None, None, write_projector, True, False),
}
"""The formats by name."""
