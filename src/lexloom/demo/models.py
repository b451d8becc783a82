"""The second part of the tour: a small language model, started from random rows and from the vectors just trained."""

import contextlib
import importlib.util
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lexloom.demo.progress import progress_bar
from lexloom.text.corpus import Corpus, CorpusReport

if TYPE_CHECKING:
    from rich.console import Console

    from lexloom.models.language_model.network import LanguageModel
    from lexloom.text.blocks import Block
    from lexloom.vectors.table import Vectors

_CHARACTERS = 3_000_000  # of the text: one block, enough for a fast machine
_PROBE_SECONDS = 3.0  # of training, to measure the speed of this machine
_SECONDS = 17.0  # the intended training time of a model
_LONGEST = 20.0  # the longest training time, in case other programs slow it down
_MOST_EPOCHS = 5  # for a text so short that the time would allow more
_FEWEST_TOKENS = 2_000
_MIN_COUNT = 5
_HIDDEN_SIZE = 128
_LEARNING_RATE = 0.015
_DRAWS = 20  # sentences drawn, of which one is shown
_SENTENCE = (5, 30)  # words, minimum and maximum


@dataclass(frozen=True)
class Arm:
    """One of the two models that are compared.

    Attributes:
        start: the initial rows of its embedding, in words.
        folder: its folder.
        tokens: the number of tokens it was trained on; in two epochs each counts twice.
        seconds: the training time.
        perplexity: on the held-out tenth of the text.
    """

    start: str
    folder: Path
    tokens: int
    seconds: float
    perplexity: float


def missing_libraries() -> list[str]:
    """Return the libraries that models need and that are not installed."""
    return [name for name in ("torch", "lightning") if importlib.util.find_spec(name) is None]


class RememberingCorpus(Corpus):
    """A corpus that remembers its first lines when it is read, so that one that can be read only once serves the models too.

    Attributes:
        lines: the first lines of the latest reading.
    """

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus.name, corpus.files)
        self._corpus, self.lines = corpus, list[str]()

    def _read(self, report: CorpusReport) -> Generator["Block"]:
        self.lines.clear()
        characters = 0
        with contextlib.closing(self._corpus.blocks()) as blocks:
            for block in blocks:
                if characters < _CHARACTERS:
                    self.lines.extend(block.texts.to_list())
                    characters += block.characters
                yield block


def compare_starts(console: "Console", lines: Sequence[str], vectors: "Vectors", folder: Path, prompt: str) -> list[Arm]:
    """Train a word model twice, with the same steps and seed, and let the better one write a sentence.

    A short run first measures the speed, and the number of steps is chosen so that a model takes about `_SECONDS`. If torch is not
    installed or the text is too short, one line says so and nothing else happens.

    Args:
        console: where to print.
        lines: the text.
        vectors: the initial rows of one arm, scaled to the standard deviation of random rows.
        folder: the parent of the folders of the two models.
        prompt: the beginning of the sentence; may be empty.

    Returns:
        The arm with random rows and the arm with the vectors.
    """
    from lexloom.vectors.formats import save_vectors

    if missing := missing_libraries():
        console.print(
            f"\n[bold]Language model[/]: left out, since {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            "to get it: [cyan]pip install 'lexloom\\[models]'[/]",
            soft_wrap=True,
        )
        return []
    if vectors.counts.sum() < _FEWEST_TOKENS:
        console.print(f"\n[bold]Language model[/]: left out, since the text has fewer than {_FEWEST_TOKENS:,} words")
        return []
    lines, epochs = _share(console, lines, vectors.dim)
    console.print(
        f"\n[bold]Language model[/]: LSTM, {_HIDDEN_SIZE} units, predicts the next word; both arms take the same steps, "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} over {len(lines):,} lines",
        soft_wrap=True,
    )
    arms: list[Arm] = []
    models: list[LanguageModel] = []
    with tempfile.TemporaryDirectory(prefix="lexloom-") as temporary:
        saved = Path(temporary) / "vectors"
        save_vectors(vectors, saved)
        for start, rows, name in (("random rows", None, "model-random"), ("the vectors", saved, "model-vectors")):
            model, records = _train(console, f"training from {start}", lines, vectors.dim, epochs, _LONGEST, rows=rows, out=folder / name)
            arm = Arm(
                start,
                folder / name,
                sum(record["tokens"] for record in records),
                sum(record["seconds"] for record in records),
                min(record["valid_perplexity"] for record in records),
            )
            console.print(
                f"  started from {start}   validation perplexity [cyan]{arm.perplexity:.1f}[/]"
                f"   [dim]{arm.tokens:,} tokens in {arm.seconds:.0f} s[/]",
                soft_wrap=True,
            )
            arms.append(arm)
            models.append(model)
    best = min(zip(arms, models, strict=True), key=lambda pair: pair[0].perplexity)[1]
    _show_sentence(console, write_sentence(best, prompt))
    return arms


def write_sentence(model: "LanguageModel", prompt: str) -> str:
    """Draw sentences until one has a plausible length; return the first one if none has."""
    from lexloom.decoding.sampling_config import SamplingConfig
    from lexloom.models.language_model.writing import write_text_from
    from lexloom.training.processor import processor

    fewest, most = _SENTENCE
    drawn = []
    with processor(1):
        for seed in range(_DRAWS):
            sampling = SamplingConfig(temperature=0.6, seed=seed)
            text = prompt + "".join(write_text_from(model, prompt, sampling, length=most, stop="\n", unknown="replace"))
            drawn.append(text.strip())
            if fewest <= len(text.split()) and text.endswith("\n"):
                return drawn[-1]
    return drawn[0]


def _show_sentence(console: "Console", sentence: str) -> None:
    from rich.markup import escape

    console.print(f"  it writes: [cyan]{escape(sentence)}[/]", soft_wrap=True)


# ---- training --------------------------------------------------------------------------------------------------------------------------


def _share(console: "Console", lines: Sequence[str], dim: int) -> tuple[Sequence[str], int]:
    """Choose the first lines and the number of epochs that this machine can train on in the available time."""
    facts: dict[str, Any] = {}
    _, records = _train(console, "how fast is this machine?", lines, dim, 1, _PROBE_SECONDS, valid="none", prepared=facts.update)
    wanted = max(_FEWEST_TOKENS, _SECONDS * (records[0]["tokens_per_second"] or 0.0))
    tokens = 0.9 * facts["corpus"]["tokens"]  # a tenth is held out
    if wanted < tokens:
        return lines[: max(1, round(len(lines) * wanted / tokens))], 1
    return lines, min(_MOST_EPOCHS, int(wanted / tokens))


def _train(
    console: "Console",
    what: str,
    lines: Sequence[str],
    dim: int,
    epochs: int,
    seconds: float,
    *,
    rows: Path | None = None,
    out: Path | None = None,
    valid: Literal["none"] | None = None,
    prepared: Callable[[dict[str, Any]], None] = lambda _facts: None,
) -> tuple["LanguageModel", list[dict[str, Any]]]:
    """Train a model with a progress bar; return it and one record per epoch."""
    from lexloom.models.language_model.options import LanguageModelConfig, LanguageModelOptions, LanguageVocabularyConfig, WindowConfig
    from lexloom.models.language_model.train import train_language_model
    from lexloom.nn.embedding_config import EmbeddingConfig
    from lexloom.nn.recurrent_config import RecurrentConfig
    from lexloom.run_folder import RunConfig
    from lexloom.text.tokenizers import TokenizerConfig
    from lexloom.training.config import TrainingConfig
    from lexloom.training.reporter import Reporter

    embedding = EmbeddingConfig(embedding_dim=dim)
    if rows is not None:
        embedding = replace(embedding, vectors=fspath(rows), vectors_std=1.0)  # both arms start at the same scale
    training = TrainingConfig(
        epochs=epochs, max_minutes=seconds / 60, schedule="one-cycle", learning_rate=_LEARNING_RATE, threads=1, accelerator="cpu"
    )
    records: list[dict[str, Any]] = []
    with progress_bar(console) as progress:
        task = progress.add_task(what, total=1.0)
        model = train_language_model(
            lines,
            LanguageModelOptions(
                LanguageModelConfig(softmax="adaptive"),
                embedding,
                RecurrentConfig(hidden_size=_HIDDEN_SIZE),
                WindowConfig(batch_size=16, bptt=20),
                training,
                TokenizerConfig(lowercase=True),
                LanguageVocabularyConfig(min_count=_MIN_COUNT),
            ),
            valid=valid,
            run=RunConfig(out, overwrite=True),
            reporter=Reporter(prepared=prepared, working=lambda now: progress.update(task, completed=now.done), epoch=records.append),
        )
    return model, records
