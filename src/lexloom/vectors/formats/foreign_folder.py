"""Read the folders of model2vec and sentence-transformers' StaticEmbedding: a matrix, and a tokenizer.json whose ids are its rows."""

from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.vectors.formats.choose import choose_rows
from lexloom.vectors.formats.source import Provenance, Request
from lexloom.vectors.table import Vectors

_PLACES = ("", "0_StaticEmbedding")
_NAMES = ("embeddings", "embedding.weight")  # model2vec's, sentence-transformers'


def read_foreign_folder(folder: Path, request: Request, provenance: Provenance) -> Vectors:
    """Load the folder of another tool; every token of its tokenizer is a token, its special ones included.

    Raises:
        FormatError: the folder lacks a matrix or a tokenizer, or they do not belong together.
    """
    place = next((folder / name for name in _PLACES if (folder / name / "model.safetensors").is_file()), None)
    if place is None:
        found = sorted(path.name for path in folder.iterdir())
        shown = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
        raise FormatError(
            f"{folder}: a folder without model.safetensors (it holds {shown or 'nothing'}); "
            "expected one that lexloom, model2vec or sentence-transformers' StaticEmbedding wrote, or name a file in it"
        )
    tokenizer, tokens, ids = _read_tokenizer(place / "tokenizer.json")
    tensors = _read_tensors(place / "model.safetensors")
    matrix = next(tensors[name] for name in _NAMES if name in tensors)
    per_id = len(tensors.get("mapping", matrix))
    if len(ids) and ids[-1] >= per_id:
        raise FormatError(f"{place}: tokenizer.json has the id {ids[-1]} ({tokens[-1]!r}), but the matrix only {per_id:,} rows")
    rows = choose_rows(tokens, request, provenance)
    chosen = ids[rows]
    # a vocabulary that was quantised shares rows between ids, and then has a weight for each
    source_rows = tensors["mapping"][chosen] if "mapping" in tensors else chosen
    whole = len(source_rows) == len(matrix) and np.array_equal(source_rows, np.arange(len(matrix)))
    picked = matrix if whole else matrix[source_rows]
    picked = picked.astype(np.float32, copy=False)
    if "weights" in tensors:
        picked = picked * tensors["weights"][chosen].astype(np.float32)[:, None]
    kept = tokens[rows] if isinstance(rows, slice) else [tokens[row] for row in rows]
    return Vectors(kept, picked, tokenizer=tokenizer)


def _read_tokenizer(path: Path) -> tuple[str, list[str], np.ndarray]:
    """Read a tokenizer.json: its text, its tokens by id, and their ids, int64 (n,)."""
    from tokenizers import Tokenizer

    try:
        text = path.read_text("utf-8")
        vocabulary = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises plain Exception
        raise FormatError(f"{path}: missing or not a tokenizer.json: {error}") from None
    pairs = sorted(vocabulary.items(), key=lambda pair: pair[1])
    return text, [token for token, _ in pairs], np.array([number for _, number in pairs], np.int64)


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    wanted = {*_NAMES, "mapping", "weights"}
    tensors: dict[str, Any] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            for name in wanted.intersection(names):
                tensors[name] = file.get_tensor(name)
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not a whole safetensors file of numbers that NumPy has: {error}") from None
    matrix = next((tensors[name] for name in _NAMES if name in tensors), None)
    if matrix is None or matrix.ndim != 2:
        raise FormatError(f"{path}: tensors {', '.join(names) or 'none'}; expected `embeddings`, a row of numbers for each token")
    return tensors
