"""`lexloom info` on everything that lexloom reads or writes."""

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.damage import DAMAGES, change_byte, cut

from lexloom.models.loading import load_model
from lexloom.text.store import TokenStore
from lexloom.vectors.formats import describe_vectors

SMALL = ("--threads", 1, "--epochs", 2)


@pytest.fixture
def described(run):
    """Describe a path; the lines must name what the JSON value holds, in the same order."""

    def call(path):
        outcome, plain = run("info", path, "--json"), run("info", path)
        assert (outcome.status, outcome.err, plain.status, plain.err) == (0, "", 0, "")
        found = json.loads(outcome.out)
        assert next(iter(found)) == "kind"
        lines = [line.split("  ", 1) for line in plain.out.splitlines()]
        assert list(dict.fromkeys(name.split(".")[0] for name, _ in lines)) == [name for name in found if found[name] != {}]
        assert max(len(value.strip()) for _, value in lines) < 200
        return found, {name: value.strip() for name, value in lines}

    return call


@pytest.fixture(scope="module")
def model(corpus, vectors, tmp_path_factory):
    """A language model that began with vectors, was tested, and kept its checkpoint."""
    from lexloom.cli import main

    folder = tmp_path_factory.mktemp("model") / "model"
    rest = ["--vectors", vectors, "--test", corpus, "--hidden-size", 8, "--keep-checkpoint", "--accelerator", "cpu", *SMALL]
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in ("lm", "train", corpus, "--out", folder, *rest)])
    assert not end.value.code
    return folder


def test_a_vectors_file(run, described, vectors):
    run("vectors", "convert", vectors, "v.txt.gz")
    found, lines = described("v.txt.gz")
    assert found == {"kind": "vectors", **describe_vectors("v.txt.gz")}
    assert (lines["format"], lines["compression"], lines["tokens"], lines["dim"]) == ("word2vec", "gz", "16", "8")


def test_a_vectors_folder(described, vectors):
    found, lines = described(vectors)
    assert (found["kind"], found["format"], found["tokens"]) == ("vectors", "folder", 16)
    assert lines["metadata.options.vectors.dim"] == "8"
    assert lines["metadata.options.run.engine"] == "kernels"


def test_a_language_model(described, model):
    found, lines = described(model)
    loaded = load_model(model)
    assert (found["kind"], found["vocabulary"]) == ("language-model", len(loaded.vocabulary))
    assert found["parameters"] == sum(parameter.numel() for parameter in loaded.parameters())
    assert (found["options"]["recurrent"]["hidden_size"], found["epochs"]) == (8, 2)
    assert lines["options.training.threads"] == "1"
    assert lines["test.perplexity"] == f"{found['test']['perplexity']:.6g}"
    moved = found["movement"]["most"]
    assert lines["movement.most"].startswith(f"word {moved[0]['word']}, count ")
    assert lines["movement.most"].endswith(f"(the first of {len(moved)})")
    assert list(found)[-2:] == ["options", "checksums"]


@pytest.mark.parametrize(("encoder", "kind"), [("average", "classifier"), ("linear", "linear-classifier")])
def test_a_classifier(run, described, encoder, kind):
    Path("data.tsv").write_text("pos\tgood fine film\nneg\tbad dull film\n" * 20)
    assert run("classifier", "train", "data.tsv", "--out", "out", "--encoder", encoder, "--test", "data.tsv", *SMALL).status == 0
    found, lines = described("out")
    assert (found["kind"], found["epochs"]) == (kind, 2)
    assert lines["options.labels.names"] == "neg, pos"


def test_an_encoded_corpus(described, vectors):
    store = TokenStore.open(Path(vectors) / "store")
    found, lines = described(Path(vectors) / "store")
    assert (found["kind"], found["tokens"], found["documents"]) == ("encoded corpus", len(store.ids), 300)
    assert lines["corpus"].endswith("corpus.txt")
    assert lines["vocabulary"] == str(len(store.vocabulary))


@pytest.mark.parametrize(
    ("checkpoint", "how"),
    [(True, "from the checkpoint, by the same command with --resume"), (False, "there is no checkpoint: --resume starts over")],
    ids=["with checkpoint", "without checkpoint"],
)
def test_an_unfinished_run_of_a_model(described, model, checkpoint, how):
    shutil.copytree(model, "run")
    Path("run/lexloom.json").unlink()
    if not checkpoint:
        Path("run/checkpoint.ckpt").unlink()
    found, lines = described("run")
    assert (found["kind"], found["result"], found["epochs_done"]) == ("unfinished run", {"kind": "language-model"}, 2)
    assert (lines["resume"], lines["options.recurrent.hidden_size"]) == (how, "8")


def test_an_unfinished_run_of_vectors(described, vectors):
    shutil.copytree(vectors, "run")
    Path("run/lexloom.json").unlink()
    found, lines = described("run")
    assert (found["result"], found["epochs_done"]) == ({"kind": "vectors", "engine": "kernels"}, 3)
    assert lines["options.vectors.dim"] == "8"


def test_a_run_that_has_just_begun(described, vectors):
    Path("run").mkdir()
    shutil.copy(Path(vectors) / "run.json", "run")
    assert described("run")[0]["epochs_done"] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "run.json: its format is None, expected 'lexloom run'"), ("{", "run.json: not valid JSON")],
)
def test_a_damaged_run_is_one_line(fails, content, message):
    Path("run").mkdir()
    Path("run/run.json").write_text(content)
    assert message in fails("info", "run")


@pytest.mark.parametrize(("file", "damage", "message"), [DAMAGES[name] for name in DAMAGES if name != "no lexloom.json"])
def test_a_damaged_model_is_one_line(fails, model, file, damage, message):
    shutil.copytree(model, "copy")
    damage(Path("copy") / file)
    line = fails("info", "copy")
    assert message in line and "copy" in line


def test_damaged_vectors_are_one_line(fails, vectors):
    shutil.copytree(vectors, "copy")
    cut(Path("copy/model.safetensors"))
    assert "copy/model.safetensors: not a whole safetensors file" in fails("info", "copy")


def test_a_damaged_store_is_one_line(fails, vectors):
    shutil.copytree(Path(vectors) / "store", "copy")
    (tensors,) = Path("copy").glob("*.safetensors")
    change_byte(tensors)
    assert "copy" in fails("info", "copy")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("page.txt", b"<!DOCTYPE html><html>404</html>", "a web page"),
        ("cut.txt", b"2 3\nking 1 2 3\nqueen 1", "cut.txt:3: expected a token and 3 numbers"),
        ("prose.txt", b"the cat sat\n", "text, but not vectors: line 1 is 'the cat sat'"),
        ("empty.txt", b"", "the file is empty"),
    ],
)
def test_a_file_that_is_nothing_known_is_one_line(fails, name, data, message):
    Path(name).write_bytes(data)
    line = fails("info", name)
    assert name in line and message in line


def test_a_folder_that_is_nothing_known_is_one_line(fails):
    Path("other/inner").mkdir(parents=True)
    assert "other: a folder without model.safetensors (it holds inner)" in fails("info", "other")
    assert "inner: a folder without model.safetensors" in fails("info", "other/inner")


def test_nothing_at_all_is_one_line(fails):
    assert fails("info", "gone") == "lexloom: error: gone: no such file\n"
