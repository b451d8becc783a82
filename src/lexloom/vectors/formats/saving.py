"""Save vectors in any format that lexloom writes."""

import os
from pathlib import Path

from lexloom.errors import ConfigError, FormatError
from lexloom.files import COMPRESSIONS, write_atomically
from lexloom.vectors.formats.catalog import FORMATS, Format
from lexloom.vectors.table import Vectors


def save_vectors(vectors: Vectors, target: str | os.PathLike[str], to: str | None = None, *, overwrite: bool = False) -> None:
    """Save vectors; the target is complete or not there at all.

    The text formats keep every bit of a float32. Only the folder keeps counts, tokenizer, output matrix and metadata (Parquet: counts).

    Args:
        vectors: what to save.
        target: a local path; one that ends in .gz, .bz2, .xz or .zst is compressed.
        to: one of `FORMATS`; None chooses by the suffix: .txt, .bin, .vec, .npy, .parquet, or none for a folder.
        overwrite: replace an existing target (in a folder: the files that are written; others stay).

    Raises:
        ConfigError: the format is unknown or does not follow from the suffix, the target exists, or it cannot be compressed.
        FormatError: the format cannot hold the vectors.
    """
    name = os.fspath(target)
    if "://" in name:
        raise ConfigError(f"{name}: vectors are saved to local paths only; save to one and copy it")
    path = Path(name)
    chosen = _chosen_format(path, to)
    format = FORMATS[chosen]
    if path.suffix[1:] in COMPRESSIONS and not format.compressible:
        raise ConfigError(f"{name}: the format {chosen} cannot be compressed; leave {path.suffix} off")
    _check_target(path, format, overwrite)
    if vectors.dim == 0:
        raise FormatError(f"{name}: these vectors have rows of 0 numbers, which no format can hold")
    if format.folder and not path.exists():
        with write_atomically(path) as temporary:
            format.write(vectors, temporary)
    else:
        format.write(vectors, path)


def _chosen_format(path: Path, to: str | None) -> str:
    if to is not None:
        if to not in FORMATS:
            raise ConfigError(f"format {to!r} is unknown; choose from {', '.join(FORMATS)}")
        return to
    suffix = path.with_suffix("").suffix if path.suffix[1:] in COMPRESSIONS else path.suffix
    for name, format in FORMATS.items():
        if suffix == format.suffix:
            return name
    raise ConfigError(f"{path}: the suffix {suffix!r} belongs to no format; name one of {', '.join(FORMATS)}")


def _check_target(path: Path, format: Format, overwrite: bool) -> None:
    if path.exists() and path.is_dir() != format.folder:
        found, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise ConfigError(f"{path}: is a {found}, and this format writes a {wanted}; choose another target")
    occupied = (path.exists() and not path.is_dir()) or (path.is_dir() and any(path.iterdir()))
    if occupied and not overwrite:
        raise ConfigError(f"{path}: exists already; choose another target or ask to overwrite it")
