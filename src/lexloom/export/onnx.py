"""Classifiers as ONNX graphs with dynamic batch and length, written node by node.

torch's exporters are not used: one of them fixes the lengths of its example input, and the other cannot vary the batch size of recurrent
layers. ONNX's recurrent operators take the length of each document, so padding needs no special case.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.artefact import TOKENIZER, VOCABULARY
from lexloom.errors import ConfigError, LexloomError
from lexloom.files import write_atomically, write_json, write_text
from lexloom.models.classifier.network import Classifier
from lexloom.text.documents import Documents, starts_of

MODEL, QUANTIZED, LABELS, CHECK, EXAMPLES = "model.onnx", "model.int8.onnx", "labels.json", "check.py", "examples.json"
_OPSET, _IR = 17, 9
_TOLERANCE = 1e-4  # of a probability
_EXAMPLES = 64
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}  # ONNX's order of the gates (i o f c; z r h) in torch's (i f g o; r z n)


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        folder: the output folder.
        sizes: bytes of each model file.
        differences: for each model file, the largest difference from the original's probabilities on the examples.
        agreement: for each, the share of the examples with the same labels.
        examples: the number of examples.
    """

    folder: Path
    sizes: dict[str, int]
    differences: dict[str, float]
    agreement: dict[str, float]
    examples: int = _EXAMPLES


def export_classifier(model: Classifier, out: str | os.PathLike[str]) -> Exported:
    """Write a classifier as ONNX, in 32-bit floats and in 8-bit integers, with everything needed to use and check it.

    Args:
        model: a trained classifier.
        out: the folder to write: model.onnx and model.int8.onnx (inputs `ids`, int64 (batch, time), and `lengths`, int64 (batch,); output
            `probabilities`, float32 (batch, labels)), tokenizer.json, vocabulary.json, labels.json, and check.py with examples.json.

    Raises:
        ConfigError: onnx or onnxruntime is not installed, or `out` holds other files.
        LexloomError: the graph does not predict what the model does.
    """
    folder = Path(out)
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed, but the export needs it; install it with: pip install 'lexloom[onnx]'") from None
    if folder.exists() and any(path.name not in _FILES for path in folder.iterdir()):
        raise ConfigError(f"{folder}: holds other files; give an empty or new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / MODEL) as temporary:
        onnx.save(_graph_of(model), temporary)
    with write_atomically(folder / QUANTIZED) as temporary, _without_advice():
        # unsigned weights: on processors without VNNI, sums of signed ones overflow and probabilities are off by a tenth
        quantize_dynamic(folder / MODEL, temporary, weight_type=QuantType.QUInt8)
    write_text(folder / TOKENIZER, model.tokenizer.json)
    model.vocabulary.save(folder / VOCABULARY)
    labels = {"labels": list(model.labels.names), "multi_label": model.labels.multi_label, "thresholds": model.thresholds.tolist()}
    write_json(folder / LABELS, labels)
    write_json(folder / EXAMPLES, _examples(model))
    write_text(folder / CHECK, resources.files("lexloom.export").joinpath("check.py").read_text(encoding="utf-8"))
    return _checked(folder)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the root logger, where onnxruntime recommends preprocessing meant for images."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


_FILES = {MODEL, QUANTIZED, TOKENIZER, VOCABULARY, LABELS, CHECK, EXAMPLES}


def _checked(folder: Path) -> Exported:
    from lexloom.export.check import compare

    results = {name: compare(folder, name) for name in (MODEL, QUANTIZED)}
    if not results[MODEL][0] <= _TOLERANCE:
        raise LexloomError(f"{folder / MODEL}: its probabilities differ from the model's by {results[MODEL][0]:.2g}; please report this")
    sizes = {name: (folder / name).stat().st_size for name in results}
    differences, agreement = ({name: result[part] for name, result in results.items()} for part in (0, 1))
    return Exported(folder, sizes, differences, agreement)


def _examples(model: Classifier, number: int = _EXAMPLES) -> dict[str, Any]:
    """Return documents of random words and many lengths, one of them empty, with the model's probabilities for them."""
    random = np.random.default_rng(0)
    lengths = np.concatenate([[0, 1, 2, 300], random.integers(1, 60, number - 4)])
    documents = Documents(random.integers(0, len(model.vocabulary), lengths.sum()).astype(np.uint32), starts_of(lengths))
    probabilities = model.predictor()(documents)
    rows = np.split(documents.ids, documents.starts[1:-1])
    return {"documents": [row.tolist() for row in rows], "probabilities": probabilities.astype(float).tolist()}


# ---- the graph ---------------------------------------------------------------------------------------------------------------------


class _Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """Add a constant."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Add int64 (n,)."""
        return self.constant(values, np.int64)

    def scalar(self, value: int) -> str:
        """Add int64 ()."""
        return self.constant(value, np.int64)

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node and return the name of its output, or the names of several."""
        from onnx import helper

        names = [f"{operator.lower()}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names


def _graph_of(model: Classifier) -> Any:
    from onnx import TensorProto, checker, helper

    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.weights().items()}
    add = _Graph()
    matrix = weights.get("embedding.weight")
    if matrix is None:  # one-hot input
        matrix = np.eye(len(model.vocabulary), dtype=np.float32)
        matrix[model.embedding.padding_idx] = 0
    rows = add("Gather", add.constant(matrix), "ids")  # (B, T, E)
    keep = add("Less", _steps(add, "ids", 1), add("Unsqueeze", "lengths", add.whole(1)))  # (B, T)
    encode = {"average": _average, "cnn": _convolve, "rnn": _read}[model.config.model.encoder]
    encoded = encode(add, model, weights, rows, keep)
    logits = add("Gemm", encoded, add.constant(weights["output.weight"]), add.constant(weights["output.bias"]), transB=1)
    probabilities = add("Sigmoid", logits) if model.labels.multi_label else add("Softmax", logits, axis=1)
    add.nodes.append(helper.make_node("Identity", [probabilities], ["probabilities"]))
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "time"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(model.labels)])]
    graph = helper.make_graph(add.nodes, "classifier", inputs, outputs, add.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="lexloom")
    checker.check_model(made, full_check=True)
    return made


def _steps(add: _Graph, tensor: str, axis: int) -> str:
    """Add the positions along an axis, int64 (1, length)."""
    length = add("Squeeze", add("Slice", add("Shape", tensor), add.whole(axis), add.whole(axis + 1)))
    return str(add("Unsqueeze", add("Range", add.scalar(0), length, add.scalar(1)), add.whole(0)))


def _average(add: _Graph, model: Classifier, weights: dict[str, np.ndarray], rows: str, keep: str) -> str:
    return _pool(add, str(model.config.model.pooling), weights, rows, keep)


def _convolve(add: _Graph, model: Classifier, weights: dict[str, np.ndarray], rows: str, keep: str) -> str:
    kept = add("Mul", rows, _numbers(add, keep))
    columns = add("Transpose", kept, perm=[0, 2, 1])  # (B, E, T)
    lengths = add("Unsqueeze", "lengths", add.whole(1))
    found = []
    for number, width in enumerate(model.config.model.widths):
        kernel, bias = (add.constant(weights[f"encoder.convolutions.{number}.{part}"]) for part in ("weight", "bias"))
        responses = add("Relu", add("Conv", columns, kernel, bias, pads=[width - 1, width - 1]))
        places = add(
            "Range", add.scalar(0), add("Squeeze", add("Slice", add("Shape", responses), add.whole(2), add.whole(3))), add.scalar(1)
        )
        near = add("Less", add("Unsqueeze", places, add.whole(0)), add("Add", lengths, add.whole(width - 1)))
        touched = add("And", near, add("Greater", lengths, add.whole(0)))
        counted = add("Mul", responses, add("Unsqueeze", add("Cast", touched, to=1), add.whole(1)))
        found.append(add("ReduceMax", counted, axes=[2], keepdims=0))
    return str(add("Concat", *found, axis=1))


def _read(add: _Graph, model: Classifier, weights: dict[str, np.ndarray], rows: str, keep: str) -> str:
    config = model.config.recurrent
    directions = 2 if model.config.model.bidirectional else 1
    lengths = add("Cast", add("Max", "lengths", add.whole(1)), to=6)  # int32; the output of an empty document is masked below
    order = np.concatenate([np.arange(config.hidden_size) + gate * config.hidden_size for gate in _GATES[config.cell]])
    attributes: dict[str, Any] = {"hidden_size": config.hidden_size, "direction": "bidirectional" if directions == 2 else "forward"}
    if config.cell == "gru":
        attributes["linear_before_reset"] = 1
    if config.cell == "rnn":
        attributes["activations"] = [config.nonlinearity.capitalize()] * directions
    outputs, ends = rows, ""
    for layer in range(config.num_layers):
        W, R, b, c = (np.stack(part) for part in zip(*_directions(weights, layer, directions), strict=True))
        given = (add.constant(W[:, order]), add.constant(R[:, order]), add.constant(np.concatenate([b[:, order], c[:, order]], 1)))
        steps = add("Transpose", outputs, perm=[1, 0, 2])
        found = add(config.cell.upper(), steps, *given, lengths, outputs=3 if config.cell == "lstm" else 2, **attributes)
        beside = add("Transpose", found[0], perm=[2, 0, 1, 3])  # (B, T, directions, D)
        outputs = add("Reshape", beside, add.whole(0, 0, -1))
        ends = add("Reshape", add("Transpose", found[1], perm=[1, 0, 2]), add.whole(0, -1))
    if model.config.model.pooling == "last":
        some = add("Cast", add("Greater", add("Unsqueeze", "lengths", add.whole(1)), add.whole(0)), to=1)
        return str(add("Mul", ends, some))
    return _pool(add, str(model.config.model.pooling), weights, outputs, keep)


def _directions(weights: dict[str, np.ndarray], layer: int, directions: int) -> list[tuple[np.ndarray, ...]]:
    """Return W, R and both biases of each direction, in torch's shapes and order of gates."""
    found: list[tuple[np.ndarray, ...]] = []
    for direction in range(directions):
        own, suffix = f"encoder.recurrent.layers.{layer}.", "_l0_reverse" if direction else "_l0"
        if f"{own}cells.{direction}.W_xh" in weights:  # the matrices of the scratch cells are transposed
            cell = {name: weights[f"{own}cells.{direction}.{name}"] for name in ("W_xh", "W_hh", "b_xh", "b_hh")}
            found.append((cell["W_xh"].T, cell["W_hh"].T, cell["b_xh"], cell["b_hh"]))
        else:
            found.append(tuple(weights[f"{own}cell.{name}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")))
    return found


def _pool(add: _Graph, pooling: str, weights: dict[str, np.ndarray], rows: str, keep: str) -> str:
    numbers = _numbers(add, keep)  # (B, T, 1)
    some = add("Cast", add("Greater", add("Unsqueeze", "lengths", add.whole(1)), add.whole(0)), to=1)  # (B, 1)
    if pooling == "max":
        kept = add("Where", add("Unsqueeze", keep, add.whole(2)), rows, add.constant(np.finfo(np.float32).min))
        return str(add("Mul", add("ReduceMax", kept, axes=[1], keepdims=0), some))
    if pooling == "mean":
        total = add("ReduceSum", add("Mul", rows, numbers), add.whole(1), keepdims=0)
        length = add("Cast", add("Max", add("Unsqueeze", "lengths", add.whole(1)), add.whole(1)), to=1)
        return str(add("Div", total, length))
    hidden = rows
    if "encoder.pool.hidden.weight" in weights:
        projected = add("MatMul", rows, add.constant(weights["encoder.pool.hidden.weight"].T))
        hidden = add("Tanh", add("Add", projected, add.constant(weights["encoder.pool.hidden.bias"])))
    scores = add("MatMul", hidden, add.constant(weights["encoder.pool.score.weight"].T))  # (B, T, 1)
    masked = add("Where", add("Unsqueeze", keep, add.whole(2)), scores, add.constant(np.finfo(np.float32).min))
    shares = add("Mul", add("Softmax", masked, axis=1), numbers)
    return str(add("ReduceSum", add("Mul", rows, shares), add.whole(1), keepdims=0))


def _numbers(add: _Graph, keep: str) -> str:
    return str(add("Unsqueeze", add("Cast", keep, to=1), add.whole(2)))
