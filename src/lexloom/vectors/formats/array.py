"""Read and write a NumPy array (NAME.npy) with its vocabulary beside it (NAME.vocab.txt, a token a line)."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError, InputError
from lexloom.files import open_raw
from lexloom.vectors.formats.choose import choose_rows
from lexloom.vectors.formats.source import TOKEN_ERRORS, Provenance, Request, Source
from lexloom.vectors.formats.writing import COMPRESSORS, encode_tokens, open_target, row_blocks
from lexloom.vectors.table import Vectors


def read_array(source: Source, request: Request, provenance: Provenance) -> Vectors:
    """Read an array and its vocabulary; a local file that is not compressed is memory-mapped.

    Raises:
        FormatError: there is no vocabulary, it has another number of lines, or the array is damaged or not two-dimensional floats.
    """
    tokens = _read_vocabulary(source.name)
    array = _open_array(source)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        raise FormatError(f"{source.name}: an array of shape {array.shape} and type {array.dtype}; expected floats (V, E), a row a token")
    if len(array) != len(tokens):
        raise FormatError(f"{source.name}: {len(array):,} rows, but {len(tokens):,} tokens in {_vocabulary_name(source.name)}")
    rows = choose_rows(tokens, request, provenance)
    chosen = tokens[rows] if isinstance(rows, slice) else [tokens[row] for row in rows]
    return Vectors(chosen, array[rows])


def write_array(vectors: Vectors, target: Path) -> None:
    """Write `target` (float32, C order) and its vocabulary beside it; counts are not kept.

    Raises:
        FormatError: a token contains a newline or a carriage return.
    """
    tokens = encode_tokens(vectors.tokens, b"\n\r", "npy")
    with open_target(Path(_vocabulary_name(os.fspath(target)))) as stream:
        stream.writelines(token + b"\n" for token in tokens)
    with open_target(target) as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": vectors.matrix.shape})
        for _, rows in row_blocks(vectors.matrix):
            stream.write(rows.astype("<f4", copy=False).tobytes())


def _vocabulary_name(name: str) -> str:
    """Where the vocabulary of an array is: NAME.npy or NAME.npy.gz has NAME.vocab.txt, in the same place."""
    for suffix in COMPRESSORS:
        name = name.removesuffix(suffix)
    return name.removesuffix(".npy") + ".vocab.txt"


def _read_vocabulary(name: str) -> list[str]:
    vocabulary = _vocabulary_name(name)
    try:
        with open_raw(vocabulary) as stream:  # a first token that looks like compressed data is none
            data = stream.read()
    except InputError:
        raise FormatError(
            f"{name}: a NumPy array without its vocabulary; put {vocabulary} beside it, a token a line (if gensim wrote the array, "
            "load its .kv in gensim and use save_word2vec_format)"
        ) from None
    lines = data.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n") if data else []
    return [line.decode("utf-8", TOKEN_ERRORS) for line in lines]


def _open_array(source: Source) -> np.ndarray:
    try:
        if source.compression is None and Path(source.name).is_file():
            mapped: Any = np.load(source.name, mmap_mode="r", allow_pickle=False)
            return np.asarray(mapped)
        return np.asarray(np.lib.format.read_array(source, allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{source.name}: a NumPy array that is damaged or not of numbers: {error}") from None
