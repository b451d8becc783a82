"""The README.md of a vectors folder: a model card that people and the Hugging Face hub read."""

from typing import Any

from lexloom.vectors.table import Vectors

_FRONT = """---
tags:
- word-embeddings
- word2vec
- static-embeddings
- sentence-transformers
---

# Word vectors

"""

_USE = """## Use

This folder loads as it is, with lexloom

```python
from lexloom import load_vectors, neighbors

vectors = load_vectors("THIS_FOLDER")
```

with sentence-transformers (`SentenceTransformer("THIS_FOLDER")`), and with model2vec (`StaticModel.from_pretrained("THIS_FOLDER")`).
The matrix is the tensor `embeddings` of `model.safetensors`; row i belongs to the token with id i in `tokenizer.json`.
"""


def model_card(vectors: Vectors) -> str:
    """Describe vectors in Markdown: size, most frequent tokens, all that is known of their making, and how to load them."""
    lines = [f"{len(vectors):,} tokens, {vectors.dim} numbers each, float32.", ""]
    first = [token for token in vectors.tokens[:10] if token.isprintable() and "`" not in token]
    if first:
        lines += ["First tokens: " + ", ".join(f"`{token}`" for token in first), ""]
    known = list(_flatten(vectors.metadata))
    if known:
        lines += ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in known), ""]
    return _FRONT + "\n".join(lines) + _USE


def _flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs


def _cell(value: object) -> str:
    text = str(value).replace("|", "\\|").replace("\n", " ")
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 120 else text[:117] + "..."
