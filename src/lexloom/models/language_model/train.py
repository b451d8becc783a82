"""Train a language model."""

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from lightning.fabric.loggers.logger import Logger

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.models.language_model.data import StreamData, WindowBatches, read_stream
from lexloom.models.language_model.network import LanguageModel
from lexloom.models.language_model.options import LanguageModelOptions
from lexloom.models.language_model.scores import evaluate_language_model
from lexloom.models.language_model.writing import write_text_from
from lexloom.run_folder import STORE, RunConfig
from lexloom.text.batches import rows_of
from lexloom.text.blocks import ReadProgress
from lexloom.text.corpus import Corpus, CorpusSource, as_corpus
from lexloom.text.documents import encode_stream
from lexloom.training.batches import Batches
from lexloom.training.metrics import perplexity
from lexloom.training.model import Model
from lexloom.training.reporter import Reporter
from lexloom.training.run import train
from lexloom.training.task import ModelTask, refuse_single_use

_SAMPLE_LENGTH = {"character": 200, "subword": 60, "word": 40}


@dataclass(frozen=True)
class LanguageModelTask(ModelTask[LanguageModel, StreamData]):
    """Train a language model on a corpus."""

    kind: ClassVar[type[Model]] = LanguageModel
    remedy: ClassVar[str] = "a validation text; give --valid FILE, or leave --valid out to hold out the last tenth"
    free: ClassVar[frozenset[str]] = frozenset({"sample_prompt", "sample_every"})
    options: LanguageModelOptions
    corpus: Corpus
    valid: Corpus | Literal["none"] | None = None
    test: Corpus | None = None
    store: Path | None = None
    reuse: bool = False

    @property
    def validated(self) -> bool:
        """Whether there is a validation text; by default the last tenth of the corpus."""
        return self.valid != "none"

    def texts(self) -> dict[str, Any]:
        """Name the validation text."""
        return {"valid": self.valid.name if isinstance(self.valid, Corpus) else self.valid}

    def check(self) -> None:
        """Look whether the texts exist."""
        for text in (self.corpus, self.valid, self.test):
            if isinstance(text, Corpus):
                text.check()

    def check_shared(self, processes: int) -> None:
        """Refuse texts that can be read only once, and rows that the processes cannot share."""
        refuse_single_use((text for text in (self.corpus, self.valid) if isinstance(text, Corpus)), processes)
        rows_of(0, processes, self.options.windows.batch_size)

    def read(self, folder: Path, progress: ReadProgress) -> StreamData:
        """Encode the corpus into a store, and the validation text."""
        data = read_stream(self.corpus, self.valid, self.options, self.store or folder / STORE, progress, reuse=self.reuse)
        if self.test is not None and self.test.fingerprint() is not None:  # a fault in it should show before the training
            encode_stream(self.test, data.tokenizer, data.vocabulary)
            data.problems.extend(self.test.report.warnings())
        return data

    def build(self, data: StreamData, generator: torch.Generator) -> LanguageModel:
        """Make the untrained network."""
        return LanguageModel(self.options, data.vocabulary, data.tokenizer, generator=generator)

    def batches(self, data: StreamData) -> tuple[Batches, Batches | None]:
        """Cut the streams into windows."""
        windows, seed = self.options.windows, self.options.training.seed
        return (
            WindowBatches(data.train, windows, seed),
            None if data.valid is None else WindowBatches(data.valid, windows, seed, scored=True),
        )

    def score(self, record: dict[str, Any], data: StreamData) -> dict[str, Any]:
        """Return perplexities, and bits per character and byte of the validation text, or of the training text without validation."""
        loss = record["train_loss"] if record["valid_loss"] is None else record["valid_loss"]
        bits = {f"bits_per_{name.removesuffix('s')}": loss / math.log(2) / size for name, size in data.sizes.items()}
        return {"train_perplexity": perplexity(record["train_loss"]), "valid_perplexity": perplexity(record["valid_loss"]), **bits}

    def sample(self, model: LanguageModel, epoch: int) -> str | None:
        """Continue the sample prompt."""
        prompt, every = self.options.windows.sample_prompt, self.options.windows.sample_every
        if prompt is None or epoch % every:
            return None
        length = _SAMPLE_LENGTH[self.options.model.level]
        return prompt + "".join(write_text_from(model, prompt, SamplingConfig(temperature=0.8), length=length, unknown="replace"))

    def evaluate(self, result: LanguageModel) -> dict[str, Any] | None:
        """Score the test text."""
        return None if self.test is None else evaluate_language_model(result, self.test).as_dict()


def train_language_model(
    corpus: CorpusSource,
    options: LanguageModelOptions | None = None,
    *,
    valid: CorpusSource | Literal["none"] | None = None,
    test: CorpusSource | None = None,
    store: str | os.PathLike[str] | None = None,
    run: RunConfig | None = None,
    reporter: Reporter | None = None,
    loggers: Sequence[Logger] = (),
) -> LanguageModel:
    """Train a language model on a corpus, read as one stream of tokens with `<eos>` after each document.

    Args:
        corpus: a path, glob, folder or URL of text, what `open_corpus` returns, or an iterable of strings (split by the tokenizer) or of
            token lists (not split).
        options: all options.
        valid: the validation text. Default: the last tenth of the corpus; `"none"` trains on everything.
        test: a text to evaluate the result on.
        store: where the encoded corpus is kept. Default: `store` in the output folder.
        run: the output folder. Default: nothing is kept on disk.
        reporter: called during the run.
        loggers: Lightning loggers (W&B, MLflow, ...), which get the record of each epoch.

    Returns:
        The model of the epoch with the lowest validation loss, or of the last epoch without validation; in evaluation mode.

    Raises:
        LexloomError: see `train`.
    """
    options, run = options or LanguageModelOptions(), run or RunConfig()
    task = LanguageModelTask(
        dataclasses.replace(options, training=options.training.resolved()),
        as_corpus(corpus),
        valid if valid == "none" or valid is None else as_corpus(valid),
        None if test is None else as_corpus(test),
        None if store is None else Path(store),
        run.resume,
    )
    return train(task, run, reporter, loggers).result
