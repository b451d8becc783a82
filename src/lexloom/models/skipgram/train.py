"""Train word vectors with PyTorch: writes the same folder as `train_vectors`."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from lexloom.errors import ConfigError
from lexloom.models.skipgram.network import SkipGram
from lexloom.models.skipgram.options import SkipGramOptions
from lexloom.models.skipgram.pairs import PairBatches
from lexloom.options import describe
from lexloom.run_folder import STORE, RunConfig
from lexloom.text.blocks import ReadProgress
from lexloom.text.corpus import Corpus, as_corpus
from lexloom.text.store import TokenStore
from lexloom.text.vocabulary import describe_left_out
from lexloom.training.batches import Batches
from lexloom.training.reporter import Reporter
from lexloom.training.run import train
from lexloom.training.task import Task
from lexloom.vectors.formats import load_vectors, write_folder
from lexloom.vectors.table import Vectors
from lexloom.vectors.training_text import TrainingText, prepare_store, returned_rows, text_metadata, trained_counts
from lexloom.version import __version__


@dataclass(frozen=True)
class SkipGramData:
    """An encoded corpus.

    Attributes:
        store: the corpus.
        counts: int64 (V,), zero for ids that are not trained.
        facts, about, problems: see `Data`.
    """

    store: TokenStore
    counts: np.ndarray
    facts: dict[str, Any]
    about: list[str]
    problems: list[str]

    def checksums(self) -> dict[str, str]:
        """Identify the encoded corpus."""
        checksums: dict[str, str] = self.store.header["checksums"]
        return checksums


@dataclass(frozen=True)
class SkipGramTask(Task[SkipGram, SkipGramData, Vectors]):
    """Train word vectors on a corpus with PyTorch."""

    files: ClassVar[tuple[str, ...]] = ("output.safetensors",)
    options: SkipGramOptions
    corpus: Corpus | TokenStore
    store: Path | None = None
    reuse: bool = False

    def kind_of_run(self) -> dict[str, str]:
        """Name the engine: the kernels train the same kind of result."""
        return {"kind": "vectors", "engine": "torch"}

    @property
    def validated(self) -> bool:
        """There is no validation text."""
        return False

    def texts(self) -> dict[str, Any]:
        """There is no text besides the corpus."""
        return {}

    def check(self) -> None:
        """Look whether the corpus exists."""
        if isinstance(self.corpus, Corpus):
            self.corpus.check()

    def check_shared(self, processes: int) -> None:
        """Refuse several processes: the centre words of an epoch are drawn together."""
        raise ConfigError(f"the torch engine trains in one process, not in {processes}; leave out --devices and --num-nodes")

    def read(self, folder: Path, progress: ReadProgress) -> SkipGramData:
        """Encode the corpus into a store."""
        options = self.options
        path = self.store or folder / STORE
        store, reused = prepare_store(self.corpus, path, options.tokenizer, options.vocabulary, resume=self.reuse, progress=progress)
        words = len(store.vocabulary) - len(store.vocabulary.specials)
        how = "reused" if reused else "encoded"
        about = [f"{how} {len(store.ids):,} tokens, {words:,} words in the vocabulary{describe_left_out(store.vocabulary.report)}"]
        problems = self.corpus.report.warnings() if isinstance(self.corpus, Corpus) else []
        return SkipGramData(store, trained_counts(store), {"tokens": len(store.ids), "words": words}, about, problems)

    def build(self, data: SkipGramData, generator: torch.Generator) -> SkipGram:
        """Make the untrained network."""
        return SkipGram(len(data.counts), self.options.vectors.dim, generator=generator)

    def batches(self, data: SkipGramData) -> tuple[Batches, Batches | None]:
        """Draw pairs; there is nothing to validate on."""
        options, store = self.options, data.store
        size, seed = options.batches.batch_size, options.training.seed
        return PairBatches(store.ids, store.starts, data.counts, options.vectors, size, seed), None

    def score(self, record: dict[str, Any], data: SkipGramData) -> dict[str, Any]:
        """Return what the kernels record of an epoch, under their names."""
        return {"loss": record["train_loss"], "raw_words": len(data.store.ids), "effective_words": record[SkipGram.unit]}

    def finish(self, model: SkipGram, data: SkipGramData, scores: dict[str, Any], records: list[dict[str, Any]]) -> Vectors:
        """Make vectors of the rows of words as centres, the most frequent first."""
        words, counts = data.store.vocabulary, data.counts
        rows = returned_rows(words, counts)
        matrix, output = (layer.weight.detach().numpy()[rows] for layer in (model.centres, model.contexts))
        metadata = {
            **text_metadata(data.store),
            "options": {"run": self.kind_of_run(), **describe(self.options)},
            "loss": [record["loss"] for record in records],
            "valid_loss": [],
            "best_epoch": None,
            "versions": {"lexloom": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
        }
        return Vectors(
            [words.tokens[row] for row in np.arange(len(counts))[rows]],
            matrix,
            counts[rows],
            output=output if self.options.training.keep_output else None,
            tokenizer=data.store.tokenizer.json,
            metadata=metadata,
        )

    def save(self, result: Vectors, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write the folder that the kernels write too. The vectors say themselves how they were trained."""
        write_folder(result, folder)

    def open(self, folder: Path) -> Vectors:
        """Load the vectors, memory-mapped."""
        return load_vectors(folder)


def train_skipgram(
    corpus: TrainingText,
    options: SkipGramOptions | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    run: RunConfig | None = None,
    reporter: Reporter | None = None,
) -> Vectors:
    """Train word vectors with Adam on batches of centre words, on a GPU if there is one.

    Args:
        corpus: what `train_vectors` takes.
        options: all options.
        store: where the encoded corpus is kept. Default: `store` in the output folder.
        run: the output folder. Default: nothing is kept on disk.
        reporter: called during the run.

    Returns:
        The vectors of words as centres; memory-mapped if there is an output folder.

    Raises:
        LexloomError: see `train`.
    """
    options, run = options or SkipGramOptions(), run or RunConfig()
    options = dataclasses.replace(options, training=options.training.resolved())
    text = corpus if isinstance(corpus, TokenStore) else as_corpus(corpus)
    return train(SkipGramTask(options, text, None if store is None else Path(store), run.resume), run, reporter).result
