import numpy as np
import pytest
import torch

from lexloom.errors import ConfigError
from lexloom.nn.embedding import Embedding, EmbeddingConfig, OneHot, make_embedding
from lexloom.nn.embedding_config import check_processes
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.formats import save_vectors
from lexloom.vectors.table import Vectors

V, E = 7, 4


def vocabulary(tokens=("the", "of", "dog", "Cat")) -> Vocabulary:
    return Vocabulary(["<unk>", *tokens], np.arange(len(tokens) + 1)[::-1].copy(), {"unk": "<unk>"})


# ---- options -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": "both"}, "embedding is 'both': expected one of lookup, one-hot"),
        ({"missing": "no"}, "missing is 'no'"),
        ({"initialization": "zeros"}, "initialization is 'zeros'"),
        ({"initialization_scale": float("nan")}, "initialization_scale is nan"),
        ({"initialization_scale": -1.0}, "initialization_scale is -1.0"),
        ({"embedding_dim": 0}, "embedding_dim is 0"),
        ({"freeze": True}, "nothing to freeze: give vectors"),
        ({"vectors": "v", "unfreeze_epoch": 2}, "nothing is frozen: give freeze"),
        ({"vectors": "v", "freeze": True, "unfreeze_epoch": 0}, "unfreeze_epoch is 0"),
        ({"max_norm": 0.0}, "max_norm is 0.0"),
        ({"norm_type": 0.0}, "norm_type is 0.0"),
        ({"word_dropout": 1.0}, "word_dropout is 1.0"),
        ({"embedding_dropout": float("nan")}, "embedding_dropout is nan"),
        ({"sparse": True, "scale_grad_by_freq": True}, "sparse and scale_grad_by_freq"),
        ({"sparse": True, "embedding_dropout": 0.1}, "sparse is set and embedding_dropout is 0.1"),
        ({"embedding": "one-hot", "vectors": "v"}, "vectors is 'v', but one-hot"),
        ({"embedding": "one-hot", "max_norm": 1.0}, "max_norm is 1.0, but one-hot"),
        ({"embedding": "one-hot", "sparse": True}, "sparse is True, but one-hot"),
        ({"embedding": "one-hot", "embedding_dropout": 0.1}, "embedding_dropout is 0.1, but one-hot"),
        ({"embedding": "one-hot", "initialization": "xavier"}, "initialization is 'xavier', but one-hot"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EmbeddingConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding_idx": V}, "padding_idx is 7: expected an id from 0 to 6, or from -7 to -1"),
        ({"padding_idx": -V - 1}, "padding_idx is -8"),
        ({"weight": torch.ones(E, V)}, r"weight has shape \(4, 7\): expected \(7, 4\)"),
        ({"word_dropout": 0.1}, "give unk_id"),
        ({"unk_id": V}, "unk_id is 7"),
        ({"max_norm": -1.0}, "max_norm is -1.0"),
        ({"sparse": True, "scale_grad_by_freq": True}, "leave out one of the two"),
        ({"sparse": True, "embedding_dropout": 0.1}, "leave out one of the two"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Embedding(V, E, **options)


@pytest.mark.parametrize("make", [lambda: Embedding(0, E), lambda: Embedding(V, 0), lambda: OneHot(0)])
def test_nothing_cannot_be_embedded(make):
    with pytest.raises(ConfigError, match="at least 1"):
        make()


# ---- from a configuration ----------------------------------------------------------------------------------------------------------


FEW, MANY = vocabulary(), vocabulary([f"w{number}" for number in range(999)])


def made(words=FEW, seed=0, padding_idx=None, **options):
    return make_embedding(
        EmbeddingConfig(**options), words, embedding_dim=6, padding_idx=padding_idx, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(
    ("options", "std", "bound"),
    [
        ({}, 1.0, np.inf),
        ({"initialization_scale": 0.1}, 0.1, np.inf),
        ({"initialization": "uniform"}, 1 / 3**0.5, 1.0),
        ({"initialization": "uniform", "initialization_scale": 0.1}, 0.1 / 3**0.5, 0.1),
        ({"initialization": "xavier"}, (2 / 1006) ** 0.5, (6 / 1006) ** 0.5),
        ({"initialization": "xavier", "initialization_scale": 2.0}, 2 * (2 / 1006) ** 0.5, 2 * (6 / 1006) ** 0.5),
    ],
    ids=str,
)
def test_rows_begin_as_asked_for(options, std, bound):
    layer, coverage = made(MANY, **options)
    rows = layer.weight.detach()
    assert coverage is None
    assert rows.shape == (1000, 6)
    assert float(rows.std()) == pytest.approx(std, rel=0.05)
    assert float(rows.mean()) == pytest.approx(0, abs=0.05 * std)
    assert float(rows.abs().max()) <= bound


def test_the_generator_decides_the_rows():
    assert torch.equal(made(seed=1)[0].weight, made(seed=1)[0].weight)
    assert not torch.equal(made(seed=1)[0].weight, made(seed=2)[0].weight)


def test_the_configured_length_comes_before_the_models():
    assert made(embedding_dim=3)[0].embedding_dim == 3


def test_all_options_reach_the_layer():
    options = {"max_norm": 1.0, "norm_type": 1.0, "scale_grad_by_freq": True, "word_dropout": 0.1}
    layer, _ = made(padding_idx=2, embedding_dropout=0.2, **options)
    assert layer.dropout.p == 0.2
    assert {name: getattr(layer, name) for name in options} == options
    assert (layer.padding_idx, layer.unk_id) == (2, 0)
    assert made(sparse=True)[0].sparse


def test_one_hot_is_made_as_long_as_the_vocabulary():
    layer, coverage = made(embedding="one-hot", word_dropout=0.2, padding_idx=1)
    assert (layer.embedding_dim, layer.word_dropout, layer.unk_id, layer.padding_idx, coverage) == (5, 0.2, 0, 1, None)


def test_one_hot_of_another_length_is_refused():
    with pytest.raises(ConfigError, match=r"embedding_dim is 6, but one-hot input is as long as the vocabulary, 5"):
        made(embedding="one-hot", embedding_dim=6)


@pytest.fixture
def vectors(tmp_path):
    rows = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    save_vectors(Vectors(["of", "dog", "bird"], rows), tmp_path / "vectors")
    return str(tmp_path / "vectors"), torch.from_numpy(rows)


@pytest.mark.parametrize("freeze", [False, True])
def test_vectors_give_their_rows_and_their_length(vectors, freeze):
    source, rows = vectors
    layer, coverage = made(vectors=source, freeze=freeze, unfreeze_epoch=2 if freeze else None)
    assert (layer.num_embeddings, layer.embedding_dim) == (5, 3)
    assert torch.equal(layer.matrix[2:4], rows[:2])
    assert layer.frozen.tolist() == [False, False, freeze, freeze, False]
    assert (coverage.types, coverage.known_types) == (5, 2)
    assert layer.unfreeze_epoch == (2 if freeze else None)


def test_a_padding_token_that_the_vectors_know_is_zero_all_the_same(vectors):
    layer, _ = made(vectors=vectors[0], freeze=True, padding_idx=2)
    assert not layer.matrix[2].any()


def test_another_length_than_that_of_the_vectors_is_refused(vectors):
    with pytest.raises(ConfigError, match=r"embedding_dim is 5, but the vectors in .*vectors have 3 numbers per row"):
        made(vectors=vectors[0], embedding_dim=5)


@pytest.mark.parametrize("missing", ["random", "mean", "zero"])
def test_vectors_std_stretches_the_vectors_and_what_is_like_them(tmp_path, missing):
    matrix = np.random.default_rng(0).normal(0, 0.2, (50, 8)).astype(np.float32)
    tokens = [f"w{number}" for number in range(50)]
    save_vectors(Vectors(tokens, matrix), tmp_path / "vectors")
    words = Vocabulary(["<unk>", *tokens, "absent"], np.ones(52), {"unk": "<unk>"})
    config = EmbeddingConfig(vectors=str(tmp_path / "vectors"), vectors_std=1.5, missing=missing)
    layer, _ = make_embedding(config, words, embedding_dim=3, generator=torch.Generator().manual_seed(0))
    rows = layer.matrix.detach().numpy()[1:51]
    np.testing.assert_allclose(rows, matrix * 1.5 / matrix.std(), rtol=1e-4)


@pytest.mark.parametrize(("option", "value"), [("sparse", True), ("max_norm", 1.0), ("scale_grad_by_freq", True)])
def test_what_depends_on_how_a_batch_is_divided_is_refused_in_several_processes(option, value):
    config = EmbeddingConfig(**{option: value})
    check_processes(config, 1)
    with pytest.raises(ConfigError, match=f"{option} is {value}, but it does not work in 2 processes; leave out --{option[:3]}"):
        check_processes(config, 2)
