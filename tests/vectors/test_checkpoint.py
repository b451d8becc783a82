"""Checkpoints hold any named arrays; what does not fit is refused."""

import numpy as np
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.checkpoint import TrainingState, load_checkpoint, read_state, save_checkpoint


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return {"rows": random.normal(size=(5, 16)).astype(np.float32), "squares": random.normal(size=7).astype(np.float32)}


@pytest.fixture
def path(arrays, tmp_path):
    state = TrainingState("text", "start", 3, 17, loss=0.1 + 0.2, terms=9, history=[{"epoch": 1, "loss": None}], best_epoch=0)
    save_checkpoint(tmp_path / "checkpoint.safetensors", state, arrays)
    return tmp_path / "checkpoint.safetensors"


def test_arrays_and_state_come_back_as_they_were(arrays, path):
    found = {name: np.zeros_like(array) for name, array in arrays.items()}
    state = load_checkpoint(path, found)
    assert state == read_state(path)
    assert (state.text, state.start, state.epoch, state.job, state.loss, state.best_epoch) == ("text", "start", 3, 17, 0.1 + 0.2, 0)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("name", ["rows", "other"])
def test_arrays_of_another_name_or_shape_are_refused(name, path):
    with pytest.raises(FormatError, match=f"without an array '{name}' of shape"):
        load_checkpoint(path, {name: np.zeros((4, 16), np.float32)})


def test_a_checkpoint_of_another_version_is_refused(path, monkeypatch):
    monkeypatch.setattr("lexloom.vectors.checkpoint.FORMAT_VERSION", 99)
    with pytest.raises(FormatError, match="expected 99"):
        read_state(path)
