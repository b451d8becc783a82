import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from lexloom.decoding.sample import SamplingConfig, _candidates, generate, most_likely, sample
from lexloom.decoding.step import Step
from lexloom.errors import ConfigError, FormatError


def rows(*chances):
    """Log-probabilities float32 (N, V) of chances that need not sum to 1."""
    return torch.log_softmax(torch.tensor(chances, dtype=torch.float64).log(), 1).float()


def brute_force(log_probs, config):
    """The chances of the draw for one row, float64 (V,), token by token from the definition; ties go to the lower id."""
    chances = np.exp(log_probs.double().numpy())
    order = sorted(range(len(chances)), key=lambda token: (-chances[token], token))
    if config.temperature == 0:
        kept = order[:1]
    else:
        chances = chances ** (1 / config.temperature)
        kept = order[: config.top_k]
        whole, nucleus, mass = sum(chances[token] for token in kept), [], 0.0
        for token in kept:
            if config.top_p is not None and config.top_p < 1 and mass >= config.top_p * whole:
                break
            nucleus.append(token)
            mass += chances[token]
        kept = nucleus
    result = np.zeros(len(chances))
    result[kept] = chances[kept]
    return result / result.sum()


def filter_log_probs(log_probs, config):
    """Log-probabilities of the draw, float64 (N, V), from the candidates that `sample` chooses."""
    chances, ids = _candidates(log_probs, config)
    if ids is not None:
        candidates, chances = chances, np.zeros(log_probs.shape)
        np.put_along_axis(chances, ids, candidates, 1)
    shares = torch.from_numpy(chances)
    return (shares / shares.sum(1, keepdim=True)).log()


def draws(log_probs, config, number, seed=1):
    """How often each token of one row comes in so many draws, int (V,)."""
    generator = np.random.default_rng(seed)
    ids = sample(log_probs.expand(number, -1), config, generator)
    return np.bincount(ids.numpy(), minlength=log_probs.shape[1])


CONFIGS = [
    SamplingConfig(),
    SamplingConfig(temperature=0),
    SamplingConfig(temperature=0.5),
    SamplingConfig(temperature=3.0),
    SamplingConfig(top_k=1),
    SamplingConfig(top_k=3),
    SamplingConfig(top_k=100),
    SamplingConfig(top_p=0.05),
    SamplingConfig(top_p=0.6),
    SamplingConfig(top_p=1.0),
    SamplingConfig(temperature=2.0, top_k=4, top_p=0.7),
    SamplingConfig(temperature=0.7, top_k=100, top_p=0.99),
]


# ---- what may be drawn -------------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    chances=st.lists(st.lists(st.floats(1e-4, 1), min_size=7, max_size=7, unique=True), min_size=1, max_size=3),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.one_of(st.none(), st.integers(1, 9)),
    top_p=st.one_of(st.none(), st.floats(0.01, 1)),
)
def test_filtering_is_its_definition(chances, temperature, top_k, top_p):
    config = SamplingConfig(temperature, top_k, top_p)
    log_probs = rows(*chances)
    filtered = filter_log_probs(log_probs, config)
    for row, found in zip(log_probs, filtered, strict=True):
        np.testing.assert_allclose(found.exp().numpy(), brute_force(row, config), atol=1e-12)


@pytest.mark.parametrize("config", [config for config in CONFIGS if config.top_k is None], ids=str)
def test_of_equally_likely_tokens_the_lower_ids_come_in(config):
    log_probs = rows([0.1, 0.2, 0.1, 0.2, 0.2, 0.1, 0.1])
    np.testing.assert_allclose(filter_log_probs(log_probs, config)[0].exp().numpy(), brute_force(log_probs[0], config), atol=1e-12)


@pytest.mark.parametrize("top_k", range(1, 9))
def test_top_k_lets_in_just_k_of_equally_likely_tokens(top_k):
    found = filter_log_probs(rows([1.0] * 7), SamplingConfig(top_k=top_k)).exp()
    assert sorted(found[0].tolist()) == pytest.approx([0.0] * (7 - top_k) + [1 / min(top_k, 7)] * min(top_k, 7))


@pytest.mark.parametrize(("p", "kept"), [(0.5, 1), (0.51, 2), (0.75, 2), (0.76, 3), (0.99, 4), (1e-9, 1)])
def test_the_nucleus_is_the_smallest_set_that_reaches_p(p, kept):
    log_probs = torch.tensor([[0.125, 0.5, 0.125, 0.25]], dtype=torch.float64).log()
    assert int(filter_log_probs(log_probs, SamplingConfig(top_p=p)).isfinite().sum()) == kept


def test_top_p_of_1_leaves_nothing_out():
    log_probs = torch.tensor([[0.0, -50.0, -90.0]])
    assert filter_log_probs(log_probs, SamplingConfig(top_p=1.0)).isfinite().all()


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-300, 5e-324])
def test_a_temperature_near_zero_is_greedy(temperature):
    log_probs = rows([0.2, 0.3, 0.29, 0.21])
    np.testing.assert_allclose(filter_log_probs(log_probs, SamplingConfig(temperature)).exp(), [[0, 1, 0, 0]], atol=1e-12)
    assert draws(log_probs, SamplingConfig(temperature), 100).tolist() == [0, 100, 0, 0]


def test_a_very_high_temperature_draws_all_tokens_alike():
    np.testing.assert_allclose(filter_log_probs(rows([0.9, 0.05, 0.05]), SamplingConfig(1e12)).exp(), np.full((1, 3), 1 / 3), atol=1e-9)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_token_without_a_chance_never_comes(config):
    log_probs = rows([0.0, 0.5, 0.0, 0.5, 0.0])
    assert filter_log_probs(log_probs, config)[0, [0, 2, 4]].exp().tolist() == [0, 0, 0]
    assert draws(log_probs, config, 2000)[[0, 2, 4]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_token_that_is_suppressed_never_comes_and_the_others_share_its_chance(config):
    log_probs, others = rows([0.4, 0.05, 0.3, 0.25]), rows([0.05, 0.25])
    drawn = sample(log_probs.expand(4000, -1), config, np.random.default_rng(2), suppress=[0, 2])
    expected = sample(others.expand(4000, -1), config, np.random.default_rng(2))
    assert drawn.tolist() == [(1, 3)[number] for number in expected.tolist()]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_vocabulary_of_one_token_is_enough(config):
    assert filter_log_probs(torch.zeros(2, 1), config).tolist() == [[0.0], [0.0]]
    assert sample(torch.zeros(2, 1), config, np.random.default_rng()).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_any_floats_will_do(config, dtype):
    log_probs = rows([0.05, 0.7, 0.25]).to(dtype)
    drawn = sample(log_probs, config, np.random.default_rng(4))
    assert drawn.tolist() == sample(log_probs.double(), config, np.random.default_rng(4)).tolist()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_what_the_model_says_is_not_written_to(config):
    log_probs = rows([0.1, 0.6, 0.3]).double()
    before = log_probs.clone()
    filter_log_probs(log_probs, config)
    sample(log_probs, config, np.random.default_rng())
    assert torch.equal(log_probs, before)


# ---- what is drawn -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_tokens_are_drawn_as_often_as_filtering_says(config):
    log_probs = rows([0.05, 0.3, 0.02, 0.21, 0.33, 0.09])
    expected = brute_force(log_probs[0], config)
    found = draws(log_probs, config, 20_000)
    assert found[expected == 0].sum() == 0
    seen = expected > 0
    assert seen.sum() == 1 or chisquare(found[seen], 20_000 * expected[seen]).pvalue > 1e-3


def test_rows_are_drawn_apart_from_each_other():
    first, second = [0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.4, 0.1]
    ids = sample(rows(first, second).repeat(20_000, 1), SamplingConfig(), np.random.default_rng(3)).reshape(-1, 2)
    pairs = np.bincount((4 * ids[:, 0] + ids[:, 1]).numpy(), minlength=16)
    assert chisquare(pairs, 20_000 * np.outer(first, second).ravel()).pvalue > 1e-3


def test_tokens_too_rare_for_single_precision_are_drawn_as_often_as_they_should():
    rare = 2.0**-25  # a quarter of the step between random numbers of single precision below 1
    log_probs = torch.tensor([1 - 1024 * rare, *[rare] * 1024], dtype=torch.float64).log()[None]
    generator = np.random.default_rng(1)
    found = sum(int((sample(log_probs.expand(10_000, -1), SamplingConfig(), generator) > 0).sum()) for _ in range(20))
    assert found == pytest.approx(200_000 * 1024 * rare, abs=15)  # six standard deviations


@pytest.mark.parametrize(
    "config", [SamplingConfig(temperature=0), SamplingConfig(top_k=1), SamplingConfig(temperature=0.4, top_k=1)], ids=str
)
def test_greedy_takes_the_likeliest_and_draws_no_random_number(config):
    log_probs = torch.randn(50, 20).log_softmax(1)
    log_probs[:, [3, 7]] = 0.5  # as likely as each other: the lower id
    generator = np.random.default_rng(5)
    before = generator.bit_generator.state
    assert sample(log_probs, config, generator).tolist() == [3] * 50
    assert generator.bit_generator.state == before


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_model_that_gives_no_chances_is_an_error(config, value):
    log_probs = torch.stack([torch.full((5,), math.log(0.2)), torch.full((5,), value)])
    with pytest.raises(FormatError, match="the model gives no probabilities"):
        sample(log_probs, config, np.random.default_rng())


# ---- generating --------------------------------------------------------------------------------------------------------------------


def chain(transitions, seen=None):
    """A model whose next token depends on the last one; its state counts the tokens that it was given."""
    log_probs = rows(*transitions)

    def step(tokens, state):
        if seen is not None:
            seen.append((tokens.tolist(), state[0][:, 0].tolist()))
        return Step(log_probs[tokens], (state[0] + 1,))

    return step


CYCLE = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
MIXED = [[0.2, 0.5, 0.3], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]]


def run(step, first, config, **options):
    first = torch.tensor(first)
    return [ids.tolist() for ids in generate(step, first, (torch.zeros(len(first), 1),), config, **options)]


def test_each_token_is_fed_back_with_the_state_that_came_with_it():
    seen = []
    assert run(chain(CYCLE, seen), [0, 2], SamplingConfig(), length=4) == [[1, 0], [2, 1], [0, 2], [1, 0]]
    assert seen == [([0, 2], [0, 0]), ([1, 0], [1, 1]), ([2, 1], [2, 2]), ([0, 2], [3, 3])]


def test_generated_tokens_follow_the_model():
    ids = [0] + [token for (token,) in run(chain(MIXED), [0], SamplingConfig(), length=6000)]
    counts = np.zeros((3, 3))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    for found, expected in zip(counts, MIXED, strict=True):
        assert chisquare(found, found.sum() * np.array(expected)).pvalue > 1e-3


def test_tokens_come_one_at_a_time_and_the_model_is_asked_for_no_more():
    seen = []
    stream = generate(chain(CYCLE, seen), torch.tensor([0]), (torch.zeros(1, 1),), SamplingConfig(), length=10)
    assert seen == []
    assert [next(stream).tolist(), next(stream).tolist()] == [[1], [2]]
    assert len(seen) == 2


def test_the_same_seed_writes_the_same_and_another_seed_another():
    once, again, other = (run(chain(MIXED), [0, 1], SamplingConfig(seed=seed), length=40) for seed in (7, 7, 8))
    assert once == again != other


def test_the_state_of_torch_s_own_generator_has_no_say():
    torch.manual_seed(1)
    once = run(chain(MIXED), [0], SamplingConfig(), length=40)
    torch.manual_seed(2)
    assert run(chain(MIXED), [0], SamplingConfig(), length=40) == once


def test_a_row_stops_with_the_token_that_stops_it():
    assert run(chain(CYCLE), [0], SamplingConfig(), length=10, stop=lambda token: token == 0) == [[1], [2], [0]]


def test_rows_stop_when_the_last_of_them_does():
    seen = []
    found = run(chain(CYCLE, seen), [0, 2, 1], SamplingConfig(), length=10, stop=lambda token: token == 0)
    assert found == [[1, 0, 2], [2, 1, 0], [0, 2, 1]]
    assert len(seen) == 3


def test_without_a_stop_the_length_is_the_end():
    assert len(run(chain(CYCLE), [0], SamplingConfig(), length=10, stop=lambda token: False)) == 10
    assert run(chain(CYCLE), [0], SamplingConfig(), length=0) == []


def test_no_gradient_is_kept_and_the_reader_s_own_mode_is_left_alone():
    weight = torch.zeros(1, 2, requires_grad=True)
    stream = generate(
        lambda tokens, state: Step(weight.log_softmax(1), (state[0] + weight,)),
        torch.tensor([0]),
        (torch.zeros(1, 2),),
        SamplingConfig(),
        length=2,
    )
    next(stream)
    assert torch.is_grad_enabled()
    assert not stream.gi_frame.f_locals["state"][0].requires_grad


# ---- the likeliest -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 5, 6, 100])
def test_the_likeliest_come_first_and_ties_by_id(k):
    chances = [0.1, 0.25, 0.1, 0.05, 0.25, 0.25]
    expected = sorted(range(6), key=lambda token: (-chances[token], token))[:k]
    found = most_likely(rows(chances)[0], k)
    assert [token for token, _ in found] == expected
    assert [chance for _, chance in found] == pytest.approx([chances[token] for token in expected])


def test_none_of_the_likeliest_is_refused():
    with pytest.raises(ConfigError, match="k is 0"):
        most_likely(torch.zeros(1), 0)


# ---- options -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("temperature", value) for value in (-0.1, math.nan, math.inf, None, True, "1")),
        *(("top_k", value) for value in (0, -3, 2.5, True)),
        *(("top_p", value) for value in (0.0, -0.5, 1.01, math.nan, "all")),
        *(("seed", value) for value in (-1, 2**64, 1.5, None, True)),
    ],
)
def test_an_option_out_of_range_is_refused(option, value):
    with pytest.raises(ConfigError, match=f"{option} is {value!r}: expected"):
        SamplingConfig(**{option: value})


def test_the_largest_seed_is_taken():
    assert len(run(chain(MIXED), [0], SamplingConfig(seed=2**64 - 1), length=3)) == 3
