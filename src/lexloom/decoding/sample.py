"""Draw the next tokens: temperature, top-k and top-p, and the loop that feeds each token back."""

import math
from collections.abc import Callable, Iterator

import torch

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.step import State, StepFunction
from lexloom.errors import FormatError
from lexloom.options import check_whole


def filter_log_probs(log_probs: torch.Tensor, config: SamplingConfig) -> torch.Tensor:
    """Say how likely each token is to be drawn.

    Where tokens are exactly as likely as the last one to come in, the greedy choice and top-p take those with the lowest ids; under top-k
    it is torch.topk that chooses among them.

    Args:
        log_probs: float (N, V), what the model says.
        config: temperature, then top-k, then top-p; top-p counts the chances that temperature and top-k have left, renormalised.

    Returns:
        float64 (N, V): log-probabilities of the draw, -inf where a token is left out; each row's chances sum to 1.
    """
    filtered = torch.full_like(log_probs, -math.inf, dtype=torch.float64)
    if config.greedy:
        return filtered.scatter_(1, log_probs.argmax(1, keepdim=True), 0.0)
    likeliest, ids = _candidates(log_probs.double(), config)
    if ids is None:
        return likeliest.log_softmax(1)
    if config.nucleus is not None:
        last = _nucleus_end(likeliest.exp().cumsum(1), config.nucleus)
        likeliest = likeliest.masked_fill(torch.arange(likeliest.shape[1], device=last.device) > last, -math.inf)
    return filtered.scatter_(1, ids, likeliest).log_softmax(1)


def sample(log_probs: torch.Tensor, config: SamplingConfig, generator: torch.Generator) -> torch.Tensor:
    """Draw a token for each row, as likely as `filter_log_probs` says.

    One random number a row, looked up in the sums of the chances (inversion), in double precision on the generator's device.

    Args:
        log_probs: float (N, V), what the model says; the chances of a row need not sum to 1.
        config: how to draw; its seed is not looked at here.
        generator: where the random numbers come from; left alone where there is nothing to draw.

    Returns:
        int64 (N,), on the device of `log_probs`.

    Raises:
        FormatError: a row has no chances to draw from (NaN, or all -inf), which a damaged or diverged model gives.
    """
    if config.greedy:
        chances, ids = log_probs.max(1)
        _require_chances(chances.double().exp())
        return ids
    likeliest, candidates = _candidates(log_probs.to(generator.device, torch.float64), config)
    sums = likeliest.exp().cumsum(1)
    totals = sums[:, -1:] if config.nucleus is None else sums.gather(1, _nucleus_end(sums, config.nucleus))
    _require_chances(totals)
    # A draw is below 1, and its product with the total below the total, in floating point too: the token found has a chance above 0.
    draws = torch.rand(totals.shape, generator=generator, dtype=torch.float64, device=generator.device).mul_(totals)
    places = torch.searchsorted(sums, draws, right=True)
    return (places if candidates is None else candidates.gather(1, places))[:, 0].to(log_probs.device)


def generate(
    step: StepFunction,
    first: torch.Tensor,
    state: State,
    config: SamplingConfig,
    *,
    length: int,
    stop: Callable[[int], bool] | None = None,
) -> Iterator[torch.Tensor]:
    """Continue N rows token by token, and hand each out as soon as it is drawn.

    Args:
        step: the model.
        first: int64 (N,), the last token of each row's prompt, which the state has not seen yet.
        state: what the model remembers of the prompts without their last tokens.
        config: how to draw, and the seed.
        length: how many tokens to draw at most.
        stop: given an id, whether a row ends with it; the id itself is handed out. When all rows have ended, nothing more is drawn; rows
            that ended before the others go on, and whoever reads them cuts them.

    Yields:
        int64 (N,): the next token of each row.

    Raises:
        FormatError: the model gives no chances to draw from.
    """
    generator = torch.Generator().manual_seed(config.seed)  # on the CPU: the same draws whatever device the model is on
    ids, ended = first, [False] * len(first)
    for _ in range(length):
        with torch.no_grad():
            log_probs, state, _attention = step(ids, state)
            ids = sample(log_probs, config, generator)
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


def _candidates(log_probs: torch.Tensor, config: SamplingConfig) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Apply the temperature to float64 (N, V), which is not written to, and choose the k likeliest.

    Returns:
        log-probabilities (N, K), not renormalised, and their ids (N, K), likeliest first; all in the order of their ids, and None, where
        neither top-k nor top-p asks for an order.
    """
    if config.temperature != 1:  # the likeliest is brought to 0 first: no temperature, however low, takes all chances away
        log_probs = (log_probs - log_probs.amax(1, keepdim=True)).div_(config.temperature)
    if config.top_k is not None and config.top_k < log_probs.shape[1]:
        values, ids = log_probs.topk(config.top_k, dim=1)
        return values, ids
    if config.nucleus is not None:
        values, ids = log_probs.sort(dim=1, descending=True, stable=True)
        return values, ids
    return log_probs, None


def _nucleus_end(sums: torch.Tensor, p: float) -> torch.Tensor:
    """Find the last token of the smallest set of likeliest ones whose share reaches p (Holtzman et al. 2020).

    Args:
        sums: (N, K), the sums of the chances, likeliest first, not renormalised.
        p: the share, above 0 and below 1.

    Returns:
        int64 (N, 1): its place.
    """
    return (sums < p * sums[:, -1:]).sum(1, keepdim=True)


def _require_chances(totals: torch.Tensor) -> None:
    if not all(0 < total < math.inf for total in totals.flatten().tolist()):
        raise FormatError("the model gives no probabilities for the next token (NaN or all zero): it is damaged, or its training diverged")
