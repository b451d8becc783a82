"""Convolutions over time, and the maximum of each filter (Kim 2014)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvolutionBank(nn.Module):
    """Filters of several widths over the words of a document; each filter contributes its largest response.

    Documents are padded with width - 1 zeros on both sides (wide convolution), so every filter position that touches a word counts and
    short documents need no special case.

    Args:
        input_size: E.
        widths: the number of words that a filter spans, one entry per kind of filter.
        filters: the number of filters of each width.

    Attributes:
        output_size: F, filters times widths.
    """

    def __init__(self, input_size: int, widths: Sequence[int], filters: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(input_size, filters, width, padding=width - 1) for width in widths)
        self.output_size = filters * len(widths)

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Return the largest response of each filter.

        Args:
            rows: (B, T, E).
            keep: bool (B, T), True for real words, which come first in a row.

        Returns:
            (B, F), at least 0: zeros for a document without words.
        """
        rows = rows.masked_fill(~keep.unsqueeze(-1), 0).transpose(1, 2)  # (B, E, T)
        lengths = keep.sum(1, keepdim=True)
        return torch.cat([_largest(convolution(rows), lengths, rows.shape[2]) for convolution in self.convolutions], 1)


def _largest(responses: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Return relu(the largest response) to documents of lengths (B, 1), (B, filters), of responses (B, filters, T + width - 1)."""
    positions = torch.arange(responses.shape[2], device=responses.device)
    outside = (positions >= lengths + (responses.shape[2] - steps)) | (lengths == 0)
    return responses.masked_fill(outside.unsqueeze(1), 0).amax(2).relu()  # relu after the maximum: the same, over fewer numbers
