"""Convolutions over time, and the maximum of each filter (Kim 2014)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class ConvolutionBank(nn.Module):
    """Filters of several widths over the words of documents; of each filter the largest response counts.

    A document is seen between as many zeros as let every filter begin with its last weight on the first word and end with its first weight
    on the last word (a wide convolution), so that documents shorter than a filter need no care.

    Args:
        input_size: E.
        widths: words that a filter spans, for each kind of filter.
        filters: of each width.

    Attributes:
        output_size: F, filters times widths.
    """

    def __init__(self, input_size: int, widths: Sequence[int], filters: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(input_size, filters, width, padding=width - 1) for width in widths)
        self.widths, self.filters = tuple(widths), filters
        self.output_size = filters * len(widths)

    def taps(self) -> tuple[Tensor, Tensor]:
        """Give the weights place by place, (E, sum of widths * filters), the first width first, and the biases (widths, filters)."""
        convolutions = [cast(nn.Conv1d, convolution) for convolution in self.convolutions]
        parts = [convolution.weight.permute(1, 2, 0).flatten(1) for convolution in convolutions]  # (E, width * filters)
        return torch.cat(parts, 1), torch.stack([cast(Tensor, convolution.bias) for convolution in convolutions])

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Give the largest responses.

        Args:
            rows: (B, T, E).
            keep: bool (B, T), True for real words, which come first in a row.

        Returns:
            (B, F), at least 0: zeros for a document without words.
        """
        rows = rows.masked_fill(~keep.unsqueeze(-1), 0).transpose(1, 2)  # (B, E, T)
        lengths = keep.sum(1, keepdim=True)
        return torch.cat([_largest(convolution(rows).relu(), lengths, rows.shape[2]) for convolution in self.convolutions], 1)


def _largest(responses: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """The largest of responses (B, filters, T + width - 1), none below 0, to documents of lengths (B, 1), in T steps."""
    places = torch.arange(responses.shape[2], device=responses.device)
    touched = (places < lengths + (responses.shape[2] - steps)) & (lengths > 0)
    return (responses * touched.unsqueeze(1)).amax(2)  # as none is below 0, 0 is as good as none
