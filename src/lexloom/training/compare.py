"""What are vectors worth? Classifiers with random rows, with frozen vectors and with fine-tuned ones, over seeds, side by side."""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from lexloom.errors import ConfigError, InputError, InterruptedRun
from lexloom.files import read_json, write_json
from lexloom.models.classification import evaluate_classifier
from lexloom.models.classifier_config import ClassifierConfig, ClassifierOptions, ClassifierVocabularyConfig, DocumentConfig, Encoder
from lexloom.options import check_whole, describe
from lexloom.run_folder import run_folder
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.labelled import checks_of
from lexloom.training.reporter import Reporter, cost_of
from lexloom.vectors.formats import load_vectors

Arm = Literal["random", "frozen", "fine-tuned"]
ARMS: tuple[Arm, ...] = ("random", "frozen", "fine-tuned")
RESULT = "comparison.json"
_NOTHING = "there is nothing to compare on: hold documents out (--held-out), or give --valid or --test"


class Run(NamedTuple):
    """One training.

    Attributes:
        encoder: which.
        arm: what its embedding began with.
        seed: of its random numbers.
        accuracy: share of the test documents that it got right; of the validation documents where there is no test.
        best_epoch: the one whose model was kept; None for the last.
        seconds: that it took.
    """

    encoder: str
    arm: Arm
    seed: int
    accuracy: float
    best_epoch: int | None
    seconds: float


class Difference(NamedTuple):
    """How two arms of one encoder differ, seed by seed.

    Attributes:
        encoder: which.
        better: the arm whose accuracy is taken.
        worse: the arm whose accuracy is subtracted.
        mean: of the differences.
        spread: their standard deviation.
        larger: whether the mean is larger than the spread, whatever its sign.
    """

    encoder: str
    better: Arm
    worse: Arm
    mean: float
    spread: float
    larger: bool


@dataclass(frozen=True)
class EmbeddingComparison:
    """What came of all trainings.

    Attributes:
        runs: encoder by encoder, arm by arm, seed by seed.
    """

    runs: list[Run]

    def accuracies(self, encoder: str, arm: Arm) -> dict[int, float]:
        """Give those of an arm by their seeds."""
        return {run.seed: run.accuracy for run in self.runs if (run.encoder, run.arm) == (encoder, arm)}

    @property
    def arms(self) -> list[tuple[str, Arm]]:
        """The encoders with their arms."""
        return list(dict.fromkeys((run.encoder, run.arm) for run in self.runs))

    @property
    def differences(self) -> list[Difference]:
        """Compare the arms of each encoder; nothing with a single seed."""
        found = []
        for encoder in dict.fromkeys(run.encoder for run in self.runs):
            arms = [arm for name, arm in self.arms if name == encoder]
            for worse, better in itertools.combinations(arms, 2):
                first, second = self.accuracies(encoder, better), self.accuracies(encoder, worse)
                values = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
                if len(values) > 1:
                    mean, spread = statistics.mean(values), statistics.stdev(values)
                    found.append(Difference(encoder, better, worse, mean, spread, abs(mean) > spread))
        return found

    def as_dict(self) -> dict[str, Any]:
        """The same in plain JSON values."""
        return {"runs": [run._asdict() for run in self.runs], "differences": [difference._asdict() for difference in self.differences]}


def compare_embeddings(
    corpus: LabelledCorpus,
    options: ClassifierOptions,
    training: ClassifierTrainingConfig | None = None,
    batches: DocumentConfig | None = None,
    *,
    encoders: Sequence[Encoder] = ("average", "cnn", "rnn"),
    seeds: int = 5,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    valid: LabelledCorpus | None = None,
    test: LabelledCorpus | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    told: Callable[[Run], None] = lambda _run: None,
    reporter: Reporter | None = None,
) -> EmbeddingComparison:
    """Train each encoder with random rows, with the vectors held fixed, and with the vectors as a start, with several seeds each.

    Args:
        corpus: documents with labels, which can be read again and again.
        options: the model's shape; its embedding names the vectors.
        training: how to train; its seed is the first one.
        batches: as for `train_classifier`.
        encoders: average, cnn, rnn; and linear, which cannot hold vectors fixed and has two arms.
        seeds: how many.
        tokenizer: as for `train_classifier`.
        vocabulary: likewise.
        valid: likewise.
        test: documents to judge on; without them the accuracy is that of the best epoch on the validation documents.
        out: a folder for comparison.json, brought up to date after each training.
        resume: go on with the trainings that `out` lacks.
        overwrite: replace what is in `out`.
        told: hears of each training.
        reporter: for each training.

    Raises:
        ConfigError: there are no vectors, nothing to compare on, or a resume with other options.
        InputError: `out` is in use. All that `train_classifier` raises.
        InterruptedRun: Ctrl-C; the trainings that were done are kept.
    """
    training, batches = training or ClassifierTrainingConfig(), batches or DocumentConfig()
    tokenizer, vocabulary = tokenizer or TokenizerConfig(), vocabulary or ClassifierVocabularyConfig()
    check_whole("seeds", seeds, 1)
    _check(options, training, resume=resume, overwrite=overwrite)
    if valid is None and test is None and not batches.held_out:
        raise ConfigError(_NOTHING)
    models = _shapes(options, training, encoders)
    described = describe(**vars(options), training=training, batches=batches, tokenizer=tokenizer, vocabulary=vocabulary)
    described["text"] = {"corpus": corpus.name, "valid": valid and valid.name, "test": test and test.name}
    with run_folder(out) as folder:
        runs = _done(folder / RESULT, described, resume=resume, overwrite=overwrite)
        known = {(run.encoder, run.arm, run.seed) for run in runs}
        every = itertools.product(models, ARMS, range(training.seed, training.seed + seeds))
        left = [one for one in every if one not in known and one[:2] != ("linear", "frozen")]
        dim = _find_inputs(options, corpus, valid, test) if left else None
        for encoder, arm, seed in left:
            embedding = dataclasses.replace(options.embedding, freeze=arm == "frozen")
            if arm == "random":
                embedding = dataclasses.replace(embedding, vectors=None, vectors_std=None, unfreeze_epoch=None, embedding_dim=dim)
            begun = time.monotonic()
            try:
                accuracy, best = _train(
                    corpus,
                    dataclasses.replace(options, model=models[encoder], embedding=embedding),
                    dataclasses.replace(training, seed=seed),
                    batches,
                    test=test,
                    tokenizer=tokenizer,
                    vocabulary=vocabulary,
                    valid=valid,
                    reporter=reporter or Reporter(),
                )
            except InterruptedRun:
                kept = "they are kept; the same command with --resume goes on" if runs and out is not None else "nothing is saved"
                raise InterruptedRun(f"interrupted after {len(runs)} whole trainings: {kept}") from None
            runs.append(Run(encoder, arm, seed, accuracy, best, round(time.monotonic() - begun, 2)))
            write_json(folder / RESULT, {"options": described, **EmbeddingComparison(runs).as_dict()})
            told(runs[-1])
        order = list(dict.fromkeys([*models, *(run.encoder for run in runs)]))  # a resume may ask for fewer than there are
        return EmbeddingComparison(sorted(runs, key=lambda run: (order.index(run.encoder), ARMS.index(run.arm), run.seed)))


def _check(options: ClassifierOptions, training: ClassifierTrainingConfig, *, resume: bool, overwrite: bool) -> None:
    """Refuse options that make no comparison."""
    if options.embedding.vectors is None:
        raise ConfigError("vectors is missing: a comparison needs the vectors whose worth it is about; give --vectors")
    if options.embedding.freeze:
        raise ConfigError("freeze is set, but a comparison freezes the vectors in one of its arms by itself; leave it out")
    if training.devices * training.num_nodes > 1:
        raise ConfigError("a comparison trains in one process; leave out --devices and --num-nodes")
    if resume and overwrite:
        raise ConfigError("resume and overwrite are both set: resume goes on with what is there, overwrite begins anew; give one")


def _shapes(options: ClassifierOptions, training: ClassifierTrainingConfig, encoders: Sequence[Encoder]) -> dict[Encoder, ClassifierConfig]:
    """Give each encoder its options; refuse what one of them does not know before another is trained."""
    models = {encoder: dataclasses.replace(options.model, encoder=encoder) for encoder in encoders}
    if not models:
        raise ConfigError("encoders is empty: give at least one, such as --encoders average cnn")
    if "linear" in models:
        from lexloom.training.linear_classifier import refuse_unknown

        refuse_unknown(dataclasses.replace(options, model=models["linear"]), training)
    return models


def _find_inputs(options: ClassifierOptions, corpus: LabelledCorpus, valid: LabelledCorpus | None, test: LabelledCorpus | None) -> int:
    """Give the length of the vectors; tell of what cannot be used before anything is trained."""
    for check in checks_of(corpus, valid, test):
        check()
    return load_vectors(options.embedding.vectors or "", limit=1).dim


def _done(path: Any, described: dict[str, Any], *, resume: bool, overwrite: bool) -> list[Run]:
    """The trainings that are done already; a folder with other files is refused."""
    if not path.exists():
        if others := sorted(other.name for other in path.parent.iterdir()):
            raise InputError(f"{path.parent}: holds other files ({', '.join(others[:3])}); give an empty or new --out")
        return []
    if overwrite:
        return []
    if not resume:
        raise InputError(f"{path.parent}: holds a comparison; give --resume to go on with it, --overwrite to replace it, or another --out")
    saved = read_json(path)
    if saved.get("options") != described:
        raise ConfigError(f"{path.parent}: cannot go on with other options; give the same ones, or --overwrite to begin anew")
    return [Run(**run) for run in saved["runs"]]


def _train(
    corpus: LabelledCorpus,
    options: ClassifierOptions,
    training: ClassifierTrainingConfig,
    batches: DocumentConfig,
    *,
    test: LabelledCorpus | None,
    reporter: Reporter,
    **texts: Any,
) -> tuple[float, int | None]:
    """Train once; gives the accuracy, and the epoch that was kept."""
    records: list[dict[str, Any]] = []

    def epoch(record: dict[str, Any]) -> None:
        records.append(record)
        reporter.epoch(record)

    listening = dataclasses.replace(reporter, epoch=epoch)
    model = trainer_of(options.model)(corpus, options, training, batches, reporter=listening, **texts)
    if records[-1]["valid_accuracy"] is None and test is None:
        raise ConfigError(_NOTHING)
    costs = [cost_of(record, training.best_by) for record in records]
    best = None  # the last epoch's model is kept
    if None not in costs:
        best = len(records) if options.model.encoder == "linear" else 1 + costs.index(min(cost for cost in costs if cost is not None))
    if test is None:
        return float(records[(best or len(records)) - 1]["valid_accuracy"]), best
    return evaluate_classifier(model, test, mistakes=0).accuracy, best


def trainer_of(model: ClassifierConfig) -> Callable[..., Any]:
    """Choose what trains an encoder: torch is not even loaded for the linear one."""
    if model.encoder == "linear":
        from lexloom.training.linear_classifier import train_linear_classifier

        return train_linear_classifier
    from lexloom.training.classifier import train_classifier

    return train_classifier
