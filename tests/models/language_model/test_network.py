"""The language model beside its definition: one step after the other, and each part of the objective by hand."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.tiny import language_model, options, vocabulary_of, window, words

from lexloom.errors import InputError
from lexloom.model_folder import Saved
from lexloom.models.language_model.data import WindowBatch
from lexloom.models.language_model.network import LanguageModel
from lexloom.models.loading import load_model
from lexloom.text.batches import IGNORE
from lexloom.training.model import save_model
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

PARTS = {
    "full": {},
    "tied": {"model": {"softmax": "tied"}},
    "tied-projected": {"model": {"softmax": "tied"}, "embedding": {"embedding_dim": 5}},
    "adaptive": {"model": {"softmax": "adaptive", "cutoffs": (4, 14), "div_value": 2.0}},
    "one-hot": {"embedding": {"embedding": "one-hot"}, "recurrent": {"cell": "rnn"}},
    "deep": {"recurrent": {"cell": "gru", "num_layers": 3}},
}
every_shape = pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)


def step_losses(model: LanguageModel, batch: WindowBatch) -> torch.Tensor:
    """Minus the log-probability of every target, (B, T), one token at a time."""
    model.eval()
    step, state, found = model.stepper(), model.initial_state(len(batch.inputs)), []
    for inputs, targets in zip(batch.inputs.T, batch.targets.T, strict=True):
        log_probs, state, _ = step(inputs, state)
        torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(len(inputs)))
        found.append(-log_probs.gather(1, targets[:, None])[:, 0])
    return torch.stack(found, 1)


# ---- what is measured ----------------------------------------------------------------------------------------------------------------


@every_shape
def test_the_loss_is_that_of_one_step_after_the_other(parts):
    model, batch = language_model(**parts), window()
    expected = step_losses(model, batch)
    outcome = model.train().measure(batch)
    torch.testing.assert_close(outcome.sums["loss"][0], expected.sum(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(outcome.loss, expected.sum(), rtol=1e-5, atol=1e-5)
    assert outcome.count == outcome.sums["loss"][1] == expected.numel()


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("number", [99, -1])
@pytest.mark.parametrize("hidden_size", [4, 40], ids=["looked up", "got ready"])
@pytest.mark.parametrize("embedding", ["lookup", "one-hot"])
def test_a_step_refuses_an_unknown_id(embedding, hidden_size, number, rows):
    model = language_model(embedding={"embedding": embedding}, recurrent={"hidden_size": hidden_size}).eval()
    with pytest.raises(InputError, match=f"id {number} is out of range: the vocabulary has {len(model.vocabulary)} tokens"):
        model.stepper()(torch.tensor([0, number][-rows:]), model.initial_state(rows))


@every_shape
def test_targets_to_ignore_count_for_nothing(parts):
    model, batch = language_model(**parts), window()
    keep = torch.rand(batch.targets.shape, generator=torch.Generator().manual_seed(3)) < 0.5
    holes = batch._replace(targets=batch.targets.masked_fill(~keep, IGNORE), scored=int(keep.sum()))
    expected = step_losses(model, batch)[keep]
    outcome = model.train().measure(holes)
    torch.testing.assert_close(outcome.sums["loss"][0], expected.sum(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(outcome.loss, expected.sum(), rtol=1e-5, atol=1e-5)
    assert outcome.count == len(expected)


def test_a_window_of_padding_alone_costs_nothing():
    batch = window()._replace(scored=0)
    outcome = language_model().measure(batch._replace(targets=torch.full_like(batch.targets, IGNORE)))
    assert (outcome.loss.item(), outcome.count, outcome.sums["loss"][0].item(), outcome.sums["loss"][1]) == (0.0, 0, 0.0, 0)


@every_shape
def test_two_windows_with_the_state_between_them_are_one_long_window(parts):
    model, long = language_model(**parts), window(length=9)
    first = WindowBatch(long.inputs[:, :4], long.targets[:, :4], True, 12)
    second = WindowBatch(long.inputs[:, 4:], long.targets[:, 4:], False, 15)
    begun = model.measure(first)
    gone_on = model.measure(second, begun.state)
    together = begun.sums["loss"][0] + gone_on.sums["loss"][0]
    torch.testing.assert_close(together, model.measure(long).sums["loss"][0], rtol=1e-5, atol=1e-5)
    assert not torch.isclose(model.measure(second).sums["loss"][0], gone_on.sums["loss"][0])


def test_a_fresh_window_takes_no_state():
    model, batch = language_model(), window()
    state = tuple(torch.randn_like(part) for part in model.initial_state(3))
    assert model.measure(batch, state).loss == model.measure(batch).loss
    assert model.measure(batch._replace(fresh=False), state).loss != model.measure(batch).loss


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (4, 1)])
def test_one_row_and_one_token_are_windows_too(shape):
    model, batch = language_model(), window(*shape)
    torch.testing.assert_close(model.measure(batch).loss, step_losses(model, batch).sum(), rtol=1e-5, atol=1e-5)


def test_a_window_of_one_token_has_no_change_to_penalise():
    plain, penalised = language_model(), language_model(model={"temporal_penalty": 9.0})
    assert plain.measure(window(4, 1)).loss == penalised.measure(window(4, 1)).loss


def test_the_penalties_are_those_of_the_paper():
    model = language_model(model={"activation_penalty": 2.0, "temporal_penalty": 3.0, "output_dropout": 0.4})
    batch = window()
    torch.manual_seed(5)
    outcome = model.measure(batch)
    torch.manual_seed(5)
    out, _ = model.hidden(batch.inputs)
    dropped = model.output_dropout(out).detach().double().numpy()
    out = out.detach().double().numpy()
    activation = np.mean(dropped**2)  # Merity et al. 2018, as published code has it: means, not norms
    temporal = np.mean((out[:, 1:] - out[:, :-1]) ** 2)
    loss, tokens = outcome.sums["loss"]
    assert outcome.loss.item() / outcome.count == pytest.approx(loss.item() / tokens + 2 * activation + 3 * temporal, rel=1e-5)


def test_the_loss_that_is_told_has_no_penalty():
    plain, penalised = language_model(), language_model(model={"activation_penalty": 9.0, "temporal_penalty": 9.0})
    assert plain.measure(window()).sums == penalised.measure(window()).sums
    assert plain.measure(window()).loss < penalised.measure(window()).loss


# ---- the network ---------------------------------------------------------------------------------------------------------------------


def test_one_hot_input_is_a_lookup_of_unit_vectors():
    hot, lookup = language_model(embedding={"embedding": "one-hot"}), language_model(embedding={"embedding_dim": 22})
    lookup.load_state_dict(hot.state_dict() | {"embedding.weight": torch.eye(22)})
    torch.testing.assert_close(hot.measure(window()).loss, lookup.measure(window()).loss)


def test_tied_weights_learn_from_both_sides():
    tied, full = language_model(model={"softmax": "tied"}), language_model()
    full.load_state_dict(tied.state_dict() | {"output.weight": tied.embedding.weight.detach().clone()})
    for model in (tied, full):
        model.measure(window()).loss.backward()
    torch.testing.assert_close(tied.embedding.weight.grad, full.embedding.weight.grad + full.output.weight.grad)
    assert sum(p.numel() for p in full.parameters()) - sum(p.numel() for p in tied.parameters()) == 22 * 12


def test_the_embedding_is_as_wide_as_the_hidden_state_unless_told_otherwise():
    assert language_model().embedding.embedding_dim == 12
    assert language_model(embedding={"embedding_dim": 5}).embedding.embedding_dim == 5
    assert language_model(embedding={"embedding_dim": 5}).config.embedding.embedding_dim == 5


@pytest.mark.parametrize(
    ("model", "recurrent", "expected"),
    [
        ({"dropout": 0.3}, {}, (0.3, 0.3, 0.3)),
        ({"dropout": 0.3, "input_dropout": 0.0}, {}, (0.0, 0.3, 0.3)),
        ({"dropout": 0.3, "output_dropout": 0.1}, {}, (0.3, 0.3, 0.1)),
        ({"dropout": 0.3}, {"layer_dropout": 0.2}, (0.3, 0.2, 0.3)),
    ],
)
def test_dropout_is_everywhere_unless_told_otherwise(model, recurrent, expected):
    made = language_model(model=model, recurrent=recurrent)
    assert (made.input_dropout.p, made.recurrent.config.layer_dropout, made.output_dropout.p) == expected


@pytest.mark.parametrize(
    "parts",
    [
        {"model": {"input_dropout": 0.5}},
        {"model": {"output_dropout": 0.5}},
        {"recurrent": {"layer_dropout": 0.5, "num_layers": 2}},
        {"recurrent": {"weight_drop": 0.5}},
        {"embedding": {"word_dropout": 0.5}},
        {"embedding": {"embedding_dropout": 0.5}},
    ],
    ids=str,
)
def test_each_dropout_is_at_work_in_training(parts):
    model = language_model(**parts)
    assert model.measure(window()).loss != model.measure(window()).loss


def test_clusters_without_a_target_have_a_gradient_of_zero():
    """Processes that train together wait for a gradient of every parameter."""
    model = language_model(model={"softmax": "adaptive", "cutoffs": (4, 14), "div_value": 2.0})
    batch = window()
    frequent = batch._replace(targets=batch.targets % 4)
    outcome = model.measure(frequent)
    outcome.loss.backward()
    torch.testing.assert_close(outcome.loss, step_losses(model, frequent).sum())
    tails = list(model.output._softmax.tail.parameters())
    assert tails and all(parameter.grad is not None and not parameter.grad.any() for parameter in tails)


@pytest.mark.parametrize(("size", "cutoffs"), [(3, (1,)), (5, (1, 3)), (10, (2, 6)), (10_000, (2000, 6000))])
def test_clusters_begin_at_a_fifth_and_three_fifths(size, cutoffs):
    made = language_model(words(size - 2), model={"softmax": "adaptive"}, recurrent={"hidden_size": 16})
    assert tuple(made.output._softmax.cutoffs[:-1]) == cutoffs


def test_the_same_seed_makes_the_same_model():
    first, second, third = (language_model(seed=seed, recurrent={"num_layers": 2}).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first[name], third[name]) for name in first if name != "output.bias")


def test_a_vocabulary_of_one_word_is_enough():
    model = language_model(vocabulary_of("word"))
    assert model.measure(window(size=3)).loss.isfinite()


# ---- vectors to start from -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of 6 numbers for three of the words, and for one that no text has."""
    folder = tmp_path_factory.mktemp("vectors") / "vectors"
    rows = np.arange(24, dtype=np.float32).reshape(4, 6) / 10 + 1
    write_folder(Vectors(["w0", "w3", "w5", "elsewhere"], rows, np.array([4, 3, 2, 1])), folder)
    return str(folder), rows


def test_vectors_are_where_the_rows_begin(vectors):
    source, rows = vectors
    model = language_model(embedding={"vectors": source})
    torch.manual_seed(0)
    model = LanguageModel(options(embedding={"vectors": source}), model.vocabulary, model.tokenizer)
    assert model.embedding.embedding_dim == 6 and model.config.embedding.embedding_dim == 6
    for token, row in zip(["w0", "w3", "w5"], rows, strict=False):
        assert np.array_equal(model.embedding.matrix.detach()[model.vocabulary.id_of(token)].numpy(), row)
    assert (model.coverage.types, model.coverage.known_types) == (20, 3)


def test_frozen_rows_stand_in_their_places_when_saved(vectors, tmp_path):
    source, rows = vectors
    made = language_model()
    model = LanguageModel(options(embedding={"vectors": source, "freeze": True}), made.vocabulary, made.tokenizer)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model.measure(window()).loss.backward()
    optimizer.step()
    save_model(model, tmp_path, {})
    kept = load_file(tmp_path / "model.safetensors")["embedding.weight"]
    assert np.array_equal(kept[[made.vocabulary.id_of(token) for token in ("w0", "w3", "w5")]].numpy(), rows[:3])
    loaded = load_model(tmp_path, "language-model")
    assert loaded.config.embedding.vectors is None and not loaded.embedding.frozen.any()
    with torch.no_grad():
        assert loaded.measure(window()).sums == model.eval().measure(window()).sums


def test_rows_are_let_go_at_their_epoch(vectors):
    made = language_model()
    parts = options(embedding={"vectors": vectors[0], "freeze": True, "unfreeze_epoch": 3})
    model = LanguageModel(parts, made.vocabulary, made.tokenizer)
    held = []
    for epoch in (1, 2, 3):
        model.start_epoch(epoch)
        held.append(int(model.embedding.frozen.sum()))
    assert held == [3, 3, 0]


def test_a_saved_model_needs_no_vectors():
    model = language_model(embedding={"embedding_dim": 6})
    options = model.options()
    options["embedding"] |= {"vectors": "gone.txt", "freeze": True, "unfreeze_epoch": 2}
    assert LanguageModel.build(Saved(model.kind, options, {}, model.vocabulary, model.tokenizer)).embedding.embedding_dim == 6


def test_rows_are_kept_as_short_as_they_were_read():
    model = language_model(embedding={"max_norm": 0.7})
    kept = model.weights()["embedding.weight"]
    assert kept.norm(dim=1).max() <= 0.7 + 1e-6
    assert model.embedding.weight.norm(dim=1).max() > 0.7  # what has not been looked up yet is as it was
