"""The training task of the average, cnn and rnn classifiers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from lexloom.models.classifier.data import Labelled, LabelledData, check_documents, read_labelled
from lexloom.models.classifier.network import Classifier, DocumentBatch
from lexloom.models.classifier.options import BATCH_SIZE, ClassifierOptions
from lexloom.models.classifier.scores import evaluate_classifier, tune_thresholds
from lexloom.text.batches import LengthBuckets
from lexloom.text.blocks import ReadProgress
from lexloom.text.examples import Examples
from lexloom.training.batches import Batches, BucketBatches
from lexloom.training.model import Model
from lexloom.training.task import ModelTask, refuse_single_use

SPECIALS = ("pad", "unk")
_MULTIPLE = 4  # row lengths are multiples of it: oneDNN compiles a program for each shape


@dataclass(frozen=True)
class ClassifierTask(ModelTask[Classifier, LabelledData]):
    """Train a classifier on labelled documents."""

    kind: ClassVar[type[Model]] = Classifier
    remedy: ClassVar[str] = "validation documents; give --valid FILE, or a --held-out share above 0"
    files: ClassVar[tuple[str, ...]] = ("onnx",)
    options: ClassifierOptions
    corpus: Examples
    valid: Examples | None = None
    test: Examples | None = None

    @property
    def best_by(self) -> str:
        """The metric that chooses the best epoch."""
        return self.options.training.best_by

    @property
    def validated(self) -> bool:
        """Whether there are validation documents, given or held out."""
        return self.valid is not None or self.options.batches.held_out > 0

    def texts(self) -> dict[str, Any]:
        """Name the validation documents."""
        return {"valid": self.valid and self.valid.name}

    def check(self) -> None:
        """Look whether there are usable documents."""
        check_documents(self.corpus, self.valid, self.test)

    def check_shared(self, processes: int) -> None:
        """Refuse documents that only one process can read, such as standard input."""
        refuse_single_use((self.corpus, self.valid), processes)

    def read(self, folder: Path, progress: ReadProgress) -> LabelledData:
        """Read and encode the documents."""
        return read_labelled(self.corpus, self.valid, self.options, progress, specials=SPECIALS)

    def build(self, data: LabelledData, generator: torch.Generator) -> Classifier:
        """Make the untrained network."""
        weights = data.class_weights() if self.options.model.class_weights == "balanced" else None
        return Classifier(self.options, data.labels, data.vocabulary, data.tokenizer, class_weights=weights, generator=generator)

    def batches(self, data: LabelledData) -> tuple[Batches, Batches | None]:
        """Put documents of similar length into batches."""
        return self._batches(data.train, len(data.labels), shuffled=True), (
            None if data.valid is None else self._batches(data.valid, len(data.labels), shuffled=False)
        )

    def _batches(self, part: Labelled, labels: int, *, shuffled: bool) -> BucketBatches:
        options, longest = self.options, self.options.model.max_tokens
        lengths = part.documents.lengths if longest is None else np.minimum(part.documents.lengths, longest)
        size = options.batches.training_batch_size(len(lengths)) if shuffled else options.batches.batch_size or BATCH_SIZE

        def make(chosen: np.ndarray) -> DocumentBatch:
            ids, kept = part.documents.rows(chosen, longest, _MULTIPLE)
            keep = np.arange(ids.shape[1]) < kept[:, None]
            multi_label = part.targets.multi_label
            targets = part.targets.matrix(labels, chosen).astype(np.float32) if multi_label else part.targets.single[chosen]
            return DocumentBatch(torch.from_numpy(ids), torch.from_numpy(keep), torch.from_numpy(targets))

        buckets = LengthBuckets(lengths, size, options.batches.batch_tokens, options.training.seed)
        return BucketBatches(buckets, make, shuffled=shuffled)

    def finish(self, model: Classifier, data: LabelledData, scores: dict[str, Any], records: list[dict[str, Any]]) -> Classifier:
        """Tune the thresholds of labels. The validation accuracy with them is optimistic: they are tuned on the same documents."""
        if data.labels.multi_label and self.options.model.threshold is None and data.valid is not None:
            probabilities = model.predictor()(data.valid.documents)
            model.thresholds = tune_thresholds(probabilities, data.valid.targets)
            right = (probabilities >= model.thresholds) == data.valid.targets.matrix(len(data.labels))
            scores["valid_accuracy"] = float(right.all(1).mean())
        return model

    def evaluate(self, result: Classifier) -> dict[str, Any] | None:
        """Score the test documents."""
        return None if self.test is None else evaluate_classifier(result, self.test).as_dict()
