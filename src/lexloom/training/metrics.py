"""Metrics as sums with counts, divided once over batches and processes."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

Reduce = Callable[[Tensor], Tensor]
"""Sums a tensor over all processes."""


class Sums:
    """The sum and the count of each metric, kept on the device."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, sums: Mapping[str, tuple[Tensor, int]]) -> None:
        """Add the metrics of a batch."""
        for name, (value, count) in sums.items():
            before = self._sums.get(name)
            value = value if value.device.type == "mps" else value.double()  # MPS has no float64
            self._sums[name] = (value, count) if before is None else (before[0] + value, before[1] + count)

    @property
    def names(self) -> list[str]:
        """The metrics, in the order of their first batch."""
        return list(self._sums)

    def totals(self, names: Iterable[str], reduce: Reduce = lambda tensor: tensor) -> dict[str, tuple[float, int]]:
        """Return the sum and the count of each metric over all processes, in one collective.

        Args:
            names: the metrics, the same in every process; one without batches here counts as zero.
            reduce: sums a tensor over all processes.
        """
        names = list(names)
        if not names:
            return {}
        pairs = [self._sums.get(name, (torch.zeros((), dtype=torch.float64), 0)) for name in names]
        values = torch.stack([value.to(pairs[0][0]) for value, _ in pairs])
        counts = torch.tensor([float(count) for _, count in pairs], dtype=values.dtype, device=values.device)
        totals = reduce(torch.stack([values, counts])).tolist()
        return {name: (total, round(count)) for name, total, count in zip(names, *totals, strict=True)}

    def state_dict(self) -> dict[str, tuple[Tensor, int]]:
        """Return the sums and counts, for a checkpoint."""
        return dict(self._sums)

    def load_state_dict(self, state: Mapping[str, tuple[Tensor, int]]) -> None:
        """Restore what `state_dict` returned."""
        self._sums = dict(state)


def means_of(totals: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    """Divide sums by their counts; NaN where nothing was counted."""
    return {name: total / count if count else math.nan for name, (total, count) in totals.items()}


def perplexity(loss: float | None) -> float | None:
    """Return e to the loss in nats: infinity where a float cannot hold it, None for None."""
    if loss is None:
        return None
    return math.exp(loss) if loss < 700 else math.inf
