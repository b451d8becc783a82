"""The folder that lexloom keeps vectors in, which sentence-transformers' StaticEmbedding and model2vec load too.

`model.safetensors` (tensor `embeddings`, float32), `tokenizer.json` whose ids are its rows, `config.json`, `modules.json` and
`README.md` are theirs; `vocabulary.json` (tokens and counts), `output.safetensors` (where the output matrix was kept) and
`lexloom.json` are ours. Both loaders need a row for words that they do not know: unless `<unk>` is itself a token, row 0 is a
reserved zero row of that name, taken off again when lexloom loads the folder.
"""

import json
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import read_json, remove, write_atomically, write_json, write_text
from lexloom.tensors import Blocks, checksum, map_tensors, write_tensors
from lexloom.vectors.formats.card import model_card
from lexloom.vectors.formats.choose import choose_rows
from lexloom.vectors.formats.source import Provenance, Request
from lexloom.vectors.formats.writing import is_unicode, row_blocks
from lexloom.vectors.table import Vectors
from lexloom.version import __version__

UNK = "<unk>"
MANIFEST = "lexloom.json"
_KIND, _FORMAT_VERSION = "lexloom vectors", 1
_MODULES = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]


def write_folder(vectors: Vectors, path: str | os.PathLike[str]) -> None:
    """Write vectors into a folder, which may exist; its other files are left alone.

    Each file is replaced at once and `lexloom.json` comes last. The vocabulary's checksum is kept with the matrices, so that a folder
    of which only a part was replaced is refused when it is loaded.

    Args:
        vectors: what to write; the matrix may be any view and is streamed out.
        path: the folder, made with its parents where it does not exist.
    """
    from lexloom.text.tokenizers import with_vocabulary

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    reserved = UNK not in vectors
    vocabulary = _vocabulary_json(vectors)
    identity = checksum(vocabulary.encode())
    rows = [UNK, *vectors.tokens] if reserved else vectors.tokens
    write_text(folder / "vocabulary.json", vocabulary)
    write_text(folder / "tokenizer.json", with_vocabulary(vectors.tokenizer, rows, UNK))
    _write_matrix(folder / "model.safetensors", "embeddings", vectors.matrix, identity, zero_row=reserved)
    if vectors.output is None:
        remove(folder / "output.safetensors")
    else:
        _write_matrix(folder / "output.safetensors", "output", vectors.output, identity)
    # max_length null: model2vec would otherwise cut every text after 512 tokens
    config = {"model_type": "model2vec", "hidden_dim": vectors.dim, "embedding_dtype": "float32", "normalize": False, "max_length": None}
    write_json(folder / "config.json", config)
    write_json(folder / "modules.json", _MODULES)
    write_text(folder / "README.md", model_card(vectors))
    manifest = {
        "kind": _KIND,
        "format_version": _FORMAT_VERSION,
        "written_by": f"lexloom {__version__}",
        "tokens": len(vectors),
        "dim": vectors.dim,
        "reserved_unk_row": reserved,
        "output": vectors.output is not None,
        "tokenizer_known": vectors.tokenizer is not None,
        "vocabulary": identity,
        "metadata": vectors.metadata,
    }
    write_json(folder / MANIFEST, manifest)


def read_folder(folder: Path, request: Request, provenance: Provenance) -> Vectors:
    """Load a folder that `write_folder` wrote; the matrices are memory-mapped.

    Raises:
        FormatError: a file is missing, damaged, or from another write than the rest.
    """
    manifest = _read_manifest(folder)
    data = _read_bytes(folder / "vocabulary.json")
    if checksum(data) != manifest["vocabulary"]:
        raise FormatError(f"{folder / 'vocabulary.json'}: not the one that {MANIFEST} was written with; write the folder again")
    pairs = json.loads(data)
    tokens = [token for token, _ in pairs]
    counts = np.array([count for _, count in pairs], np.int64)
    first = int(manifest["reserved_unk_row"])
    matrix = _map_matrix(folder / "model.safetensors", "embeddings", (len(tokens) + first, manifest["dim"]), manifest["vocabulary"])[first:]
    output = None
    if manifest["output"] and (folder / "output.safetensors").exists():  # training needs it, nothing else: it may be deleted
        output = _map_matrix(folder / "output.safetensors", "output", matrix.shape, manifest["vocabulary"])
    tokenizer = _read_bytes(folder / "tokenizer.json").decode() if manifest["tokenizer_known"] else None
    rows = choose_rows(tokens, request, provenance)
    return Vectors(
        tokens[rows] if isinstance(rows, slice) else [tokens[row] for row in rows],
        matrix[rows],
        counts[rows],
        output=None if output is None else output[rows],
        tokenizer=tokenizer,
        metadata=manifest["metadata"],
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest: dict[str, Any] = read_json(path)
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind != _KIND:
        raise FormatError(f"{path}: its kind is {kind!r}, expected {_KIND!r}; this folder holds something else than vectors")
    found = manifest.get("format_version")
    if found != _FORMAT_VERSION:
        raise FormatError(f"{path}: format version {found!r}, this lexloom reads {_FORMAT_VERSION}; update lexloom")
    needed = {"dim", "reserved_unk_row", "output", "tokenizer_known", "vocabulary", "metadata"}
    if missing := needed - manifest.keys():
        raise FormatError(f"{path}: {', '.join(sorted(missing))} missing; the file is damaged")
    return manifest


def _vocabulary_json(vectors: Vectors) -> str:
    """A JSON list of [token, count], a pair a line; bytes of a token that were no UTF-8 are escaped, so that the file is."""
    pairs = (
        f"[{json.dumps(token, ensure_ascii=not is_unicode(token))}, {count}]"
        for token, count in zip(vectors.tokens, vectors.counts.tolist(), strict=True)
    )
    return "[\n" + ",\n".join(pairs) + "\n]\n"


def _write_matrix(path: Path, name: str, matrix: np.ndarray, identity: str, *, zero_row: bool = False) -> None:
    blocks: Iterator[np.ndarray] = (rows.astype("<f4", copy=False) for _, rows in row_blocks(matrix))
    if zero_row:
        blocks = chain([np.zeros((1, matrix.shape[1]), "<f4")], blocks)
    with write_atomically(path) as temporary:
        shape = (len(matrix) + zero_row, matrix.shape[1])
        write_tensors(temporary, {name: Blocks(shape, np.float32, blocks)}, {"vocabulary": identity})


def _map_matrix(path: Path, name: str, shape: tuple[int, ...], identity: str) -> np.ndarray:
    tensors = map_tensors(path)
    if name not in tensors:
        raise FormatError(f"{path}: no tensor {name!r}, found {', '.join(tensors) or 'none'}")
    matrix = np.asarray(tensors[name])
    if matrix.shape != shape or matrix.dtype != np.float32:
        raise FormatError(f"{path}: tensor {name!r} is {matrix.dtype} {matrix.shape}, expected float32 {shape} as {MANIFEST} says")
    if _tensor_metadata(path).get("vocabulary") != identity:
        raise FormatError(f"{path}: written with another vocabulary than {MANIFEST} says; write the folder again")
    return matrix


def _tensor_metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    metadata: dict[str, str] = header.get("__metadata__", {})
    return metadata


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from None
