"""Output of the command line: tables, JSON, progress bars, warnings."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from lexloom.text.corpus import Readable
    from lexloom.vectors.evaluate.compare import Comparison
    from lexloom.vectors.train import VectorProgress, VectorReporter


_LISTED = 8  # values of a list that a line shows


def show_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def say(text: str) -> None:
    """Print a line on standard output, unbuffered."""
    print(text, flush=True)  # noqa: T201


def warn(message: str) -> None:
    """Print a warning on standard error, in one line."""
    print("lexloom: warning:", message, file=sys.stderr)  # noqa: T201


def warn_of_text(corpus: "Readable[Any] | None") -> None:
    """Warn of the problems of a text that was read; there is none to warn of if it is None."""
    for problem in [] if corpus is None else corpus.report.warnings():
        warn(problem)


def stdout() -> "Console":
    """Make a console on standard output; wide if that is a file or a pipe, so that nothing is cut off."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # as print does, for `main`; rich would exit with status 1

    return Piped(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)


def show_table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: numbers flush right, floats with four decimals."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(f"{cell:.4f}" if isinstance(cell, float) else str(cell)) for cell in row))
    stdout().print(table)


def training_bar(*, shown: bool = True) -> "Progress":
    """Make the progress bar of a run on standard error, which disappears at the end; invisible unless `shown` and in a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not (shown and sys.stderr.isatty()))


@contextmanager
def training_progress(corpus: "Readable[Any] | None", epochs: int) -> "Iterator[VectorReporter]":
    """Show a run that trains vectors with the kernels: a bar on standard error if that is a terminal, and a line per epoch on standard
    output.

    Args:
        corpus: its problems become warnings after it was encoded.
        epochs: number of epochs.
    """
    from lexloom.text.vocabulary import describe_left_out
    from lexloom.vectors.train import VectorReporter

    with training_bar() as bar:
        line = bar.add_task("reading", total=None, status="")

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def encoded(store: Any, reused: bool) -> None:
            how = "reused" if reused else "encoded"
            words, tokens = len(store.vocabulary.tokens) - len(store.vocabulary.specials), len(store.ids)
            without = describe_left_out(store.vocabulary.report)
            print(f"{how} {tokens:,} tokens, {words:,} words in the vocabulary{without}", flush=True)  # noqa: T201
            warn_of_text(corpus)
            bar.update(line, description="compiling", status="")

        def working(now: "VectorProgress") -> None:
            speed, left = f"{now.speed / 1e6:.2f} M words/s", f"{now.seconds_left:.0f} s left"
            status = f"loss {now.loss:.4f}  {speed}  learning rate {now.learning_rate:.4f}  {left}"
            bar.update(line, description=f"epoch {now.epoch}/{epochs}", total=1.0, completed=now.fraction, status=status)

        def epoch(record: dict[str, Any]) -> None:
            seconds = record["seconds"]  # 0.0 for a tiny text; then no speed is shown
            held = f"  validation loss {record['valid_loss']:.4f}" if "valid_loss" in record else ""
            speed = f"  {record['raw_words'] / seconds / 1e6:.2f} M words/s" if seconds else ""
            loss = "none" if record["loss"] is None else f"{record['loss']:.4f}"
            print(f"epoch {record['epoch']}  loss {loss}{held}{speed}  {seconds:.1f} s", flush=True)  # noqa: T201
            if record["loss"] is None:
                why = "no two words are side by side after subsampling"
                warn(f"nothing to train on in epoch {record['epoch']}: {why}; give more text, or --sample 0")

        yield VectorReporter(encoding, encoded, working, epoch)


def show_comparison(result: "Comparison") -> None:
    """Print the scores of sets of vectors: a table for all similarity files, and one per set and analogy file."""
    if result.similarity:
        rows = [
            (
                name,
                Path(score.file).name,
                score.scored,
                score.pairs,
                score.spearman,
                f"{score.spearman_low:.3f} to {score.spearman_high:.3f}",
                score.pearson,
            )
            for scores in result.similarity
            for name, score in zip(result.names, scores, strict=True)
        ]
        show_table("similarity", ("vectors", "file", "scored", "pairs", "Spearman", "95 % interval", "Pearson"), rows)
    for answers in result.analogy:
        for name, answer in zip(result.names, answers, strict=True):
            totals = [total for total in (answer.semantic, answer.syntactic, answer.total) if total is not None]
            show_table(
                f"analogies: {name}, {Path(answer.file).name}",
                ("section", "correct", "scored", "questions", "accuracy"),
                [(s.name, s.correct, s.scored, s.questions, s.accuracy) for s in (*answer.sections, *totals)],
            )


def show_description(description: dict[str, Any]) -> None:
    """Print names and values, one per line; nested names are joined by dots, and long lists are shortened."""
    facts = list(_flatten(description))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {_cell(value)}")  # noqa: T201


def _flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _cell(value: Any) -> str:
    match value:
        case None | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case [dict() as first, *rest]:
            more = f" (the first of {1 + len(rest)})" if rest else ""
            return ", ".join(f"{name} {_cell(cell)}" for name, cell in first.items()) + more
        case list():
            more = f", ... ({len(value)} in all)" if len(value) > _LISTED else ""
            return ", ".join(map(_cell, value[:_LISTED])) + more
        case _:
            return " ".join(str(value).split())
