"""Classifiers as ONNX graphs, beside the models that they were made of."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.models.tiny import classifier
from tests.threads import one_thread

from lexloom.errors import ConfigError, LexloomError
from lexloom.export.check import compare
from lexloom.export.onnx import export_classifier
from lexloom.text.vocabulary import Vocabulary

__all__ = ["one_thread"]

FILES = ["check.py", "examples.json", "labels.json", "model.int8.onnx", "model.onnx", "tokenizer.json", "vocabulary.json"]
SIZE = 22
BATCHES = {
    "one": [7],
    "one empty": [0],
    "empty": [0, 0, 0],
    "some": [5, 0, 1, 12, 2],
    "many": [*range(90)],
    "long": [400, 3],
    "equal": [4] * 33,
}

AVERAGES = {f"average-{pooling}": {"model": {"encoder": "average", "pooling": pooling}} for pooling in ("mean", "weighted", "max")}
CNNS = {
    "cnn": {"model": {"encoder": "cnn", "filters": 5}},
    "cnn-1": {"model": {"encoder": "cnn", "filters": 3, "widths": (1,)}},
    "cnn-wide": {"model": {"encoder": "cnn", "filters": 3, "widths": (2, 9)}},
}
RNNS = {
    f"{cell}-{pooling}-{implementation}-{'both' if both else 'forward'}": {
        "model": {"encoder": "rnn", "pooling": pooling, "bidirectional": both},
        "recurrent": {"cell": cell, "implementation": implementation},
    }
    for cell in ("lstm", "gru", "rnn")
    for pooling in ("max", "mean", "last", "attention")
    for implementation in ("torch", "scratch")
    for both in (True, False)
}
OTHERS = {
    "relu": {"model": {"encoder": "rnn"}, "recurrent": {"cell": "rnn", "nonlinearity": "relu"}, "scale": 1.0},
    "layers": {"model": {"encoder": "rnn", "pooling": "last"}, "recurrent": {"num_layers": 3}},
    "layers from scratch": {"model": {"encoder": "rnn"}, "recurrent": {"cell": "gru", "num_layers": 2, "implementation": "scratch"}},
    "weight drop": {"model": {"encoder": "rnn"}, "recurrent": {"weight_drop": 0.5}},
    "dropouts": {"model": {"dropout": 0.9, "input_dropout": 0.5}, "embedding": {"word_dropout": 0.5, "embedding_dropout": 0.5}},
}
SHAPES = AVERAGES | CNNS | RNNS | OTHERS


def tiny(**parts):
    """A model whose answers differ from document to document, ready to predict."""
    scale = parts.pop("scale", 3.0)
    model = classifier(**parts)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model.eval()


def batch(lengths, size=SIZE):
    """Ids with rubbish after each document's end, and lengths."""
    ids = np.random.default_rng(len(lengths)).integers(0, size, (len(lengths), max(1, *lengths)))
    return ids, np.array(lengths, np.int64)


def expected(model, ids, lengths):
    keep = torch.arange(ids.shape[1])[None] < torch.from_numpy(lengths)[:, None]
    with torch.no_grad():
        return model.probabilities(torch.from_numpy(ids) * keep, keep).numpy()


def answers(path, ids, lengths):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"ids": ids, "lengths": lengths})[0]


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
@pytest.mark.parametrize("parts", SHAPES.values(), ids=SHAPES)
def test_the_graph_answers_as_the_model_does(tmp_path, parts, several):
    model = tiny(several=several, **parts)
    exported = export_classifier(model, tmp_path / "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    for lengths in BATCHES.values():
        ids, counts = batch(lengths)
        found = session.run(["probabilities"], {"ids": ids, "lengths": counts})[0]
        assert found == pytest.approx(expected(model, ids, counts), abs=2e-5)
    assert exported.differences["model.onnx"] < 2e-5
    assert exported.agreement["model.onnx"] == 1.0


@pytest.mark.parametrize("parts", [AVERAGES["average-mean"], CNNS["cnn"], RNNS["lstm-max-torch-both"]], ids=["average", "cnn", "rnn"])
def test_answers_do_not_depend_on_the_columns_after_the_end(tmp_path, parts):
    export_classifier(tiny(**parts), tmp_path)
    ids, lengths = batch([3, 0, 5])
    wide = np.concatenate([ids, np.full((3, 40), 9)], 1)
    assert answers(tmp_path / "model.onnx", wide, lengths) == pytest.approx(answers(tmp_path / "model.onnx", ids, lengths), abs=1e-6)


@pytest.mark.parametrize("name", ["average-mean", "cnn", "lstm-max-torch-both", "gru-attention-scratch-both"])
def test_the_graph_of_integers_is_smaller_and_decides_nearly_the_same(tmp_path, name):
    tokens = [f"w{place}" for place in range(3000)]
    sizes = {"embedding": {"embedding_dim": 32}, "recurrent": {**SHAPES[name].get("recurrent", {}), "hidden_size": 24}}
    exported = export_classifier(classifier(tokens=tokens, model=SHAPES[name]["model"], **sizes).eval(), tmp_path)
    assert exported.sizes["model.int8.onnx"] < 0.5 * exported.sizes["model.onnx"]
    assert exported.agreement["model.int8.onnx"] >= 0.9


def test_a_folder_holds_all_that_is_needed(tmp_path):
    model = tiny(several=True)
    model.thresholds = np.array([0.25, 0.5, 0.75], np.float32)
    exported = export_classifier(model, tmp_path / "deep" / "onnx")
    assert exported.folder == tmp_path / "deep" / "onnx"
    assert sorted(path.name for path in exported.folder.iterdir()) == FILES
    labels = json.loads((exported.folder / "labels.json").read_text())
    assert labels == {"labels": ["a", "b", "c"], "multi_label": True, "thresholds": [0.25, 0.5, 0.75]}
    assert Vocabulary.load(exported.folder / "vocabulary.json").tokens == model.vocabulary.tokens
    assert (exported.folder / "tokenizer.json").read_text() == model.tokenizer.json
    assert exported.sizes == {name: (exported.folder / name).stat().st_size for name in ("model.onnx", "model.int8.onnx")}


def test_inputs_and_output_have_names_and_free_sizes(tmp_path):
    export_classifier(tiny(), tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(value.name, value.shape, value.type) for value in session.get_inputs()] == [
        ("ids", ["batch", "time"], "tensor(int64)"),
        ("lengths", ["batch"], "tensor(int64)"),
    ]
    assert [(value.name, value.shape) for value in session.get_outputs()] == [("probabilities", ["batch", 3])]


def test_examples_have_an_empty_document_and_long_ones(tmp_path):
    exported = export_classifier(tiny(), tmp_path)
    examples = json.loads((tmp_path / "examples.json").read_text())
    lengths = [len(row) for row in examples["documents"]]
    assert (min(lengths), max(lengths), len(lengths)) == (0, 300, exported.examples)
    assert np.array(examples["probabilities"]).shape == (exported.examples, 3)


def test_the_check_notices_another_model(tmp_path):
    export_classifier(tiny(), tmp_path / "one")
    export_classifier(tiny(seed=1), tmp_path / "other")
    assert compare(tmp_path / "one", "model.onnx")[0] < 1e-5
    (tmp_path / "one" / "model.onnx").write_bytes((tmp_path / "other" / "model.onnx").read_bytes())
    assert compare(tmp_path / "one", "model.onnx")[0] > 1e-2


def test_a_graph_that_answers_otherwise_is_no_export(tmp_path, monkeypatch):
    model = tiny()
    real = onnx.save

    def spoilt(graph, path):
        weights = next(tensor for tensor in graph.graph.initializer if list(tensor.dims) == [3, 8])
        weights.raw_data = np.zeros((3, 8), np.float32).tobytes()
        real(graph, path)

    monkeypatch.setattr(onnx, "save", spoilt)
    with pytest.raises(LexloomError, match=r"model\.onnx: its probabilities differ from the model's by .*; please report this"):
        export_classifier(model, tmp_path)


def test_an_export_replaces_an_earlier_one(tmp_path):
    export_classifier(tiny(), tmp_path)
    before = (tmp_path / "model.onnx").read_bytes()
    exported = export_classifier(tiny(seed=1), tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() != before
    assert exported.differences["model.onnx"] < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds other files; give an empty or new folder"):
        export_classifier(tiny(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_told_of(tmp_path, monkeypatch, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"^{module}.* is not installed, but the export needs it; .*pip install 'lexloom\[onnx\]'"):
        export_classifier(tiny(), tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
