"""What the commands of all models share: help panels, progress, scores, loading."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from cyclopts import App, ArgumentCollection, Group, Parameter

from lexloom.cli.show import say, show_description, show_json, training_bar, warn
from lexloom.errors import ConfigError
from lexloom.model_folder import describe_model
from lexloom.options import check_whole
from lexloom.training.reporter import Reporter, Working, is_first_process
from lexloom.version import __version__

Flag = Annotated[bool, Parameter(negative="")]
Json = Annotated[bool, Parameter(negative="", help="Print one JSON value.")]
Accelerator = Literal["auto", "cpu", "gpu", "mps"]

_COMMON = Group("Common options", sort_key=0)
SHOWN: dict[str, Callable[[float], str]] = {
    "perplexity": lambda value: f"{value:.2f}" if value < 1e8 else "above 1e8",
    "loss": "{:.4f}".format,
    "accuracy": "{:.2%}".format,
}
"""The metrics of an epoch that are printed. With a perplexity the loss is not: it says the same."""


class Noun(App):
    """A noun of the command line, whose help has a panel of common options, and one per part of the other options."""

    common: frozenset[str] = frozenset()

    def assemble_argument_collection(self, **options: Any) -> ArgumentCollection:
        """Move the common options to their panel."""
        arguments = super().assemble_argument_collection(**options)
        for argument in arguments:
            if not self.common.isdisjoint(argument.names):
                argument.parameter = Parameter.combine(argument.parameter, Parameter(group=_COMMON))
        return arguments


def noun(name: str, help: str, common: str) -> Noun:
    """Make the app of a noun. Options with several values take them one after the other (--cutoffs 2000 6000).

    Args:
        name: of the noun.
        help: its line in the help.
        common: names of common options, separated by spaces.
    """
    kind = type("Noun", (Noun,), {"common": frozenset(f"--{option}" for option in common.split())})  # commands get apps of the same type
    several = Parameter(consume_multiple=True, negative_iterable=())
    others = Group("Options", sort_key=99)
    app: Noun = kind(name=name, help=help, version=__version__, help_format="markdown", default_parameter=several, group_parameters=others)
    return app


def part(title: str, place: int) -> Parameter:
    """Annotate a dataclass of options: they have no prefix, and a help panel of their own.

    Args:
        title: of the panel.
        place: its place among the panels.
    """
    return Parameter(name="*", group=Group(title, sort_key=place))


@contextmanager
def progress(epochs: int) -> Iterator[Reporter]:
    """Show a run: a bar on standard error if that is a terminal, and a line per epoch on standard output."""
    with training_bar(shown=is_first_process()) as bar:
        line = bar.add_task("reading", total=None, status="")

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def prepared(facts: dict[str, Any]) -> None:
            bar.update(line, description="preparing", status="")
            for text in facts["about"]:
                say(text)
            if known := facts["coverage"]:
                share = known["known_tokens"] / max(1, known["tokens"])
                say(f"vectors: {known['known_types']:,} of {known['types']:,} words of the vocabulary, {share:.1%} of the text")
            say(f"model: {facts['parameters']:,} parameters")
            for problem in [*facts["problems"], *([known["warning"]] if known and known["warning"] else [])]:
                warn(problem)

        def working(now: Working) -> None:
            status = f"loss {now.loss:.4f}  {now.speed:,.0f}/s  learning rate {now.learning_rate:.4g}"
            bar.update(line, description=f"epoch {now.epoch}/{epochs}", total=1.0, completed=now.fraction, status=status)

        def sample(_epoch: int, text: str) -> None:
            say("  " + text.replace("\n", "\n  "))

        yield Reporter(encoding, prepared, working, lambda record: say(describe_epoch(record)), sample)


def describe_epoch(record: dict[str, Any]) -> str:
    """Describe an epoch in one line: the means of the training and the validation data, the speed and the time."""
    parts = [f"epoch {record['epoch']}", _means(record, "train")]
    if valid := _means(record, "valid"):
        parts.append(f"validation: {valid}")
    if "bits_per_character" in record:
        parts.append(f"{record['bits_per_character']:.3f} bits/character")
    parts += [
        f"{value:,.0f} {name.removesuffix('_per_second')}/s" for name, value in record.items() if name.endswith("_per_second") and value
    ]
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def _means(record: dict[str, Any], part: str) -> str:
    """Write the shown metrics of the training or the validation data."""
    shown = {name: record[f"{part}_{name}"] for name in SHOWN if record.get(f"{part}_{name}") is not None}
    if "perplexity" in shown:
        shown.pop("loss", None)
    return "  ".join(f"{name} {SHOWN[name](value)}" for name, value in shown.items())


def show_finished(folder: str) -> None:
    """Print what a run wrote, in the first process."""

    if not is_first_process():
        return
    facts = describe_model(folder)
    best, valid = facts["best_epoch"], _means(facts["scores"], "valid")
    if valid:
        say(f"best epoch: {best} of {facts['epochs']}, validation {valid}" if best is not None else f"validation {valid}")
    if "test" in facts:
        shown = {name: SHOWN.get(name, _number)(value) for name, value in facts["test"].items() if _is_number(value)}
        say("test: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items()))
    if "movement" in facts:
        moved = facts["movement"]
        say(
            f"vectors: moved {moved['mean_distance']:.3f} on average, cosine to the start {moved['mean_cosine']:.3f}, "
            f"{moved['unmoved']:,} did not move; most: {' '.join(item['word'] for item in moved['most'][:8])}"
        )
    say(f"saved a model of {facts['parameters']:,} parameters in {folder}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if math.isfinite(value) else str(value)


def show_score(score: dict[str, Any], *, json: bool) -> None:
    """Print scores: one JSON value, or a line each."""
    (show_json if json else show_description)(score)


@contextmanager
def loaded(folder: str, *kinds: str, threads: int | None = None, accelerator: Accelerator = "cpu") -> Iterator[Any]:
    """Load a model, and give it its threads while it works.

    Args:
        folder: of the model.
        kinds: which kinds of models to accept.
        threads: CPU threads. Default: all cores.
        accelerator: where the model works.
    """
    from lexloom.models.loading import load_model

    check_whole("threads", threads, 1)
    if describe_model(folder).get("kind") == "linear-classifier":  # which needs no torch
        if accelerator in ("gpu", "mps"):
            raise ConfigError(f"accelerator is {accelerator}, but the linear encoder works on the CPU; leave it out")
        model = load_model(folder, *kinds)
        model.threads = threads or model.threads
        yield model
        return
    from lexloom.training.processor import device_of, processor

    with processor(threads):
        yield load_model(folder, *kinds).to(device_of(accelerator))
