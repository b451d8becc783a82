"""Check that the exported classifiers in this folder predict what the original did: python check.py (needs numpy and onnxruntime)."""

import json
import sys
from pathlib import Path

import numpy as np


def compare(folder: Path, name: str) -> tuple[float, float]:
    """Run a model on the examples, a dozen at a time.

    Returns:
        The largest difference from the original's probabilities, and the share of the examples with the same labels.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
    examples = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    documents, wanted = examples["documents"], np.array(examples["probabilities"], np.float32)
    found = []
    for first in range(0, len(documents), 12):
        rows = documents[first : first + 12]
        lengths = np.array([len(row) for row in rows], np.int64)
        ids = np.zeros((len(rows), max(1, lengths.max())), np.int64)  # ids after the end of a document are ignored
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
        found.append(session.run(["probabilities"], {"ids": ids, "lengths": lengths})[0])
    got = np.concatenate(found)
    if labels["multi_label"]:
        thresholds = np.array(labels["thresholds"], np.float32)
        same = ((got >= thresholds) == (wanted >= thresholds)).all(1)
    else:
        same = got.argmax(1) == wanted.argmax(1)
    return float(np.abs(got - wanted).max()), float(same.mean())


if __name__ == "__main__":
    here = Path(__file__).parent
    exact = 0.0
    for model in ("model.onnx", "model.int8.onnx"):
        difference, agreement = compare(here, model)
        exact = difference if model == "model.onnx" else exact
        print(f"{model}: probabilities differ by at most {difference:.2g}, the same labels for {agreement:.1%} of the examples")  # noqa: T201
    sys.exit(0 if exact <= 1e-4 else 1)
