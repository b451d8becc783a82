"""What the command line shows of a model's training."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lexloom.cli.show import show_description, show_json, training_bar, warn
from lexloom.errors import FormatError
from lexloom.models.folder import VOCABULARY, describe_model
from lexloom.text.readers import Corpus
from lexloom.text.vocabulary import Vocabulary
from lexloom.training.config import TrainingConfig
from lexloom.training.reporter import Reporter, Working, is_first_process


class Told(NamedTuple):
    """What is told of a kind of model while it is trained.

    Attributes:
        job: from the facts of a training, what is about to be trained, on what, a line each.
        epoch: from the record of an epoch, how it went, in one line.
        working: from where a training is and its facts, what stands beside the bar.
    """

    job: Callable[[dict[str, Any]], Iterable[str]]
    epoch: Callable[[dict[str, Any]], str]
    working: Callable[[Working, dict[str, Any]], str]


@contextmanager
def model_progress(told: Told, corpus: Corpus, training: TrainingConfig) -> Iterator[Reporter]:
    """Show a training: a bar on standard error where that is a terminal, and a line an epoch on standard output."""
    with training_bar(shown=is_first_process()) as bar:
        line = bar.add_task("reading", total=None, status="")
        known: dict[str, Any] = {}

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def prepared(facts: dict[str, Any]) -> None:
            known.update(facts)
            for text in told.job(facts):
                say(text)
            for problem in corpus.report.warnings() + facts["problems"]:
                warn(problem)
            if facts["coverage"] and facts["coverage"]["warning"]:
                warn(facts["coverage"]["warning"])

        def working(now: Working) -> None:
            status = f"{told.working(now, known)}  learning rate {now.learning_rate:.4g}"
            bar.update(line, description=f"epoch {now.epoch}/{training.epochs}", total=1.0, completed=now.fraction, status=status)

        def epoch(record: dict[str, Any]) -> None:
            say(told.epoch(record))

        def sample(_epoch: int, text: str) -> None:
            say("  " + text.replace("\n", "\n  "))

        yield Reporter(encoding, prepared, working, epoch, sample)


def show_model(folder: Path, *, json: bool) -> None:
    """Print what a model folder says of itself; it has been loaded before, and is whole."""
    description = describe_model(folder) | {"vocabulary": len(Vocabulary.load(folder / VOCABULARY))}
    if json:
        show_json(description)
        return
    try:  # without what was asked for where `options` says what came of it, and of the rows that moved most their words alone
        description["training"] = {part: values for part, values in description["training"].items() if part not in description["options"]}
        if "movement" in description:
            description["movement"]["most"] = " ".join(moved["word"] for moved in description["movement"]["most"])
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{folder}: what lexloom.json says of the training is damaged: {error!r}") from None
    show_description(description)


def describe_coverage(facts: dict[str, Any]) -> Iterator[str]:
    """Say how much of the text the vectors know, where there are any."""
    if facts["coverage"]:
        known = facts["coverage"]
        yield (
            f"vectors know {known['known_types']:,} of {known['types']:,} words of the vocabulary, "
            f"{known['known_tokens'] / max(1, known['tokens']):.1%} of the text"
        )


def show_movement(facts: dict[str, Any]) -> None:
    """Print what became of rows that came from vectors, where any did."""
    if "movement" in facts:
        moved = facts["movement"]
        say(
            f"vectors: moved {moved['mean_distance']:.3f} on average, cosine to the start {moved['mean_cosine']:.3f}, "
            f"{moved['unmoved']:,} never moved; most: {' '.join(item['word'] for item in moved['most'][:8])}"
        )


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201
