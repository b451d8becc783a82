"""What are vectors worth? A task with random rows, frozen vectors and fine-tuned vectors, over seeds, side by side."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from lexloom.errors import ConfigError, InputError, InterruptedRun
from lexloom.files import read_json, write_json
from lexloom.options import check_whole, describe
from lexloom.run_folder import RunConfig, run_folder
from lexloom.training.reporter import Reporter
from lexloom.vectors.formats import load_vectors

Arm = Literal["random", "frozen", "fine-tuned"]
ARMS: tuple[Arm, ...] = ("random", "frozen", "fine-tuned")
RESULT = "comparison.json"
Opt = TypeVar("Opt", bound=Any)


class Trial(NamedTuple):
    """One run of a comparison.

    Attributes:
        model: its name.
        arm: what its embedding started from.
        seed: of its random numbers.
        score: of the test data; of the best epoch on the validation data without a test.
        best_epoch: the epoch whose model was kept; None for the last.
        seconds: duration.
    """

    model: str
    arm: Arm
    seed: int
    score: float
    best_epoch: int | None
    seconds: float


class Difference(NamedTuple):
    """The difference of two arms of a model, seed by seed.

    Attributes:
        model: its name.
        better: the arm whose score is the minuend.
        worse: the arm whose score is the subtrahend.
        mean: of the differences.
        spread: their standard deviation.
        larger: whether the absolute mean is larger than the spread.
    """

    model: str
    better: Arm
    worse: Arm
    mean: float
    spread: float
    larger: bool


@dataclass(frozen=True)
class EmbeddingComparison:
    """The result of a comparison.

    Attributes:
        metric: the name of the score.
        trials: model by model, arm by arm, seed by seed.
    """

    metric: str
    trials: list[Trial]

    def scores(self, model: str, arm: Arm) -> dict[int, float]:
        """Return the scores of an arm by seed."""
        return {trial.seed: trial.score for trial in self.trials if (trial.model, trial.arm) == (model, arm)}

    @property
    def arms(self) -> dict[str, list[Arm]]:
        """The arms of each model."""
        names = dict.fromkeys(trial.model for trial in self.trials)
        return {name: list(dict.fromkeys(trial.arm for trial in self.trials if trial.model == name)) for name in names}

    @property
    def differences(self) -> list[Difference]:
        """The differences of the arms of each model with more than one seed."""
        found = []
        for model, arms in self.arms.items():
            for worse, better in itertools.combinations(arms, 2):
                first, second = self.scores(model, better), self.scores(model, worse)
                values = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
                if len(values) > 1:
                    mean, spread = statistics.mean(values), statistics.stdev(values)
                    found.append(Difference(model, better, worse, mean, spread, abs(mean) > spread))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the values in JSON types."""
        trials, differences = self.trials, self.differences
        return {"metric": self.metric, "trials": [t._asdict() for t in trials], "differences": [d._asdict() for d in differences]}


def compare_embeddings(
    train: Callable[[Opt, Reporter], Mapping[str, Any]],
    models: Mapping[str, Opt],
    *,
    texts: Mapping[str, Any],
    metric: str = "accuracy",
    seeds: int = 5,
    arms: Callable[[Opt], tuple[Arm, ...]] = lambda _options: ARMS,
    run: RunConfig | None = None,
    told: Callable[[Trial], None] = lambda _trial: None,
    reporter: Reporter | None = None,
) -> EmbeddingComparison:
    """Train models with random rows, with frozen vectors and with fine-tuned vectors, with several seeds each.

    Args:
        train: trains with some options and returns the facts of the run.
        models: the options of each model by name, with parts `embedding`, which names the vectors, and `training`, with the first seed.
        texts: names of the texts; a resume must have the same.
        metric: the score to compare, for which higher is better.
        seeds: runs per arm.
        arms: the arms that a model supports.
        run: a folder for comparison.json, updated after each run.
        told: called after each run.
        reporter: passed to `train`.

    Raises:
        ConfigError: there are no vectors or nothing to compare on, or a resume with other options.
        InputError: the folder is in use; and all that `train` raises.
        InterruptedRun: Ctrl-C; the finished runs are kept.
    """
    run = run or RunConfig()
    check_whole("seeds", seeds, 1)
    if not models:
        raise ConfigError("there is no model to compare: give at least one, such as --encoders average cnn")
    for options in models.values():
        _check(options)
    described = {name: describe(options) for name, options in models.items()} | {"text": dict(texts)}
    with run_folder(run.out) as folder:
        trials = _finished_trials(folder / RESULT, described, run)
        known = {trial[:3] for trial in trials}
        for name, options in models.items():
            first = options.training.seed
            pairs = itertools.product(arms(options), range(first, first + seeds))
            missing = [pair for pair in pairs if (name, *pair) not in known]
            dim = load_vectors(options.embedding.vectors, limit=1).dim if missing else 0
            for arm, seed in missing:
                begun = time.monotonic()
                try:
                    facts = train(_with_arm(options, arm, seed, dim), reporter or Reporter())
                except InterruptedRun:
                    kept = "they are kept; the same command with --resume continues" if trials and run.out else "nothing is saved"
                    raise InterruptedRun(f"interrupted after {len(trials)} runs: {kept}") from None
                trials.append(Trial(name, arm, seed, _score(facts, metric), facts["best_epoch"], round(time.monotonic() - begun, 2)))
                write_json(folder / RESULT, {"options": described, **EmbeddingComparison(metric, trials).as_dict()})
                told(trials[-1])
    order = list(dict.fromkeys([*models, *(trial.model for trial in trials)]))  # a resume may ask for fewer models
    trials.sort(key=lambda trial: (order.index(trial.model), ARMS.index(trial.arm), trial.seed))
    return EmbeddingComparison(metric, trials)


def _check(options: Any) -> None:
    """Refuse options that make no comparison."""
    if options.embedding.vectors is None:
        raise ConfigError("vectors is missing: a comparison needs vectors; give --vectors")
    if options.embedding.freeze:
        raise ConfigError("freeze is set, but one arm of a comparison freezes the vectors anyway; leave it out")
    if options.training.devices * options.training.num_nodes > 1:
        raise ConfigError("a comparison trains in one process; leave out --devices and --num-nodes")


def _with_arm(options: Opt, arm: Arm, seed: int, dim: int) -> Opt:
    embedding = dataclasses.replace(options.embedding, freeze=arm == "frozen")
    if arm == "random":
        embedding = dataclasses.replace(embedding, vectors=None, vectors_std=None, unfreeze_epoch=None, embedding_dim=dim)
    changed: Opt = dataclasses.replace(options, embedding=embedding, training=dataclasses.replace(options.training, seed=seed))
    return changed


def _score(facts: Mapping[str, Any], metric: str) -> float:
    score = facts["test"][metric] if "test" in facts else facts["scores"].get(f"valid_{metric}")
    if score is None:
        raise ConfigError("there is nothing to compare on: hold documents out (--held-out), or give --valid or --test")
    return float(score)


def _finished_trials(path: Path, described: Mapping[str, Any], run: RunConfig) -> list[Trial]:
    """Return the runs of an earlier comparison in the folder."""
    if run.resume and run.overwrite:
        raise ConfigError("resume and overwrite are both set: resume continues the comparison, overwrite starts over; give one of them")
    if not path.exists():
        if others := sorted(other.name for other in path.parent.iterdir()):
            raise InputError(f"{path.parent}: holds other files ({', '.join(others[:3])}); give an empty or new --out")
        return []
    if run.overwrite:
        return []
    if not run.resume:
        raise InputError(f"{path.parent}: holds a comparison; give --resume to continue it, --overwrite to replace it, or another --out")
    saved = read_json(path)
    same = all(saved["options"].get(name, options) == options for name, options in described.items())
    if not same:
        raise ConfigError(f"{path.parent}: cannot resume with other options; give the same ones, or --overwrite to start over")
    return [Trial(**trial) for trial in saved["trials"]]
