"""The folder that lexloom keeps vectors in, and those of model2vec and sentence-transformers' StaticEmbedding; each loads the others'.

`model.safetensors` (tensor `embeddings`, float32), `tokenizer.json`, whose ids are its rows, `config.json`, `modules.json` and
`README.md` are theirs; `vocabulary.json` (tokens and counts), `output.safetensors` (the output matrix, if it was kept) and
`lexloom.json` are ours. Both other loaders need a row for unknown words: unless `<unk>` is itself a token, row 0 is a reserved zero
row of that name, which lexloom removes when it loads the folder.
"""

import json
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.artefact import RESULT, TOKENIZER, VOCABULARY, WEIGHTS, read_header, write_header
from lexloom.errors import FormatError
from lexloom.files import ByteStream, remove, write_atomically, write_json, write_text
from lexloom.tensors import StreamedArray, checksum, map_tensors, tensor_metadata, write_tensors
from lexloom.vectors.formats.recognize import Header
from lexloom.vectors.formats.rows import Loaded, Request, choose_rows, is_unicode, row_blocks
from lexloom.vectors.table import Vectors

_UNK = "<unk>"
_FORMAT_VERSION = 1
_FIELDS = ("dim", "reserved_unk_row", "output", "tokenizer_known", "vocabulary", "metadata")
_MODULES = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
_PLACES = ("", "0_StaticEmbedding")  # of model.safetensors in a folder: ours and model2vec's, sentence-transformers'
_NAMES = ("embeddings", "embedding.weight")  # of the matrix in it: model2vec's, sentence-transformers'

_CARD = """---
tags:
- word-embeddings
- word2vec
- static-embeddings
- sentence-transformers
---

# Word vectors

{tokens:,} tokens with {dim} float32 numbers each. Options, corpus and losses of the training are in `lexloom.json`.

```python
from lexloom import load_vectors, neighbors

vectors = load_vectors("THIS_FOLDER")
```

sentence-transformers loads the folder with `SentenceTransformer("THIS_FOLDER")`, model2vec with
`StaticModel.from_pretrained("THIS_FOLDER")`. The matrix is the tensor `embeddings` of `model.safetensors`; row i belongs to the token
with id i in `tokenizer.json`.
"""


# ---- writing ---------------------------------------------------------------------------------------------------------------------------


def write_folder(vectors: Vectors, path: str | os.PathLike[str]) -> None:
    """Write vectors into a folder, which may exist; its other files are left alone.

    Each file is replaced atomically and `lexloom.json` is written last. The checksum of the vocabulary is kept with the matrices, so
    that loading refuses a folder of which only a part was replaced.

    Args:
        vectors: what to write; the matrix may be any view and is written in blocks.
        path: the folder; it is created with its parents if it does not exist.
    """
    from lexloom.text.tokenizer_json import with_vocabulary

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    reserved = _UNK not in vectors
    vocabulary = _vocabulary_json(vectors)
    identity = checksum(vocabulary.encode())
    rows = [_UNK, *vectors.tokens] if reserved else vectors.tokens
    write_text(folder / VOCABULARY, vocabulary)
    write_text(folder / TOKENIZER, with_vocabulary(vectors.tokenizer, rows, _UNK))
    _write_matrix(folder / WEIGHTS, "embeddings", vectors.matrix, identity, zero_row=reserved)
    if vectors.output is None:
        remove(folder / "output.safetensors")
    else:
        _write_matrix(folder / "output.safetensors", "output", vectors.output, identity)
    # max_length null: by default model2vec truncates every text to 512 tokens
    config = {"model_type": "model2vec", "hidden_dim": vectors.dim, "embedding_dtype": "float32", "normalize": False, "max_length": None}
    write_json(folder / "config.json", config)
    write_json(folder / "modules.json", _MODULES)
    write_text(folder / "README.md", _CARD.format(tokens=len(vectors), dim=vectors.dim))
    content = {
        "tokens": len(vectors),
        "dim": vectors.dim,
        "reserved_unk_row": reserved,
        "output": vectors.output is not None,
        "tokenizer_known": vectors.tokenizer is not None,
        "vocabulary": identity,
        "metadata": vectors.metadata,
    }
    write_header(folder / RESULT, "vectors", _FORMAT_VERSION, content)


def _vocabulary_json(vectors: Vectors) -> str:
    """Format tokens and counts as a JSON list of [token, count], one pair per line; surrogates in a token are escaped."""
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
        write_tensors(temporary, {name: StreamedArray(shape, np.float32, blocks)}, {"vocabulary": identity})


# ---- reading ---------------------------------------------------------------------------------------------------------------------------


def matrix_file(folder: Path) -> Path:
    """Find the matrix in a folder of vectors.

    Raises:
        FormatError: the folder holds something else.
    """
    for place in _PLACES:
        if (path := folder / place / WEIGHTS).is_file():
            return path
    if (folder / RESULT).exists():
        read_header(folder / RESULT, "vectors", _FORMAT_VERSION, _FIELDS)  # which may name what the folder holds
    found = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
    raise FormatError(
        f"{folder}: a folder without model.safetensors (it holds {shown or 'nothing'}); "
        "expected one that lexloom, model2vec or sentence-transformers' StaticEmbedding wrote, or name a file in it"
    )


def read_folder(stream: ByteStream, header: Header, request: Request) -> Loaded:
    """Load the folder that contains a safetensors file; matrices that lexloom wrote are memory-mapped.

    Raises:
        FormatError: the file is not in a local folder, or another file of the folder is missing, damaged or from another write.
    """
    del header  # safetensors has its own
    path = stream.path
    if path is None:
        raise FormatError(f"{stream.name}: a safetensors file; give the local folder that contains it and its tokenizer.json")
    return _read_ours(path.parent, request) if (path.parent / RESULT).exists() else _read_foreign(path.parent, request)


def _read_ours(folder: Path, request: Request) -> Loaded:
    header = read_header(folder / RESULT, "vectors", _FORMAT_VERSION, _FIELDS)
    data = _read_bytes(folder / VOCABULARY)
    if checksum(data) != header["vocabulary"]:
        raise FormatError(f"{folder / VOCABULARY}: not the one that {RESULT} was written with; write the folder again")
    pairs = json.loads(data)
    chosen = choose_rows([token for token, _ in pairs], request)
    counts = np.array([count for _, count in pairs], np.int64)
    first = int(header["reserved_unk_row"])
    matrix = _map_matrix(folder / WEIGHTS, "embeddings", (len(pairs) + first, header["dim"]), header["vocabulary"])[first:]
    output = None
    if header["output"] and (folder / "output.safetensors").exists():  # only training on needs it, so users may delete it
        output = _map_matrix(folder / "output.safetensors", "output", matrix.shape, header["vocabulary"])[chosen.places]
    tokenizer = _read_bytes(folder / TOKENIZER).decode() if header["tokenizer_known"] else None
    vectors = Vectors(
        chosen.tokens,
        matrix[chosen.places],
        counts[chosen.places],
        output=output,
        tokenizer=tokenizer,
        metadata=header["metadata"],
    )
    return Loaded(vectors, chosen.rows, chosen.duplicates)


def _map_matrix(path: Path, name: str, shape: tuple[int, ...], identity: str) -> np.ndarray:
    tensors = map_tensors(path)
    if name not in tensors:
        raise FormatError(f"{path}: no tensor {name!r}, found {', '.join(tensors) or 'none'}")
    matrix = np.asarray(tensors[name])
    if matrix.shape != shape or matrix.dtype != np.float32:
        raise FormatError(f"{path}: tensor {name!r} is {matrix.dtype} {matrix.shape}, expected float32 {shape} as {RESULT} says")
    if tensor_metadata(path).get("vocabulary") != identity:
        raise FormatError(f"{path}: written with another vocabulary than {RESULT} says; write the folder again")
    return matrix


def _read_foreign(folder: Path, request: Request) -> Loaded:
    """Load a folder of another tool; every token of its tokenizer is a token, its special ones included."""
    tokenizer, tokens, ids = _read_tokenizer(folder / TOKENIZER)
    tensors = _read_tensors(folder / WEIGHTS)
    matrix = next(tensors[name] for name in _NAMES if name in tensors)
    per_id = len(tensors.get("mapping", matrix))
    if len(ids) and ids[-1] >= per_id:
        raise FormatError(f"{folder}: tokenizer.json has the id {ids[-1]} ({tokens[-1]!r}), but the matrix has only {per_id:,} rows")
    chosen = choose_rows(tokens, request)
    kept = ids[chosen.places]
    # in a vocabulary that was quantised several ids share a row, and each id has a weight
    rows = tensors["mapping"][kept] if "mapping" in tensors else kept
    whole = len(rows) == len(matrix) and np.array_equal(rows, np.arange(len(matrix)))
    picked = (matrix if whole else matrix[rows]).astype(np.float32, copy=False)
    if "weights" in tensors:
        picked = picked * tensors["weights"][kept].astype(np.float32)[:, None]
    return Loaded(Vectors(chosen.tokens, picked, tokenizer=tokenizer), chosen.rows, chosen.duplicates)


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
        raise FormatError(f"{path}: not a complete safetensors file with types that NumPy has: {error}") from None
    matrix = next((tensors[name] for name in _NAMES if name in tensors), None)
    if matrix is None or matrix.ndim != 2:
        raise FormatError(f"{path}: tensors {', '.join(names) or 'none'}; expected `embeddings` with one row per token")
    return tensors


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from None
