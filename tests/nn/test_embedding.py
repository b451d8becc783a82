import copy

import pytest
import torch
from torch import nn

from lexloom.errors import ConfigError, InputError
from lexloom.nn.embedding import Embedding, OneHot

V, E = 7, 4
OPTIONS = [
    {},
    {"padding_idx": 0},
    {"padding_idx": 3},
    {"padding_idx": -1},
    {"padding_idx": -V},
    {"max_norm": 1.0},
    {"max_norm": 0.8, "norm_type": 1.0},
    {"max_norm": 0.8, "norm_type": float("inf"), "padding_idx": 2},
    {"scale_grad_by_freq": True},
    {"scale_grad_by_freq": True, "padding_idx": 3},
    {"sparse": True},
    {"sparse": True, "padding_idx": 3},
]
IDS = [torch.tensor(3), torch.tensor([], dtype=torch.int64), torch.tensor([6]), torch.tensor([[3, 1, 3], [0, 6, 1]])]
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.1, weight_decay=0.1),
}


def pair(**options) -> tuple[Embedding, nn.Embedding]:
    """The layer and torch's own, from the same random numbers."""
    torch.manual_seed(0)
    ours = Embedding(V, E, **options)
    torch.manual_seed(0)
    return ours, nn.Embedding(V, E, **options)


def train(layer: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 5) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        ids = torch.randint(V, (2, 5), generator=generator)
        optimizer.zero_grad()
        (layer(ids) * torch.randn(2, 5, E, generator=generator)).sum().backward()
        optimizer.step()


# ---- as torch's own ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("ids", IDS, ids=lambda ids: str(tuple(ids.shape)))
def test_output_and_gradient_are_those_of_torch(options, ids):
    ours, theirs = pair(**options)
    factors = torch.randn(*ids.shape, E)
    (ours(ids) * factors).sum().backward()
    (theirs(ids.unsqueeze(0)) * factors).sum().backward()  # one dimension more: torch cannot do a single id with sparse and padding_idx
    torch.testing.assert_close(ours(ids), theirs(ids), rtol=0, atol=0)
    assert ours.weight.grad.is_sparse == theirs.weight.grad.is_sparse
    torch.testing.assert_close(ours.weight.grad.to_dense(), theirs.weight.grad.to_dense(), rtol=0, atol=0)


@pytest.mark.parametrize("options", [options for options in OPTIONS if "sparse" not in options], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_lead_where_they_lead_torch(options, optimizer):
    ours, theirs = pair(**options)
    for layer in (ours, theirs):
        train(layer, OPTIMIZERS[optimizer](layer.parameters()))
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adagrad, torch.optim.SparseAdam])
def test_sparse_gradients_lead_where_they_lead_torch(optimizer):
    ours, theirs = pair(sparse=True, padding_idx=2)
    with torch.sparse.check_sparse_tensor_invariants():
        for layer in (ours, theirs):
            train(layer, optimizer(layer.parameters(), lr=0.1))
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=0)


def test_states_are_exchanged_with_torch():
    ours, theirs = Embedding(V, E), nn.Embedding(V, E)
    ours.load_state_dict(theirs.state_dict())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert torch.equal(ours.weight, theirs.weight)


def test_narrow_ids_are_taken():
    ours, theirs = pair()
    ids = torch.tensor([1, 6], dtype=torch.int32)
    assert torch.equal(ours(ids), theirs(ids))


@pytest.mark.parametrize("kind", ["tensor", "array", "array on disk", "whole numbers"])
def test_given_rows_are_copied(kind):
    given = torch.arange(V * E).reshape(V, E)
    weight = {"tensor": given.double(), "array": given.double().numpy(), "array on disk": given.float().numpy(), "whole numbers": given}[
        kind
    ]
    if kind == "array on disk":
        weight.flags.writeable = False
    layer = Embedding(V, E, weight=weight)
    assert layer.weight.dtype == (torch.float64 if kind == "tensor" else torch.float32)
    assert torch.equal(layer.weight, given.to(layer.weight.dtype))
    with torch.no_grad():
        layer.weight.add_(1)
    assert float(weight[0, 0]) == 0


# ---- padding -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding_idx", [0, 3, V - 1, -1, -V])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_padding_stays_zero_also_in_a_tied_matrix(padding_idx, optimizer):
    layer = Embedding(V, E, padding_idx=padding_idx, weight=torch.ones(V, E))
    steps = OPTIMIZERS[optimizer](layer.parameters())
    for _ in range(3):
        steps.zero_grad()
        (layer(torch.arange(V)) @ layer.matrix.T).exp().sum().backward()
        steps.step()
    assert layer.padding_idx == padding_idx % V
    assert not layer.weight[padding_idx].any()
    assert not layer(torch.tensor(padding_idx % V)).any()
    assert not layer.matrix[padding_idx].any()


# ---- frozen rows -------------------------------------------------------------------------------------------------------------------

FROZEN = torch.tensor([True, False, True, False, False, True, False])


@pytest.mark.parametrize("frozen", [FROZEN, FROZEN.numpy(), True], ids=["mask", "array", "all"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_rows_stay_bit_by_bit(frozen, optimizer):
    rows = torch.randn(V, E)
    layer = Embedding(V, E, weight=rows, frozen=frozen)
    train(layer, OPTIMIZERS[optimizer](layer.parameters()))
    kept = layer.frozen
    assert kept.tolist() == ([True] * V if frozen is True else FROZEN.tolist())
    assert torch.equal(layer(torch.arange(V))[kept], rows[kept])
    assert torch.equal(layer.matrix[kept], rows[kept])
    assert (layer.matrix != rows)[~kept].all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}], ids=str)
def test_rows_beside_frozen_ones_learn_as_if_alone(optimizer, options):
    rows = torch.randn(V, E)
    half, whole = Embedding(V, E, weight=rows, frozen=FROZEN, **options), Embedding(V, E, weight=rows, **options)
    for layer in (half, whole):
        train(layer, OPTIMIZERS[optimizer](layer.parameters()))
    assert torch.equal(half.matrix[~FROZEN], whole.matrix[~FROZEN])


def test_nothing_frozen_is_a_plain_layer():
    for frozen in (None, False, torch.zeros(V, dtype=torch.bool)):
        layer = Embedding(V, E, frozen=frozen)
        assert list(layer.state_dict()) == ["weight"]
        assert layer.matrix is layer.weight


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_unfrozen_rows_go_on_from_where_they_were(optimizer):
    rows = torch.randn(V, E)
    layer = Embedding(V, E, weight=rows, frozen=FROZEN)
    steps, parameter = OPTIMIZERS[optimizer](layer.parameters()), layer.weight
    train(layer, steps)
    before = layer.matrix.detach().clone()
    layer.unfreeze()
    assert layer.weight is parameter
    assert torch.equal(layer.matrix, before)
    train(layer, steps)
    assert (layer.matrix != before).all()


def test_unfreezing_leaves_no_trace_of_weight_decay():
    layer = Embedding(V, E, weight=torch.ones(V, E), frozen=True)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5)
    train(layer, optimizer)
    assert not optimizer.state[layer.weight]["momentum_buffer"].any()


@pytest.mark.parametrize(("unfreeze_epoch", "frozen_in"), [(None, [1, 2, 3]), (1, []), (3, [1, 2])])
def test_rows_are_unfrozen_from_the_epoch_on_that_was_asked_for(unfreeze_epoch, frozen_in):
    layer = Embedding(V, E, frozen=FROZEN, unfreeze_epoch=unfreeze_epoch)
    found = []
    for epoch in (1, 2, 3):
        layer.start_epoch(epoch)
        found += [epoch] if layer.frozen.any() else []
    assert found == frozen_in


@pytest.mark.parametrize("saved", ["frozen", "thawed", "plain"])
@pytest.mark.parametrize("loaded", ["frozen", "other rows", "thawed", "plain"])
def test_a_saved_state_brings_its_frozen_rows_along(saved, loaded):
    def make(kind):
        mask = {"frozen": FROZEN, "thawed": FROZEN, "other rows": ~FROZEN, "plain": None}[kind]
        layer = Embedding(V, E, weight=torch.randn(V, E), frozen=mask)
        if kind == "thawed":
            layer.unfreeze()
        return layer

    first, second = make(saved), make(loaded)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.frozen, first.frozen)
    assert torch.equal(second(torch.arange(V)), first(torch.arange(V)))
    assert torch.equal(second.matrix, first.matrix)
    if first.fixed is not None:
        assert second.fixed.data_ptr() != first.fixed.data_ptr()


def test_a_state_without_the_layer_leaves_it_frozen():
    layer = Embedding(V, E, frozen=FROZEN)
    layer.load_state_dict({}, strict=False)
    assert torch.equal(layer.frozen, FROZEN)


def test_a_settled_state_is_that_of_a_plain_layer():
    model = nn.Sequential(Embedding(V, E, frozen=FROZEN), nn.Linear(E, 2))
    settled = model[0].settled(model.state_dict(), "0.")
    plain = nn.Sequential(nn.Embedding(V, E), nn.Linear(E, 2))
    plain.load_state_dict(settled)
    assert torch.equal(plain(torch.arange(V)), model(torch.arange(V)))
    assert "0.fixed" in model.state_dict()


def test_frozen_rows_that_are_too_long_are_shortened_as_torch_does():
    rows = 3 * torch.randn(V, E)
    ours, theirs = Embedding(V, E, weight=rows, frozen=FROZEN, max_norm=1.0), nn.Embedding(V, E, max_norm=1.0, _weight=rows.clone())
    assert torch.equal(ours(torch.arange(V)), theirs(torch.arange(V)))


@pytest.mark.parametrize("change", [copy.deepcopy, lambda layer: layer.double().float()], ids=["copy", "cast"])
def test_a_changed_layer_keeps_its_frozen_rows(change):
    layer = Embedding(V, E, frozen=FROZEN)
    rows = layer.matrix.detach().clone()
    changed = change(layer)
    assert torch.equal(changed(torch.arange(V)), rows)


@pytest.mark.parametrize("mask", [torch.ones(V - 1, dtype=torch.bool), torch.ones(V)], ids=["shape", "type"])
def test_a_wrong_mask_is_refused(mask):
    with pytest.raises(ConfigError, match=r"frozen is .*expected a bool for each of the 7 rows"):
        Embedding(V, E, frozen=mask)


# ---- tied ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"frozen": FROZEN}, {"frozen": FROZEN, "padding_idx": 0}], ids=str)
def test_a_tied_matrix_sends_gradients_to_the_rows_that_learn(options):
    layer = Embedding(V, E, **options)
    factors = torch.randn(V, E)
    (layer.matrix * factors).sum().backward()
    learns = ~layer.frozen
    if layer.padding_idx is not None:
        learns[layer.padding_idx] = False
    assert torch.equal(layer.weight.grad, factors * learns.unsqueeze(-1))
    assert torch.equal(layer.matrix, layer(torch.arange(V)))


def test_a_tied_matrix_and_the_lookup_add_up():
    ours, theirs = pair()
    ids = torch.tensor([[1, 2], [2, 5]])
    (ours(ids) @ ours.matrix.T).logsumexp(-1).sum().backward()
    (theirs(ids) @ theirs.weight.T).logsumexp(-1).sum().backward()
    assert torch.equal(ours.weight.grad, theirs.weight.grad)


def test_a_tied_matrix_is_refused_with_sparse_gradients():
    layer = Embedding(V, E, sparse=True)
    with pytest.raises(ConfigError, match="leave out sparse, or do not tie"):
        _ = layer.matrix
    with torch.no_grad():
        assert torch.equal(layer.matrix, layer.weight)


# ---- ids out of range --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [V, -1, 10**12])
@pytest.mark.parametrize(
    "layer",
    [
        Embedding(V, E),
        Embedding(V, E, max_norm=1.0),
        Embedding(V, E, frozen=FROZEN, padding_idx=0),
        Embedding(V, E, embedding_dropout=0.5),
        OneHot(V),
        OneHot(V, padding_idx=0),
    ],
    ids=str,
)
def test_an_id_out_of_range_is_named(layer, wrong):
    with pytest.raises(InputError, match=rf"id {wrong} is out of range: the vocabulary has 7 tokens, ids 0 to 6"):
        layer(torch.tensor([[1, wrong, 2]]))


# ---- dropout -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Embedding, OneHot])
def test_word_dropout_puts_unk_in_the_place_of_its_share_of_words(kind):
    torch.manual_seed(0)
    size = (100, E) if kind is Embedding else (100,)
    layer = kind(*size, unk_id=1, word_dropout=0.3, padding_idx=0)
    ids = torch.arange(100).repeat(200)
    table = layer.eval()(torch.arange(100))
    assert torch.equal(layer(ids), table[ids])
    found = layer.train()(ids)
    kept = (found == table[ids]).all(-1)
    assert torch.equal(found[~kept], table[1].expand(int((~kept).sum()), -1))
    assert kept[ids == 0].all()
    assert 0.28 < float((~kept[ids > 1]).float().mean()) < 0.32


def test_word_dropout_takes_other_words_each_time():
    layer = Embedding(V, E, unk_id=1, word_dropout=0.5)
    ids = torch.full((100,), 3)
    assert not torch.equal(layer(ids), layer(ids))


def test_embedding_dropout_takes_whole_rows_and_scales_the_others():
    torch.manual_seed(0)
    layer = Embedding(1000, E, embedding_dropout=0.2)
    ids = torch.arange(1000).repeat(2)
    table = layer.weight.detach()[ids]
    assert torch.equal(layer.eval()(ids), table)
    found = layer.train()(ids)
    dropped = ~found.any(-1)
    assert torch.equal(dropped[:1000], dropped[1000:])
    torch.testing.assert_close(found[~dropped], table[~dropped] / 0.8)
    assert 0.15 < float(dropped.float().mean()) < 0.25


@pytest.mark.parametrize("frozen", [None, FROZEN], ids=["learning", "frozen"])
def test_embedding_dropout_has_the_gradient_of_a_masked_matrix(frozen):
    torch.manual_seed(3)
    layer = Embedding(V, E, embedding_dropout=0.5, frozen=frozen)
    ids, factors = torch.tensor([[0, 1, 1, 2], [3, 4, 5, 6]]), torch.randn(2, 4, E)
    rows = layer.matrix.detach().clone().requires_grad_()
    found = layer(ids)
    (found * factors).sum().backward()
    mask = torch.zeros(V, 1).index_put((ids.flatten(),), 2 * found.detach().any(-1).flatten().unsqueeze(-1).float())
    assert 0 < int(mask.count_nonzero()) < V
    twin = (rows * mask)[ids]  # the whole matrix, masked row by row
    (twin * factors).sum().backward()
    assert torch.equal(found, twin)
    assert torch.equal(layer.weight.grad, rows.grad * (~layer.frozen).unsqueeze(-1))


# ---- one-hot -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", IDS, ids=lambda ids: str(tuple(ids.shape)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_one_hot_is_the_row_of_an_identity_matrix(ids, dtype):
    layer = OneHot(V).to(dtype)
    found = layer(ids)
    assert found.dtype == dtype
    assert torch.equal(found, torch.eye(V, dtype=dtype)[ids])
    assert layer.embedding_dim == layer.num_embeddings == V
    assert list(layer.parameters()) == list(layer.state_dict()) == []


def test_one_hot_padding_is_all_zero():
    assert torch.equal(OneHot(3, padding_idx=-2)(torch.arange(3)), torch.diag(torch.tensor([1.0, 0.0, 1.0])))


def test_one_hot_hears_of_epochs_and_has_nothing_to_settle():
    layer = OneHot(V)
    layer.start_epoch(1)
    assert layer.settled({"a": torch.ones(1)}) == {"a": torch.ones(1)}


def test_a_layer_describes_itself():
    layer = Embedding(V, E, padding_idx=0, max_norm=1.0, frozen=FROZEN)
    assert repr(layer) == "Embedding(7, 4, padding_idx=0, max_norm=1.0, frozen=3)"
