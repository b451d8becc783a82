"""What holds for every model. A new one joins with a line in CASES."""

import itertools
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from tests.models.tiny import classifier, documents, language_model, window

from lexloom.model_folder import Saved
from lexloom.models.loading import MODELS, load_model
from lexloom.models.skipgram.network import SkipGram
from lexloom.text.corpus import iterable_corpus
from lexloom.training.model import Model, save_model
from lexloom.training.trainable import Trainable

ROWS = 5


class Case(NamedTuple):
    """A model, untrained and always the same, and a batch of ROWS rows that reaches all of it."""

    make: Callable[[], Trainable]
    batch: Callable[[], Any]


def language_models() -> dict[str, Case]:
    """Cells x implementations x softmaxes x embeddings, as far as they go together; and all that regularises at once."""
    embeddings = {"lookup": {}, "one-hot": {"embedding": "one-hot"}, "narrow": {"embedding_dim": 7}, "max-norm": {"max_norm": 1.5}}
    softmaxes = {
        "full": {},
        "tied": {"softmax": "tied"},
        "sampled": {"num_sampled": 6},
        "adaptive": {"softmax": "adaptive", "cutoffs": (4, 14), "div_value": 2.0},
    }
    ends = [
        *itertools.product(("full", "adaptive"), ("lookup", "one-hot", "max-norm")),
        ("tied", "lookup"),
        ("tied", "narrow"),
        ("sampled", "lookup"),
    ]
    cases = {}
    for cell, implementation, (softmax, embedding) in itertools.product(("rnn", "gru", "lstm"), ("torch", "scratch"), ends):
        parts = {
            "model": softmaxes[softmax],
            "embedding": embeddings[embedding],
            "recurrent": {"cell": cell, "implementation": implementation, "num_layers": 2},
        }
        cases[f"{cell}-{implementation}-{softmax}-{embedding}"] = Case(lambda parts=parts: language_model(**parts), long_window)
    everything = {
        "model": {"dropout": 0.3, "activation_penalty": 1.0, "temporal_penalty": 1.0, "softmax": "tied"},
        "embedding": {"word_dropout": 0.2, "embedding_dropout": 0.2},
        "recurrent": {"num_layers": 3, "weight_drop": 0.3},
    }
    return cases | {"regularised": Case(lambda: language_model(**everything), long_window)}


def long_window() -> Any:
    return window(ROWS, 16)


def skipgram() -> SkipGram:
    return SkipGram(22, 6, generator=torch.Generator().manual_seed(0))


def centres() -> Any:
    random = torch.Generator().manual_seed(1)
    contexts = torch.arange(22).expand(ROWS, 22)
    labels = (torch.rand(ROWS, 22, generator=random) < 0.3).float()
    return SimpleNamespace(
        centres=torch.arange(ROWS)[:, None], contexts=contexts, labels=labels, keep=torch.ones(ROWS, 22, dtype=torch.bool)
    )


def classifiers() -> dict[str, Case]:
    """Encoders x poolings x one label or several; and all that regularises at once."""
    encoders: dict[str, dict[str, Any]] = {
        "average-mean": {"model": {}},
        "average-weighted": {"model": {"pooling": "weighted"}},
        "average-max": {"model": {"pooling": "max"}},
        "average-one-hot": {"embedding": {"embedding": "one-hot", "embedding_dim": None}},
        "cnn": {"model": {"encoder": "cnn", "widths": (1, 2, 4), "filters": 5}},
    }
    for cell, implementation in itertools.product(("rnn", "gru", "lstm"), ("torch", "scratch")):
        recurrent = {"cell": cell, "implementation": implementation, "num_layers": 2}
        for pooling, bidirectional in (("max", True), ("last", False), ("last", True), ("mean", False), ("attention", True)):
            model = {"encoder": "rnn", "pooling": pooling, "bidirectional": bidirectional}
            encoders[f"{cell}-{implementation}-{pooling}-{bidirectional}"] = {"model": model, "recurrent": recurrent}
    cases = {}
    for (name, parts), several in itertools.product(encoders.items(), (False, True)):
        no_dropout = {**parts, "model": {"dropout": 0.0, **parts.get("model", {})}}
        cases[f"{name}-{'several' if several else 'one'}"] = Case(
            lambda parts=no_dropout, several=several: classifier(several=several, **parts),
            lambda several=several: documents((9, 3, 1, 6, 9), several=several),
        )
    everything = {
        "model": {"dropout": 0.3, "input_dropout": 0.3, "label_smoothing": 0.1, "encoder": "rnn"},
        "embedding": {"word_dropout": 0.2, "embedding_dropout": 0.2},
        "recurrent": {"weight_drop": 0.2, "num_layers": 2, "layer_dropout": 0.2},
        "class_weights": np.array([0.5, 1.0, 2.0]),
    }
    return cases | {"classifier-regularised": Case(lambda: classifier(**everything), documents)}


CASES: dict[str, Case] = {
    **language_models(),
    **classifiers(),
    "skipgram": Case(skipgram, centres),
}
SAVED = {name: case for name, case in CASES.items() if name != "skipgram"}  # which becomes vectors
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_model = pytest.mark.parametrize("case", SAVED.values(), ids=SAVED)


def ready(case: Case) -> Trainable:
    """The model as a folder gives it back: ready to predict."""
    model = case.make()
    model.use()
    return model


def rebuilt(model: Model) -> Model:
    """The network of its folder, without its weights."""
    options = json.loads(json.dumps(model.options()))
    return type(model).build(Saved(model.kind, options, {}, model.vocabulary, model.tokenizer))


def rows_of(batch: Any, rows: slice) -> Any:
    """The same batch with some of its rows alone; counts of targets shrink with it."""
    fields = batch._asdict() if isinstance(batch, tuple) else vars(batch)
    share = len(range(ROWS)[rows]) / ROWS
    counted = {"scored": round(fields["scored"] * share)} if "scored" in fields else {}
    return SimpleNamespace(**{name: value[rows] if torch.is_tensor(value) else value for name, value in fields.items()} | counted)


def losses(model: Trainable, batch: Any) -> dict[str, tuple[torch.Tensor, int]]:
    with torch.no_grad():
        return dict(model.measure(batch).sums)


def test_every_kind_of_model_has_a_case():
    assert {*MODELS} - {"linear-classifier"} == {case.make().kind for case in SAVED.values()}


@every_case
def test_the_loss_is_finite_and_every_parameter_has_a_gradient(case):
    model = case.make()
    outcome = model.measure(case.batch())
    outcome.loss.backward()
    assert outcome.loss.shape == () and outcome.loss.isfinite() and outcome.count > 0
    assert all(total.isfinite() and not total.requires_grad and count > 0 for total, count in outcome.sums.values())
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_case
def test_a_carried_state_holds_no_graph(case):
    state = case.make().measure(case.batch()).state
    assert not any(tensor.requires_grad for tensor in state or ())


@every_model
def test_saved_and_loaded_it_predicts_the_same_bits(case, tmp_path):
    model = case.make().eval()
    save_model(model, tmp_path, {"note": "kept"})
    loaded = load_model(tmp_path)
    assert type(loaded) is type(model) and not loaded.training
    assert losses(loaded, case.batch()) == losses(model, case.batch())
    assert json.loads((tmp_path / "lexloom.json").read_text())["note"] == "kept"


@every_model
def test_options_survive_json(case):
    model = case.make()
    once = rebuilt(model)
    assert rebuilt(once).options() == once.options()
    assert once.options() | {"embedding": {}} == model.options() | {"embedding": {}}  # whose rows come from the weights


@every_case
def test_a_row_of_a_batch_gives_what_it_gives_alone(case):
    model, batch = ready(case), case.batch()
    together = losses(model, batch)
    alone = [losses(model, rows_of(batch, slice(row, row + 1))) for row in range(ROWS)]
    neighbours = losses(model, rows_of(batch, slice(1, 3)))
    for name, (total, count) in together.items():
        torch.testing.assert_close(sum(one[name][0] for one in alone), total, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alone[1][name][0] + alone[2][name][0], neighbours[name][0], rtol=1e-5, atol=1e-5)
        assert sum(one[name][1] for one in alone) == count


@every_case
def test_predicting_is_without_chance_and_leaves_the_weights_alone(case):
    model, batch = ready(case), case.batch()
    random, before = torch.get_rng_state(), {name: tensor.clone() for name, tensor in model.weights().items()}
    assert losses(model, batch) == losses(model, batch)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.weights().items())


@pytest.mark.parametrize("case", classifiers().values(), ids=classifiers())
@pytest.mark.parametrize("text", ["", "w1 unheard w2"])
def test_a_classifier_explains_any_document_as_it_predicts_it(case, text):
    model = ready(case)
    (expected,) = np.concatenate(list(model.predict_blocks(iterable_corpus([text]).blocks())))
    explanation = model.explain(text)
    assert explanation.tokens == text.split() and len(explanation.scores) == len(explanation.tokens)
    assert explanation.probability == pytest.approx(expected.max(), abs=1e-6)
