"""Load vectors from any format that lexloom reads, recognised by content."""

import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from lexloom.errors import FormatError, InputError
from lexloom.files import STDIN, ByteStream, open_bytes, open_raw, read_exactly
from lexloom.vectors.formats.array import read_array
from lexloom.vectors.formats.binary import read_binary
from lexloom.vectors.formats.folder import MANIFEST, read_folder
from lexloom.vectors.formats.foreign import torch_archive
from lexloom.vectors.formats.foreign_folder import read_foreign_folder
from lexloom.vectors.formats.gather import Gatherer
from lexloom.vectors.formats.parquet import read_parquet
from lexloom.vectors.formats.recognize import Kind, recognize
from lexloom.vectors.formats.source import Provenance, Request, Source
from lexloom.vectors.formats.text import read_text
from lexloom.vectors.table import Vectors


def load_vectors(source: str | os.PathLike[str], *, limit: int | None = None, only: Collection[str] | None = None) -> Vectors:
    """Load vectors from a file, URL or folder; what it is, and whether it is compressed, is seen from its content.

    word2vec text and binary, GloVe, fastText .vec, .npy with NAME.vocab.txt, Parquet, and the folders of lexloom, model2vec and
    sentence-transformers. Of a token that comes twice the first row is kept. For all but lexloom's own folders, `metadata["read_from"]`
    says what was found: source, format, what its header promised, rows, duplicates.

    Args:
        source: a path, an fsspec URL, or `-` for standard input.
        limit: read the first so many rows only.
        only: keep the rows of these tokens only; the rest never takes memory.

    Raises:
        InputError: the source cannot be opened or decompressed.
        FormatError: it is damaged, or none of these formats; the message says what it is.
        ConfigError: `limit` or `only` make no sense.
    """
    vectors, provenance = read(source, Request.of(limit, only))
    if not (provenance.format == "folder" and (Path(provenance.source) / MANIFEST).exists()):
        # a folder that others get should not tell where its files lay on this machine
        shown = provenance.source if "://" in provenance.source else Path(provenance.source).name
        vectors.metadata["read_from"] = asdict(provenance) | {"source": shown}
    return vectors


def read(source: str | os.PathLike[str], request: Request) -> tuple[Vectors, Provenance]:
    """Load vectors, and tell where they came from.

    Raises:
        InputError, FormatError: as `load_vectors`.
    """
    name = os.fspath(source)
    if name not in ("", STDIN) and Path(name).is_dir():
        return _read_folder(Path(name), request)
    with _open(source) as stream:
        ahead = Source(stream)
        kind = recognize(ahead)
        if kind.format == "folder":
            if stream.kind is not None or not Path(name).is_file():
                raise FormatError(f"{name}: a safetensors file; give the local folder that it lies in, with its tokenizer.json")
            return _read_folder(Path(name).parent, request)
        provenance = Provenance(name, kind.format, stream.kind, kind.promised, kind.dim if kind.promised is not None else None)
        if kind.format == "npy":
            return read_array(ahead, request, provenance), provenance
        if kind.format == "parquet":
            return read_parquet(ahead, request, provenance), provenance
        return _read_rows(ahead, kind, request, provenance), provenance


def _read_rows(source: Source, kind: Kind, request: Request, provenance: Provenance) -> Vectors:
    gatherer = Gatherer(kind.dim, request, kind.promised)
    if kind.format == "word2vec-binary":
        read_binary(source, kind, gatherer)
    else:
        read_text(source, kind, gatherer)
    provenance.rows, provenance.duplicates = gatherer.rows, gatherer.duplicates
    return Vectors(*gatherer.finish())


def _read_folder(folder: Path, request: Request) -> tuple[Vectors, Provenance]:
    provenance = Provenance(os.fspath(folder), "folder")
    if (folder / MANIFEST).exists():
        return read_folder(folder, request, provenance), provenance
    if folder.name == "0_StaticEmbedding":  # a file of it was named
        folder = folder.parent
    return read_foreign_folder(folder, request, provenance), provenance


def _open(source: str | os.PathLike[str]) -> ByteStream:
    try:
        return open_bytes(source)
    except InputError:
        # a zip of several files is refused there; where it is a checkpoint, say so instead
        what = None if os.fspath(source) == STDIN else _torch_archive(source)
        if what is None:
            raise
        raise FormatError(f"{os.fspath(source)}: {what}") from None


def _torch_archive(source: str | os.PathLike[str]) -> str | None:
    raw = open_raw(source)
    try:
        return torch_archive(read_exactly(raw, 512))
    finally:
        raw.close()
