import math

import pytest

from lexloom.errors import ConfigError
from lexloom.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0: expected a whole number of at least 1"),
        ({"patience": 0}, "patience is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"devices": 0}, "devices is 0"),
        ({"num_nodes": 0}, "num_nodes is 0"),
        ({"nonmonotone": 0}, "nonmonotone is 0"),
        ({"decay_after": -1}, "decay_after is -1"),
        ({"clip": -1.0}, "clip is -1.0: expected a number of at least 0"),
        ({"clip": math.nan}, "clip is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"checkpoint_seconds": math.inf}, "checkpoint_seconds is inf"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: expected a number above 0"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"embedding_learning_rate": -1.0}, "embedding_learning_rate is -1.0"),
        ({"max_minutes": 0.0}, "max_minutes is 0.0"),
        ({"decay": 1.5}, "decay is 1.5: expected a share between 0 and 1"),
        ({"warmup": -0.1}, "warmup is -0.1"),
        ({"seed": -1}, "seed is -1: expected a whole number of at least 0"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"optimizer": "lbfgs"}, "optimizer is 'lbfgs': expected one of sgd, adam, adamw, asgd"),
        ({"schedule": "linear"}, "schedule is 'linear'"),
        ({"precision": "64"}, "precision is '64'"),
        ({"accelerator": "tpu"}, "accelerator is 'tpu'"),
    ],
)
def test_values_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**options)


def test_what_depends_on_another_option_is_filled_in():
    resolved = TrainingConfig(optimizer="sgd", schedule="one-cycle").resolved()
    assert (resolved.learning_rate, resolved.embedding_learning_rate, resolved.warmup) == (1.0, 1.0, 0.3)
    assert TrainingConfig(learning_rate=0.1).resolved().embedding_learning_rate == 0.1
    assert TrainingConfig(embedding_learning_rate=0.1).resolved().learning_rate == 0.002
    assert TrainingConfig(schedule="cosine").resolved().warmup == 0.05
    assert resolved.resolved() == resolved
