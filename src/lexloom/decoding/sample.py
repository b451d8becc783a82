"""Sampling: temperature, top-k and top-p, and the loop that feeds each token back."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.step import State, StepFunction
from lexloom.errors import FormatError
from lexloom.options import check_whole


def sample(log_probs: torch.Tensor, config: SamplingConfig, generator: np.random.Generator, suppress: Sequence[int] = ()) -> torch.Tensor:
    """Draw a token for each row.

    The temperature is applied first, then top-k, then top-p, which counts the renormalised probabilities that the others have left. Of
    tokens as likely as the last one included, greedy decoding and top-p take those with the lowest ids; top-k takes any. One random number
    per row is looked up in the cumulative sums of the probabilities (inversion), in double precision. It is done in NumPy: with a small
    vocabulary, the cost of an operation is the cost of its call, and torch's calls cost several times as much.

    Args:
        log_probs: float (N, V), from the model; the probabilities of a row need not sum to 1.
        config: how to draw; its seed is not used here.
        generator: the source of random numbers; unused if decoding is greedy.
        suppress: ids from 0 to V - 1 that are never drawn; the others share their probability.

    Returns:
        int64 (N,), on the device of `log_probs`.

    Raises:
        FormatError: a row has no probabilities to draw from (NaN, or all -inf), as from a damaged or diverged model.
    """
    probabilities, ids = _candidates(log_probs, config, suppress)
    sums = probabilities.cumsum(1)
    totals = sums[:, -1].tolist()
    if not all(0 < total < math.inf for total in totals):
        raise FormatError("the model gives no probabilities for the next token (NaN or all zero): it is damaged, or its training diverged")
    if config.greedy:
        places = [0] * len(totals)
    else:
        # A draw is below 1, so draw * total < total also in floating point, and the token found has a probability above 0.
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
    """Continue N rows token by token; yield each token as soon as it is drawn.

    Args:
        step: the model, called without gradients.
        first: int64 (N,), the last token of each row's prompt, which is not yet in the state.
        state: the state after the prompts without their last tokens.
        config: how to draw, and the seed.
        length: draw at most that many tokens.
        stop: whether an id ends a row; the id itself is yielded. Drawing stops when all rows have ended; rows that ended earlier go on
            until then, and the caller truncates them.
        suppress: ids that are never drawn, see `sample`.

    Yields:
        int64 (N,): the next token of each row.

    Raises:
        FormatError: the model gives no probabilities to draw from.
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
    """Return the k most likely tokens in descending order; of two as likely as each other, the lower id comes first.

    Args:
        log_probs: float (V,).
        k: how many; all if there are fewer.

    Returns:
        Ids with their probabilities.

    Raises:
        ConfigError: `k` is below 1.
    """
    check_whole("k", k, 1)
    values, ids = log_probs.double().sort(descending=True, stable=True)
    return list(zip(ids[:k].tolist(), values[:k].exp().tolist(), strict=True))


def _candidates(log_probs: torch.Tensor, config: SamplingConfig, suppress: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray | None]:
    """Choose the tokens that may be drawn from log-probabilities (N, V).

    Returns:
        Their probabilities, float64 (N, K), not renormalised, and their ids, int64 (N, K), or None if all tokens may be drawn, in order.
    """
    if log_probs.dtype == torch.bfloat16:  # NumPy has no bfloat16
        log_probs = log_probs.float()
    plain = log_probs.is_cpu and not log_probs.requires_grad
    logs = log_probs.numpy(force=not plain).astype(np.float64)
    for token in suppress:
        logs[:, token] = -math.inf
    if config.greedy:
        ids = logs.argmax(1, keepdims=True)
        return np.exp(np.take_along_axis(logs, ids, 1)), ids
    if config.temperature != 1:  # the largest is moved to 0 first, so that even a very low temperature leaves a probability above 0
        with np.errstate(all="ignore"):  # the caller handles NaN and underflow
            logs = (logs - logs.max(1, keepdims=True)) / config.temperature
    probabilities = np.exp(logs)
    ids = None
    if config.top_k is not None and config.top_k < probabilities.shape[1]:
        ids = np.sort(probabilities.argpartition(-config.top_k, axis=1)[:, -config.top_k :], axis=1)
        probabilities = np.take_along_axis(probabilities, ids, 1)
    if config.nucleus is not None:
        order = np.argsort(-probabilities, axis=1, kind="stable")
        probabilities = np.take_along_axis(probabilities, order, 1)
        ids = order if ids is None else np.take_along_axis(ids, order, 1)
        sums = probabilities.cumsum(1)  # the nucleus ends with the first token that brings the share to p (Holtzman et al. 2020)
        probabilities[:, 1:][(sums >= config.nucleus * sums[:, -1:])[:, :-1]] = 0
    return probabilities, ids
