"""Encoders of classifiers: word vectors (B, T, E) to document vectors (B, F)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from lexloom.models.classifier.options import ClassifierConfig
from lexloom.nn.convolution import ConvolutionBank
from lexloom.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool
from lexloom.nn.recurrent import Recurrent
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.text.documents import Documents


def make_encoder(config: ClassifierConfig, input_size: int, recurrent: RecurrentConfig) -> Any:
    """Make the encoder that the options name, a module with the attribute `output_size`, F.

    Args:
        config: encoder and pooling.
        input_size: E.
        recurrent: layers of the rnn encoder.
    """
    if config.encoder == "cnn":
        return ConvolutionBank(input_size, config.widths, config.filters)
    if config.encoder == "rnn":
        return RecurrentEncoder(input_size, config.chosen_pooling, recurrent, bidirectional=config.bidirectional)
    return AverageEncoder(input_size, config.chosen_pooling)


class AverageEncoder(nn.Module):
    """A pool over the word vectors: their mean, a mean with learnt weights, or the maximum of each feature."""

    def __init__(self, input_size: int, pooling: str) -> None:
        super().__init__()
        self.output_size = input_size
        self.pool = AttentionPool(input_size) if pooling == "weighted" else {"mean": mean_pool, "max": max_pool}[pooling]

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Encode (B, T, E) as (B, E)."""
        pooled: Tensor = self.pool(rows, keep)
        return pooled

    def tabulate(self, rows: Tensor, output: nn.Linear) -> Callable[[Documents], Tensor]:
        """Return a function from documents to logits (n, C) that looks up C numbers per word instead of a vector.

        A mean and the output layer are both linear, so the output layer is applied once to each row of the vocabulary.

        Args:
            rows: (V, E), of the vocabulary.
            output: (E) to (C).
        """
        weight, bias = output.weight.detach(), output.bias.detach()
        shares = torch.ones(len(rows), 1, device=rows.device)  # the unnormalised weight of each word in a document
        if isinstance(self.pool, AttentionPool):
            scores = self.pool.score(rows)
            shares = (scores - scores.max()).clamp(min=-60).exp()
        table: Tensor = rows if self.pool is max_pool else torch.cat([shares * (rows @ weight.T), shares], 1)  # (V, E) or (V, C + 1)
        table, weight, bias = table.cpu(), weight.cpu(), bias.cpu()  # the layers themselves stay on their device

        def logits_of(documents: Documents) -> Tensor:
            ids, starts = torch.from_numpy(documents.ids.astype(np.int64)), torch.from_numpy(documents.starts[:-1])
            if self.pool is max_pool:
                return embedding_bag(ids, table, starts, mode="max") @ weight.T + bias
            sums = embedding_bag(ids, table, starts, mode="sum")
            return sums[:, :-1] / sums[:, -1:].clamp(min=1e-30) + bias

        return logits_of


class RecurrentEncoder(nn.Module):
    """Recurrent layers, and a pool over their outputs."""

    def __init__(self, input_size: int, pooling: str, config: RecurrentConfig, *, bidirectional: bool) -> None:
        super().__init__()
        self.recurrent = Recurrent(input_size, config, bidirectional=bidirectional)
        self.output_size, self._last = self.recurrent.output_size, pooling == "last"
        self.pool = (
            AttentionPool(self.output_size, self.output_size)
            if pooling == "attention"
            else {"mean": mean_pool, "max": max_pool, "last": last_pool}[pooling]
        )

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Encode (B, T, E) as (B, D) or (B, 2D)."""
        outputs = self.recurrent.read(rows, keep)
        pooled: Tensor = self.pool(outputs, keep)
        if self._last and self.recurrent.directions == 2:  # the backward direction ends at the first word
            half = self.output_size // 2
            return torch.cat([pooled[:, :half], outputs[:, 0, half:] * keep[:, :1]], 1)
        return pooled
