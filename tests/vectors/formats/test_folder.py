import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors, save_vectors, write_folder
from lexloom.vectors.table import Vectors


def static_embedding(folder: Path, text: str) -> np.ndarray:
    """What StaticEmbedding and model2vec do: the mean of the rows of a text's ids, the unknown word's among them."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = load_file(folder / "model.safetensors")["embeddings"]
    assert tokenizer.get_vocab_size() == len(rows)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return rows[ids]


def test_the_layout_is_what_other_loaders_read(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "out")
    modules = json.loads((tmp_path / "out" / "modules.json").read_text())
    assert modules == [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["normalize"], config["embedding_dtype"], config["max_length"]) == (False, "float32", None)
    with safe_open(tmp_path / "out" / "model.safetensors", "numpy") as file:
        assert list(file.keys()) == ["embeddings"]
        assert file.get_tensor("embeddings").dtype == np.float32
    assert (tmp_path / "out" / "README.md").read_text().startswith("---\ntags:\n")
    assert np.array_equal(static_embedding(tmp_path / "out", "null ö"), small.matrix[2:])


def test_an_unknown_word_is_a_reserved_zero_row_that_loading_hides(tmp_path: Path, small: Vectors, assert_same) -> None:
    save_vectors(small, tmp_path / "out")
    assert static_embedding(tmp_path / "out", "absent").tolist() == [[0, 0, 0]]
    found = load_vectors(tmp_path / "out")
    assert "<unk>" not in found
    assert_same(found, small)


def test_a_corpus_that_has_the_token_keeps_its_own_row(tmp_path: Path, assert_same) -> None:
    vectors = Vectors(["a", "<unk>"], np.array([[1, 2], [3, 4]], np.float32))
    save_vectors(vectors, tmp_path / "out")
    assert static_embedding(tmp_path / "out", "absent a").tolist() == [[3, 4], [1, 2]]
    assert_same(load_vectors(tmp_path / "out"), vectors)


def test_counts_metadata_output_and_tokenizer_come_back(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "first")
    assert load_vectors(tmp_path / "first").tokenizer is None
    tokenizer = (tmp_path / "first" / "tokenizer.json").read_text()
    output = np.arange(12, dtype=np.float32).reshape(4, 3)
    full = Vectors(small.tokens, small.matrix, small.counts, output=output, tokenizer=tokenizer, metadata=small.metadata)
    save_vectors(full, tmp_path / "second")
    found = load_vectors(tmp_path / "second", only=["the", "ö"])
    assert found.counts.tolist() == [40, 1]
    assert found.metadata == small.metadata
    assert found.output is not None
    assert np.array_equal(found.output, output[[0, 3]])
    assert found.tokenizer is not None
    assert Tokenizer.from_str(found.tokenizer).token_to_id("the") == 1


def test_the_matrix_is_memory_mapped(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "out")
    for found in (load_vectors(tmp_path / "out"), load_vectors(tmp_path / "out", limit=2)):
        base = found.matrix
        while base is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)


def test_a_file_of_the_folder_stands_for_it(tmp_path: Path, small: Vectors, assert_same) -> None:
    save_vectors(small, tmp_path / "out")
    assert_same(load_vectors(tmp_path / "out" / "model.safetensors"), small)


def test_writing_in_place_leaves_other_files_and_drops_a_stale_output(tmp_path: Path, small: Vectors, assert_same) -> None:
    write_folder(Vectors(small.tokens, small.matrix, output=small.matrix), tmp_path)
    (tmp_path / "training.jsonl").write_text("{}\n")
    assert (tmp_path / "output.safetensors").exists()
    write_folder(load_vectors(tmp_path, limit=3), tmp_path)  # the rows come from the very file that is replaced
    assert load_vectors(tmp_path).tokens == small.tokens[:3]
    write_folder(small, tmp_path)
    assert_same(load_vectors(tmp_path), small)
    assert not (tmp_path / "output.safetensors").exists()
    assert (tmp_path / "training.jsonl").read_text() == "{}\n"


def test_the_same_vectors_make_the_same_bytes(tmp_path: Path, small: Vectors) -> None:
    for name in ("a", "b"):
        save_vectors(small, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


@pytest.mark.parametrize("file", ["vocabulary.json", "model.safetensors", "output.safetensors"])
def test_a_folder_of_two_writes_is_refused(tmp_path: Path, file: str) -> None:
    matrix = np.ones((2, 3), np.float32)
    write_folder(Vectors(["a", "b"], matrix, output=matrix), tmp_path / "old")
    write_folder(Vectors(["a", "c"], matrix, output=matrix), tmp_path / "new")
    (tmp_path / "old" / file).replace(tmp_path / "new" / file)
    with pytest.raises(FormatError, match="write the folder again"):
        load_vectors(tmp_path / "new")


def test_a_cut_matrix_is_refused(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "out")
    path = tmp_path / "out" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FormatError, match="not a whole safetensors file"):
        load_vectors(tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format_version": 2}, "format version 2, this lexloom reads 1"), ({"dim": 7}, "expected float32"), ({"dim": None}, "dim missing")],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, small: Vectors, change: dict[str, int | None], message: str) -> None:
    save_vectors(small, tmp_path / "out")
    path = tmp_path / "out" / "lexloom.json"
    manifest = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in manifest.items() if value is not None}))
    with pytest.raises(FormatError, match=message):
        load_vectors(tmp_path / "out")


def test_a_token_that_is_not_utf8_does_not_break_the_other_loaders(tmp_path: Path, assert_same) -> None:
    vectors = Vectors(["na\udcefve", "a"], np.array([[1, 2], [3, 4]], np.float32))
    save_vectors(vectors, tmp_path / "out")
    assert static_embedding(tmp_path / "out", "a").tolist() == [[3, 4]]
    assert_same(load_vectors(tmp_path / "out"), vectors)


# ---- folders of other tools --------------------------------------------------------------------------------------------------------------

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
    with pytest.raises(FormatError, match=r"has the id 3 \('c'\), but the matrix has only 3 rows"):
        load_vectors(tmp_path)


def test_a_folder_without_tokenizer_or_matrix_is_refused(tmp_path: Path) -> None:
    save_file({"something": MATRIX}, tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match=r"tokenizer.json: missing or not a tokenizer.json"):
        load_vectors(tmp_path)
    tokenizer(tmp_path, ["[UNK]"])
    with pytest.raises(FormatError, match="tensors something; expected `embeddings`"):
        load_vectors(tmp_path)
