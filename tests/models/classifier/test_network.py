import numpy as np
import pytest
from tests.models import tiny
from torch import nn

from lexloom.text.documents import Documents


@pytest.mark.parametrize("pooling", ["mean", "weighted", "max"])
def test_a_prediction_moves_no_layer_of_the_model_to_another_device(monkeypatch, pooling):
    model, moved = tiny.classifier(model={"pooling": pooling}).eval(), []
    monkeypatch.setattr(nn.Module, "_apply", lambda module, *_: moved.append(module) or module)  # to(), cpu() and cuda() go through it
    documents = Documents(np.array([2, 3, 4], np.uint32), np.array([0, 2, 3]))
    assert model.predictor()(documents).shape == (2, 3)
    assert not moved
