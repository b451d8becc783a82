"""Sums that are divided once: what models report of a batch, gathered over batches and processes."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class Sums:
    """For each metric a sum and the number of things summed, kept where the tensors are."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, sums: Mapping[str, tuple[Tensor, int]]) -> None:
        """Add those of a batch."""
        for name, (value, count) in sums.items():
            before = self._sums.get(name)
            value = value if value.device.type == "mps" else value.double()  # which has no float64
            self._sums[name] = (value, count) if before is None else (before[0] + value, before[1] + count)

    def means(self, gather: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """Divide; NaN where nothing was counted.

        Args:
            gather: adds a tensor up over all processes.
        """
        found = {}
        for name, (value, count) in self._sums.items():
            total, number = gather(torch.stack([value, torch.tensor(float(count), dtype=value.dtype, device=value.device)])).tolist()
            found[name] = total / number if number else math.nan
        return found

    def count(self, name: str, gather: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> int:
        """Say how many things were summed.

        Args:
            name: of the metric.
            gather: adds a tensor up over all processes; in this one alone unless given.
        """
        if name not in self._sums:
            return 0
        value, count = self._sums[name]
        return round(gather(value.new_tensor(float(count))).item())


def perplexity(loss: float | None) -> float | None:
    """Give e to the loss in nats; infinity where that is beyond a float, None for None."""
    if loss is None:
        return None
    return math.exp(loss) if loss < 700 else math.inf
