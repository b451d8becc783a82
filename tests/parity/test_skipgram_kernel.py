"""The compiled kernel, its NumPy twin and the PyTorch skip-gram: same start, same words, same loss, same rows after one step.

The kernel's input row h is the model's centre, the word that is predicted from h and its negatives are the model's contexts. The model
divides the loss of a row by its terms, so the kernel's learning rate is the model's divided by them.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.vectors import twin

from lexloom.compiled.memory import padded
from lexloom.models.skipgram.network import SkipGram, masked_binary_cross_entropy
from lexloom.vectors.kernels import Job, Matrices, Options, Plan, Tables, Text, compile_kernel, scratch
from lexloom.vectors.sampling import keep_thresholds, noise_table, stream_seed

E, NEGATIVE, RATE = 20, 5, 0.05
TERMS = NEGATIVE + 1
OPTIONS = twin.Options(window=2, negative=NEGATIVE)


class Example:
    """Documents, two random matrices, and what the kernel draws for them."""

    def __init__(self, documents: list[list[int]], V: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.documents = [np.array(document, np.uint32) for document in documents]
        self.ids = np.concatenate(self.documents)
        self.starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])])
        counts = np.bincount(self.ids, minlength=V) + 1
        self.keep, self.noise = keep_thresholds(counts, 0), noise_table(counts, 0.75)
        self.input, self.output = (random.normal(size=(2, V, E)) * 0.3).astype(np.float32)
        self.trainable, self.state = np.ones(V, np.uint8), stream_seed(seed, 0, 0)
        self.counts = counts

    def drawn(self) -> SimpleNamespace:
        """A batch with a row for each pair: the word that h belongs to, then the word to predict and its negatives."""
        draws, inputs, outputs = twin.Draws(self.state), [], []
        for document in self.documents:
            if not len(document):
                continue
            line = twin.subsample(document, self.keep, draws)
            coming = [draws.negative(self.noise) for _ in range(NEGATIVE)]
            for i, centre in enumerate(line):
                negatives, coming = coming, [draws.negative(self.noise) for _ in range(NEGATIVE)]
                for j in twin.contexts(line, i, 1 + draws.below(OPTIONS.window)):
                    inputs.append([line[j]])
                    outputs.append([centre, *negatives])
        contexts = torch.tensor(outputs)
        labels = torch.zeros(contexts.shape)
        labels[:, 0] = 1
        keep = (contexts != contexts[:, :1]) | labels.bool()  # a negative that is the word itself is no term
        return SimpleNamespace(centres=torch.tensor(inputs), contexts=contexts, labels=labels, keep=keep)

    def model(self, dtype: torch.dtype) -> SkipGram:
        model = SkipGram(len(self.counts), E).to(dtype)
        with torch.no_grad():
            model.centres.weight.copy_(torch.from_numpy(self.input))
            model.contexts.weight.copy_(torch.from_numpy(self.output))
        return model

    def kernel(self, rate: float) -> tuple[float, np.ndarray, np.ndarray]:
        matrices = np.zeros((2, len(self.counts), padded(E)), np.float32)
        matrices[:, :, :E] = self.input, self.output
        plan, options = Plan(padded(E), NEGATIVE, False), Options(OPTIONS.window, OPTIONS.shrink, True)
        tables, flat = Tables(self.keep, self.noise, self.trainable), Matrices(*(matrix.reshape(-1) for matrix in matrices))
        job = Job(0, 0, len(self.ids), rate, 0.0, np.uint64(self.state))
        text = Text(self.ids, self.starts)
        loss, _, _ = compile_kernel(plan)(scratch(plan, OPTIONS.window), text, tables, flat, options, job)
        return loss, *matrices[:, :, :E]

    def twin(self, rate: float) -> tuple[float, np.ndarray, np.ndarray]:
        matrices = self.input.astype(np.float64), self.output.astype(np.float64)
        tables = self.keep, self.noise, self.trainable
        return twin.train(self.documents, *tables, *matrices, OPTIONS, rate, 0.0, self.state).loss, *matrices


def apart() -> Example:
    """Documents of two words, so that no row is met twice and one step of all pairs together is what the kernel does one by one."""
    example = Example([[8 * number, 8 * number + 3] for number in range(6)], V=20_000, seed=5)
    batch = example.drawn()
    assert batch.contexts.unique().numel() == batch.contexts.numel() == 12 * TERMS
    return example


def step(model: SkipGram, batch: SimpleNamespace) -> float:
    """One update by plain SGD; returns the loss before it, summed over terms as the kernels do."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE * TERMS)
    outcome = model.measure(batch)
    outcome.loss.backward()
    optimizer.step()
    return outcome.loss.item() * TERMS


@pytest.mark.parametrize(("fast", "dtype", "tolerance"), [("kernel", torch.float32, 2e-6), ("twin", torch.float64, 1e-12)])
def test_one_step_has_the_same_loss_and_leaves_the_same_rows(fast, dtype, tolerance):
    example = apart()
    model = example.model(dtype)
    loss, input, output = getattr(example, fast)(RATE)
    assert step(model, example.drawn()) == pytest.approx(loss, rel=max(1e-6, tolerance))
    np.testing.assert_allclose(model.centres.weight.detach(), input, rtol=0, atol=tolerance)
    np.testing.assert_allclose(model.contexts.weight.detach(), output, rtol=0, atol=tolerance)
    assert (input != example.input).any(axis=1).sum() == 12
    assert (output != example.output).any(axis=1).sum() == 12 * TERMS


def test_the_kernel_measures_the_models_loss_on_any_text():
    example = Example([[1, 2, 1, 0, 3, 2, 2], [4], [], [0, 1]], V=6, seed=7)
    batch, model = example.drawn(), example.model(torch.float64)
    assert not batch.keep.all()  # some negatives are the word itself
    losses = masked_binary_cross_entropy(model(batch.centres, batch.contexts), batch.labels, batch.keep)
    total = (losses * batch.keep.sum(1)).sum().item()
    assert example.kernel(0.0)[0] == pytest.approx(total, rel=1e-6)
    assert example.twin(0.0)[0] == pytest.approx(total, rel=1e-12)


def test_small_steps_go_down_the_models_gradient_on_any_text():
    """Where words meet again and again the kernel sees rows that it has just moved; as the rate vanishes, so does the difference."""
    example = Example([[1, 2, 1, 0, 3, 2, 2], [4], [], [0, 1]], V=6, seed=7)
    batch, model = example.drawn(), example.model(torch.float64)
    losses = masked_binary_cross_entropy(model(batch.centres, batch.contexts), batch.labels, batch.keep)
    (losses * batch.keep.sum(1)).sum().backward()
    rate = 1e-8
    _, input, output = example.twin(rate)
    for after, before, part in ((input, example.input, model.centres), (output, example.output, model.contexts)):
        np.testing.assert_allclose((after - before) / -rate, part.weight.grad, rtol=1e-5, atol=1e-6)
