"""A plain PyTorch training loop of a language model, the peer of lexloom in the sections about language models.

It uses nothing of lexloom. It reads the same stream of tokens, with `<eos>` after each line, and cuts it into the same windows.
"""

import lzma
import math
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.loop import LAST, Loop

_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
_VALID_ROWS = 10


class Net(nn.Module):
    """Embedding or one-hot input, recurrent layers and a linear layer."""

    def __init__(self, loop: Loop, size: int) -> None:
        super().__init__()
        self.embedding = None if loop.embedding == "one-hot" else nn.Embedding(size, loop.hidden_size)
        width = size if self.embedding is None else loop.hidden_size
        self.cell = _CELLS[loop.cell](width, loop.hidden_size, loop.num_layers, batch_first=True)
        self.output = nn.Linear(loop.hidden_size, size)

    def forward(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the logits (B, T, V) of the next tokens after inputs int64 (B, T), and the new state."""
        rows = functional.one_hot(inputs, self.output.out_features).float() if self.embedding is None else self.embedding(inputs)
        out, state = self.cell(rows, state)
        return self.output(out), state


class Epoch(NamedTuple):
    """One pass over the text, or its start if the time ran out."""

    tokens: int
    seconds: float
    loss: float


def train(text: str, loop: Loop, threads: int, valid: str | None = None) -> dict[str, Any]:
    """Train a model; only the training is timed.

    Args:
        text: a file, plain or xz.
        loop: the model and its training; `max_minutes` counts training time.
        threads: of torch.
        valid: a text to compute the perplexity on after the training.
    """
    torch.set_flush_denormal(True)  # as in lexloom; otherwise denormal numbers slow down the loop
    torch.set_num_threads(threads)
    torch.manual_seed(loop.seed)
    training = Training(text, loop)
    left = math.inf if loop.max_minutes is None else 60 * loop.max_minutes
    epochs: list[Epoch] = []
    while len(epochs) < loop.epochs and left > 0:
        epochs.append(training.epoch(left))
        left -= epochs[-1].seconds
    later = epochs[1:] or epochs
    loss = None if valid is None else training.evaluate(valid)
    return {
        "epochs": len(epochs),
        "seconds": sum(epoch.seconds for epoch in epochs),
        "tokens_per_second": sum(epoch.tokens for epoch in later) / sum(epoch.seconds for epoch in later),
        "train_perplexity": _perplexity(fmean(epoch.loss for epoch in epochs[-LAST:])),
        "valid_perplexity": None if loss is None else _perplexity(loss),
        "parameters": training.parameters(),
    }


class Training:
    """A network in training.

    Args:
        text: a file, plain or xz.
        loop: the model and its training.
    """

    def __init__(self, text: str, loop: Loop) -> None:
        self._loop, self._vocabulary = loop, {"<unk>": 0, "<eos>": 1}
        tokens = _read(text, loop.level)
        self._ids = torch.tensor([self._vocabulary.setdefault(token, len(self._vocabulary)) for token in tokens])
        self._net = Net(loop, len(self._vocabulary))
        self._optimizer = torch.optim.SGD(self._net.parameters(), lr=loop.learning_rate)

    def parameters(self) -> int:
        """Count the trained parameters."""
        return sum(parameter.numel() for parameter in self._net.parameters())

    def epoch(self, limit: float = math.inf) -> Epoch:
        """Train for one pass over the text, for at most `limit` seconds."""
        loop, net, optimizer = self._loop, self._net, self._optimizer
        start = time.perf_counter()
        total, tokens, state = 0.0, 0, None
        for inputs, targets in _windows(self._ids, loop):
            state = None if loop.windows == "random" else _detached(state)
            logits, state = net(inputs, state)
            loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), loop.clip)
            optimizer.step()
            total, tokens = total + loss.item() * targets.numel(), tokens + targets.numel()
            if time.perf_counter() - start >= limit:
                break
        return Epoch(tokens, time.perf_counter() - start, total / tokens)

    def evaluate(self, valid: str) -> float:
        """Return the mean loss per token on another text, in nats."""
        ids = torch.tensor([self._vocabulary.get(token, 0) for token in _read(valid, self._loop.level)])
        return _evaluate(self._net, ids, self._loop)


def _windows(ids: Tensor, loop: Loop) -> Iterator[tuple[Tensor, Tensor]]:
    size, bptt = loop.batch_size, loop.bptt
    if loop.windows == "random":
        offset = int(torch.randint(bptt, ()))
        count = (len(ids) - 1 - offset) // bptt
        inputs, targets = (ids[begin : begin + count * bptt].view(count, bptt) for begin in (offset, offset + 1))
        order = torch.randperm(count)
        for begin in range(0, count - size + 1, size):
            rows = order[begin : begin + size]
            yield inputs[rows], targets[rows]
        return
    offsets = bptt if loop.random_offset else 1
    offset, length = int(torch.randint(offsets, ())), (len(ids) - offsets) // size
    inputs, targets = (ids[begin : begin + size * length].view(size, length) for begin in (offset, offset + 1))
    for begin in range(0, length, bptt):
        yield inputs[:, begin : begin + bptt], targets[:, begin : begin + bptt]


def _detached(state: Any) -> Any:
    if state is None:
        return None
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


@torch.no_grad()
def _evaluate(net: Net, ids: Tensor, loop: Loop) -> float:
    """Return the mean loss per token in nats, with the text cut into a few rows."""
    net.eval()
    length = (len(ids) - 1) // _VALID_ROWS
    inputs, targets = (ids[begin : begin + _VALID_ROWS * length].view(_VALID_ROWS, length) for begin in (0, 1))
    total, state = 0.0, None
    for begin in range(0, length, loop.bptt):
        logits, state = net(inputs[:, begin : begin + loop.bptt], state)
        total += float(functional.cross_entropy(logits.flatten(0, 1), targets[:, begin : begin + loop.bptt].flatten(), reduction="sum"))
    return total / targets.numel()


def _read(path: str, level: str) -> list[str]:
    """Read a file as one list of tokens."""
    with lzma.open(path, "rt", encoding="utf-8") if path.endswith(".xz") else Path(path).open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    return [token for line in lines for token in (*(line if level == "character" else line.split()), "<eos>")]


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))
