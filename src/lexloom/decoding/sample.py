"""Draw the next tokens: temperature, top-k and top-p, and the loop that feeds each token back."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.step import State, StepFunction
from lexloom.errors import FormatError
from lexloom.options import check_whole


def filter_log_probs(log_probs: torch.Tensor, config: SamplingConfig) -> torch.Tensor:
    """Say how likely each token is to be drawn.

    Where tokens are exactly as likely as the last one to come in, the greedy choice and top-p take those with the lowest ids; which of
    them top-k takes is not said.

    Args:
        log_probs: float (N, V), what the model says.
        config: temperature, then top-k, then top-p; top-p counts the chances that temperature and top-k have left, renormalised.

    Returns:
        float64 (N, V), on the CPU: log-probabilities of the draw, -inf where a token is left out; each row's chances sum to 1. A row that
        has no chances to draw from is NaN.
    """
    chances, ids = _candidates(log_probs, config)
    if ids is not None:
        candidates, chances = chances, np.zeros(log_probs.shape)
        np.put_along_axis(chances, ids, candidates, 1)
    shares = torch.from_numpy(chances)
    return (shares / shares.sum(1, keepdim=True)).log()


def sample(log_probs: torch.Tensor, config: SamplingConfig, generator: np.random.Generator, suppress: Sequence[int] = ()) -> torch.Tensor:
    """Draw a token for each row, as likely as `filter_log_probs` says.

    One random number a row, looked up in the sums of the chances (inversion), in double precision. NumPy does it: of a small vocabulary
    each operation costs what its call costs, and torch's cost several times as much.

    Args:
        log_probs: float (N, V), what the model says; the chances of a row need not sum to 1.
        config: how to draw; its seed is not looked at here.
        generator: where the random numbers come from; left alone where there is nothing to draw.
        suppress: ids from 0 to V - 1 that are never drawn; the others share their chances.

    Returns:
        int64 (N,), on the device of `log_probs`.

    Raises:
        FormatError: a row has no chances to draw from (NaN, or all -inf), which a damaged or diverged model gives.
    """
    chances, ids = _candidates(log_probs, config, suppress)
    sums = chances.cumsum(1)
    totals = sums[:, -1].tolist()
    if not all(0 < total < math.inf for total in totals):
        raise FormatError("the model gives no probabilities for the next token (NaN or all zero): it is damaged, or its training diverged")
    if config.greedy:
        places = [0] * len(totals)
    else:
        # A draw is below 1, and its product with the total below the total, in floating point too: the token found has a chance above 0.
        draws = generator.random(len(totals)).tolist()
        places = [row.searchsorted(draw * total, "right") for row, draw, total in zip(sums, draws, totals, strict=True)]
    drawn = places if ids is None else [row[place] for row, place in zip(ids, places, strict=True)]
    tokens = torch.from_numpy(np.array(drawn, np.int64))
    return tokens if log_probs.is_cpu else tokens.to(log_probs.device)


def generate(
    step: StepFunction,
    first: torch.Tensor,
    state: State,
    config: SamplingConfig,
    *,
    length: int,
    stop: Callable[[int], bool] | None = None,
    suppress: Sequence[int] = (),
) -> Iterator[torch.Tensor]:
    """Continue N rows token by token, and hand each out as soon as it is drawn.

    Args:
        step: the model; it is called without gradients.
        first: int64 (N,), the last token of each row's prompt, which the state has not seen yet.
        state: what the model remembers of the prompts without their last tokens.
        config: how to draw, and the seed.
        length: how many tokens to draw at most.
        stop: given an id, whether a row ends with it; the id itself is handed out. When all rows have ended, nothing more is drawn; rows
            that ended before the others go on, and whoever reads them cuts them.
        suppress: ids that are never drawn, see `sample`.

    Yields:
        int64 (N,): the next token of each row.

    Raises:
        FormatError: the model gives no chances to draw from.
    """
    generator = np.random.default_rng(config.seed)  # the same draws whatever device the model is on
    ids, ended = first, [False] * len(first)
    for _ in range(length):
        with torch.no_grad():
            log_probs, state, _attention = step(ids, state)
            ids = sample(log_probs, config, generator, suppress)
        yield ids
        if stop is not None:
            ended = [before or stop(token) for before, token in zip(ended, ids.tolist(), strict=True)]
            if all(ended):
                return


def most_likely(log_probs: torch.Tensor, k: int) -> list[tuple[int, float]]:
    """Name the k likeliest tokens, likeliest first, the lower id first where two are as likely.

    Args:
        log_probs: float (V,).
        k: how many; all where there are fewer.

    Returns:
        ids with their probabilities.

    Raises:
        ConfigError: `k` is below 1.
    """
    check_whole("k", k, 1)
    values, ids = log_probs.double().sort(descending=True, stable=True)
    return list(zip(ids[:k].tolist(), values[:k].exp().tolist(), strict=True))


def _candidates(log_probs: torch.Tensor, config: SamplingConfig, suppress: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray | None]:
    """Choose the tokens that may be drawn from log-probabilities (N, V).

    Returns:
        Their chances, float64 (N, K), not renormalised, and their ids, int64 (N, K); None where all of them may be drawn, in their order.
    """
    if log_probs.dtype == torch.bfloat16:  # which NumPy does not know
        log_probs = log_probs.float()
    plain = log_probs.is_cpu and not log_probs.requires_grad
    likely = log_probs.numpy(force=not plain).astype(np.float64)
    for token in suppress:
        likely[:, token] = -math.inf
    if config.greedy:
        ids = likely.argmax(1, keepdims=True)
        return np.exp(np.take_along_axis(likely, ids, 1)), ids
    if config.temperature != 1:  # the likeliest is brought to 0 first: no temperature, however low, takes all chances away
        with np.errstate(all="ignore"):  # what is not a number, or too small for one, is dealt with by whoever calls
            likely = (likely - likely.max(1, keepdims=True)) / config.temperature
    chances = np.exp(likely)
    ids = None
    if config.top_k is not None and config.top_k < chances.shape[1]:
        ids = np.sort(chances.argpartition(-config.top_k, axis=1)[:, -config.top_k :], axis=1)
        chances = np.take_along_axis(chances, ids, 1)
    if config.nucleus is not None:
        order = np.argsort(-chances, axis=1, kind="stable")
        chances = np.take_along_axis(chances, order, 1)
        ids = order if ids is None else np.take_along_axis(ids, order, 1)
        sums = chances.cumsum(1)  # the nucleus ends with the first token that brings the share to p (Holtzman et al. 2020)
        chances[:, 1:][(sums >= config.nucleus * sums[:, -1:])[:, :-1]] = 0
    return chances, ids
