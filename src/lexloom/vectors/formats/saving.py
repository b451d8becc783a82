"""Save vectors in any format that lexloom writes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lexloom.errors import ConfigError, FormatError
from lexloom.files import write_atomically
from lexloom.vectors.formats.array import write_array
from lexloom.vectors.formats.binary import write_binary
from lexloom.vectors.formats.folder import write_folder
from lexloom.vectors.formats.parquet import write_parquet
from lexloom.vectors.formats.projector import write_projector
from lexloom.vectors.formats.text_writer import write_fasttext, write_glove, write_word2vec
from lexloom.vectors.formats.writing import COMPRESSORS, plain_name
from lexloom.vectors.table import Vectors


@dataclass(frozen=True)
class Format:
    """One format that vectors are saved in.

    Attributes:
        what: a line for people.
        suffix: the suffix of a target that means this format; None where only its name does.
        write: writes vectors to a path.
        folder: whether the path becomes a folder.
        compressible: whether a suffix such as .gz compresses it.
    """

    what: str
    suffix: str | None
    write: Callable[[Vectors, Path], None]
    folder: bool = False
    compressible: bool = True


FORMATS: dict[str, Format] = {
    "word2vec": Format("text: `V E`, then a token and its numbers a line", ".txt", write_word2vec),
    "word2vec-binary": Format("`V E` in text, then token, space, float32 numbers", ".bin", write_binary),
    "glove": Format("text: a token and its numbers a line, no header", None, write_glove),
    "fasttext-vec": Format("text: as word2vec, a space at the end of a line", ".vec", write_fasttext),
    "folder": Format("lexloom's own; model2vec and sentence-transformers load it", "", write_folder, folder=True, compressible=False),
    "npy": Format("a NumPy array, and NAME.vocab.txt beside it", ".npy", write_array),
    "parquet": Format("columns token, count, vector", ".parquet", write_parquet, compressible=False),
    "projector": Format("a folder for TensorBoard's embedding projector", None, write_projector, folder=True, compressible=False),
}
"""The formats by name."""


def save_vectors(vectors: Vectors, target: str | os.PathLike[str], to: str | None = None, *, overwrite: bool = False) -> None:
    """Save vectors; the target is complete or not there at all.

    The text formats keep every bit of a float32. Only the folder keeps counts, tokenizer, output matrix and metadata (Parquet: counts).

    Args:
        vectors: what to save.
        target: a local path; one that ends in .gz, .bz2, .xz or .zst is compressed.
        to: one of `FORMATS`; None to go by the suffix: .txt, .bin, .vec, .npy, .parquet, or none for a folder.
        overwrite: replace a target that exists (in a folder: the files that are written; others stay).

    Raises:
        ConfigError: the format is unknown or cannot be told, the target exists, or it cannot be compressed.
        FormatError: the format cannot hold the vectors.
    """
    name = os.fspath(target)
    if "://" in name:
        raise ConfigError(f"{name}: vectors are saved to local paths only; save there and copy it")
    path = Path(name)
    chosen = _chosen_format(path, to)
    if path.suffix in COMPRESSORS and not FORMATS[chosen].compressible:
        raise ConfigError(f"{name}: the format {chosen} is not compressed from outside; leave {path.suffix} off")
    _check_target(path, FORMATS[chosen], overwrite)
    if vectors.dim == 0:
        raise FormatError(f"{name}: these vectors have rows of 0 numbers, which no format can hold")
    if FORMATS[chosen].folder and not path.exists():
        with write_atomically(path) as temporary:
            FORMATS[chosen].write(vectors, temporary)
    else:
        FORMATS[chosen].write(vectors, path)


def _chosen_format(path: Path, to: str | None) -> str:
    if to is not None:
        if to not in FORMATS:
            raise ConfigError(f"format {to!r} is unknown; choose from {', '.join(FORMATS)}")
        return to
    suffix = plain_name(path).suffix
    for name, entry in FORMATS.items():
        if suffix == entry.suffix:
            return name
    raise ConfigError(f"{path}: the suffix {suffix!r} names no format; say which: {', '.join(FORMATS)}")


def _check_target(path: Path, chosen: Format, overwrite: bool) -> None:
    if path.exists() and path.is_dir() != chosen.folder:
        found, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise ConfigError(f"{path}: is a {found}, and this format writes a {wanted}; choose another target")
    occupied = (path.exists() and not path.is_dir()) or (path.is_dir() and any(path.iterdir()))
    if occupied and not overwrite:
        raise ConfigError(f"{path}: exists already; choose another target, or ask for it to be overwritten")
