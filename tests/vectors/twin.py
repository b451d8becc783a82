"""The kernel in plain NumPy and float64, one step at a time: what it must compute, written to be read."""

from typing import NamedTuple

import numpy as np

MASK = (1 << 64) - 1


class Draws:
    """The random generator of the kernel, in Python integers."""

    def __init__(self, state: int) -> None:
        self.state = state

    def next(self) -> int:
        state = self.state
        state ^= (state << 13) & MASK
        state ^= state >> 7
        state ^= (state << 17) & MASK
        self.state = state
        return state

    def below(self, size: int) -> int:
        return ((self.next() >> 32) * size) >> 32

    def negative(self, noise: np.ndarray) -> int:
        column = self.below(len(noise))
        entry = int(noise[column])
        return column if (self.state & 0xFFFFFFFF) < entry >> 32 else entry & 0xFFFFFFFF


class Options(NamedTuple):
    window: int = 3
    negative: int = 5
    shrink: bool = True
    cbow: bool = False
    mean: bool = True


class Result(NamedTuple):
    loss: float
    terms: int
    words: int


def sigmoid(z: np.ndarray | float) -> np.ndarray | float:
    return 1 / (1 + np.exp(-z))


def subsample(document: np.ndarray, keep: np.ndarray, draws: Draws) -> list[int]:
    return [int(word) for word in document if (draws.next() >> 32) < int(keep[word])]


def contexts(line: list[int], i: int, radius: int) -> list[int]:
    return [j for j in range(max(0, i - radius), min(len(line), i + radius + 1)) if j != i]


def train(documents, keep, noise, trainable, input, output, options, rate, slope, state) -> Result:
    """All contexts of a centre share its negatives. The input row of a position is private while a window can reach it."""
    draws, loss, terms, words, seen = Draws(state), 0.0, 0, 0, 0
    for document in filter(len, documents):  # nothing is drawn for an empty one
        line = subsample(document, keep, draws)
        words += len(line)
        following = [draws.negative(noise) for _ in range(options.negative)]
        private: dict[int, np.ndarray] = {}
        before: dict[int, np.ndarray] = {}

        def leave(j, line=line, private=private, before=before):
            if trainable[line[j]]:
                input[line[j]] += private[j] - before[j]
            del private[j]

        for i, centre in enumerate(line):
            negatives, following = following, [draws.negative(noise) for _ in range(options.negative)]
            draws.next()
            radius = 1 + (((draws.state >> 32) * options.window) >> 32) if options.shrink else options.window
            for j in range(max(0, len(before)), min(len(line), i + options.window + 1)):
                private[j], before[j] = input[line[j]].copy(), input[line[j]].copy()
            if i - options.window - 1 >= 0:
                leave(i - options.window - 1)
            around = contexts(line, i, radius)
            if not around:
                continue
            outputs = [centre] + [word for word in negatives if word != centre]
            labels = np.array([1.0] + [0.0] * (len(outputs) - 1))
            rows = np.array([private[j] for j in around])
            if options.cbow:
                rows = rows.sum(axis=0, keepdims=True) / (len(around) if options.mean else 1)
            heads = output[outputs]
            scores = rows @ heads.T
            right = np.where(labels == 1, scores, -scores)
            loss += np.log1p(np.exp(-right)).sum()
            terms += right.size
            g = (rate + slope * (seen + i)) * (labels - sigmoid(scores))
            step = g @ heads
            np.add.at(output, outputs, g.T @ rows)
            for c, j in enumerate(around):
                private[j] += step[0] / (1 if options.mean else len(around)) if options.cbow else step[c]
        for j in sorted(private):
            leave(j)
        seen += len(document)
    return Result(loss, terms, words)
