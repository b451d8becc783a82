import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors

MATRIX = np.array([[0, 0], [1, 2], [3, 4]], np.float32)


def tokenizer(folder: Path, tokens: list[str]) -> None:
    model = {"type": "WordLevel", "vocab": {token: row for row, token in enumerate(tokens)}, "unk_token": tokens[0]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model})
    )


@pytest.mark.parametrize(("place", "name"), [(".", "embeddings"), ("0_StaticEmbedding", "embedding.weight")])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_both_layouts_are_read_in_any_precision(tmp_path: Path, place: str, name: str, dtype: type) -> None:
    tokenizer(tmp_path / place, ["[UNK]", "a", "b"])
    save_file({name: MATRIX.astype(dtype)}, tmp_path / place / "model.safetensors")
    for source in (tmp_path, tmp_path / place / "model.safetensors"):
        found = load_vectors(source)
        assert found.tokens == ["[UNK]", "a", "b"]
        assert found.matrix.dtype == np.float32
        assert np.array_equal(found.matrix, MATRIX)
        assert found.tokenizer is not None
    assert load_vectors(tmp_path, only=["b"]).matrix.tolist() == [[3, 4]]


def test_a_quantised_vocabulary_is_unfolded(tmp_path: Path) -> None:
    tokenizer(tmp_path, ["[UNK]", "a", "b", "c"])
    tensors = {"embeddings": MATRIX, "mapping": np.array([0, 1, 2, 1], np.int64), "weights": np.array([1, 1, 2, 0.5])}
    save_file(tensors, tmp_path / "model.safetensors")
    assert load_vectors(tmp_path).matrix.tolist() == [[0, 0], [1, 2], [6, 8], [0.5, 1]]


def test_a_tokenizer_with_more_ids_than_rows_is_refused(tmp_path: Path) -> None:
    tokenizer(tmp_path, ["[UNK]", "a", "b", "c"])
    save_file({"embeddings": MATRIX}, tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match=r"has the id 3 \('c'\), but the matrix only 3 rows"):
        load_vectors(tmp_path)


def test_a_folder_without_tokenizer_or_matrix_is_refused(tmp_path: Path) -> None:
    save_file({"something": MATRIX}, tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match=r"tokenizer.json: missing or not a tokenizer.json"):
        load_vectors(tmp_path)
    tokenizer(tmp_path, ["[UNK]"])
    with pytest.raises(FormatError, match="tensors something; expected `embeddings`"):
        load_vectors(tmp_path)
