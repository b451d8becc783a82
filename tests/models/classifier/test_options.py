import dataclasses
import json

import pytest

from lexloom.errors import ConfigError
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierOptions,
    ClassifierTrainingConfig,
    DocumentConfig,
    LinearConfig,
    refuse_unused,
)
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.options import describe, restore


def test_options_survive_json():
    options = ClassifierOptions(ClassifierConfig("cnn", widths=(2, 5)), linear=LinearConfig(word_ngrams=3))
    assert restore(ClassifierOptions, json.loads(json.dumps(describe(options)))) == options


@pytest.mark.parametrize(("documents", "size"), [(2, 4), (399, 4), (1000, 10), (5000, 50), (10**6, 50)])
def test_small_training_sets_have_small_batches(documents, size):
    assert DocumentConfig().training_batch_size(documents) == size
    assert DocumentConfig(batch_size=7).training_batch_size(documents) == 7


@pytest.mark.parametrize(
    ("training", "rate"),
    [({}, 0.001), ({"optimizer": "adam"}, 0.001), ({"optimizer": "sgd"}, 1.0), ({"learning_rate": 0.3}, 0.3)],
    ids=str,
)
def test_the_default_learning_rate_depends_on_the_optimizer(training, rate):
    assert ClassifierTrainingConfig(**training).resolved().learning_rate == rate


@pytest.mark.parametrize(
    ("encoder", "pooling", "input_dropout"), [("average", "mean", 0.0), ("cnn", "max", 0.5), ("rnn", "max", 0.5), ("linear", "mean", 0.0)]
)
def test_each_encoder_has_its_defaults(encoder, pooling, input_dropout):
    config = ClassifierConfig(encoder)
    assert (config.chosen_pooling, config.chosen_input_dropout) == (pooling, input_dropout)


@pytest.mark.parametrize(
    ("part", "own"),
    [
        ({"model": ClassifierConfig(filters=5)}, "cnn"),
        ({"model": ClassifierConfig(bidirectional=False)}, "rnn"),
        ({"recurrent": RecurrentConfig(hidden_size=100, num_layers=2)}, "rnn"),
        ({"linear": LinearConfig(max_char_ngram=4)}, "linear"),
    ],
    ids=["filters", "bidirectional", "num_layers", "max_char_ngram"],
)
def test_an_option_of_one_encoder_is_refused_unless_that_encoder_is_among_those_trained(part, own):
    options = dataclasses.replace(ClassifierOptions(), **part)
    refuse_unused(options, ["average", own])
    with pytest.raises(ConfigError, match=f"which only the {own} encoder has; leave it out, or use that encoder"):
        refuse_unused(options, ["average"])
