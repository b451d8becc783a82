"""Read and write a NumPy array (NAME.npy) with its vocabulary beside it (NAME.vocab.txt, one token per line)."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError, InputError
from lexloom.files import COMPRESSIONS, ByteStream, open_raw, open_target
from lexloom.vectors.formats.recognize import Header
from lexloom.vectors.formats.rows import TOKEN_ERRORS, Loaded, Request, choose_rows, encode_tokens, row_blocks
from lexloom.vectors.table import Vectors


def read_npy(stream: ByteStream, header: Header, request: Request) -> Loaded:
    """Read an array and its vocabulary; an uncompressed local file is memory-mapped.

    Raises:
        FormatError: there is no vocabulary, its number of lines is not that of the rows, or the array is damaged or not a table of
            numbers.
    """
    del header  # NumPy reads its own
    tokens = _read_vocabulary(stream.name)
    array = _open_array(stream)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        raise FormatError(
            f"{stream.name}: an array of shape {array.shape} and type {array.dtype}; expected numbers (V, E), one row per token"
        )
    if len(array) != len(tokens):
        raise FormatError(f"{stream.name}: {len(array):,} rows, but {len(tokens):,} tokens in {_vocabulary_name(stream.name)}")
    chosen = choose_rows(tokens, request)
    return Loaded(Vectors(chosen.tokens, array[chosen.places]), chosen.rows, chosen.duplicates)


def write_npy(vectors: Vectors, target: Path) -> None:
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
    """Name the vocabulary of an array: NAME.vocab.txt in the same place as NAME.npy or NAME.npy.gz."""
    for suffix in COMPRESSIONS:
        name = name.removesuffix(f".{suffix}")
    return name.removesuffix(".npy") + ".vocab.txt"


def _read_vocabulary(name: str) -> list[str]:
    vocabulary = _vocabulary_name(name)
    try:
        with open_raw(vocabulary) as stream:  # not decompressed: a token may begin like compressed data
            data = stream.read()
    except InputError:
        raise FormatError(
            f"{name}: a NumPy array without its vocabulary; put {vocabulary} beside it, one token per line (if gensim wrote the array, "
            "load its .kv in gensim and use save_word2vec_format)"
        ) from None
    lines = data.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n") if data else []
    return [line.decode("utf-8", TOKEN_ERRORS) for line in lines]


def _open_array(stream: ByteStream) -> np.ndarray:
    try:
        if stream.path is not None:
            mapped: Any = np.load(stream.path, mmap_mode="r", allow_pickle=False)
            return np.asarray(mapped)
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{stream.name}: a NumPy array that is damaged or not of numbers: {error}") from None
