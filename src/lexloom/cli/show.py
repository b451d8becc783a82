"""What the command line shows: tables, JSON, progress bars, warnings."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from lexloom.text.readers import Corpus
    from lexloom.vectors.evaluate.compare import Comparison
    from lexloom.vectors.train import Reporter


_LEFT_OUT = {"min_count": "rarer than min_count", "max_size": "beyond max_size", "pruned": "pruned by max_types"}


def show_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def warn(message: str) -> None:
    """Print one line on standard error."""
    print("lexloom: warning:", message, file=sys.stderr)  # noqa: T201


def warn_of_text(corpus: "Corpus | None") -> None:
    """Warn of what was wrong with a text that was read, if there was one."""
    for problem in [] if corpus is None else corpus.report.warnings():
        warn(problem)


def stdout() -> "Console":
    """A console on standard output; wide where that is a file or a pipe, so that nothing is cut."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for `main`, as print does; rich would end the process with status 1

    return Piped(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)


def show_table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers to the right, floats with four decimals."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(f"{cell:.4f}" if isinstance(cell, float) else str(cell)) for cell in row))
    stdout().print(table)


def left_out(report: Mapping[str, Mapping[str, int]]) -> str:
    """Say how many types a vocabulary left out and why, as the end of a sentence."""
    return "".join(f", {numbers['types']:,} {_LEFT_OUT[reason]}" for reason, numbers in report.items() if numbers["types"])


def training_bar(*, shown: bool = True) -> "Progress":
    """Make the bar of a training on standard error, which leaves no trace; none where that is no terminal, or it is not to be `shown`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not (shown and sys.stderr.isatty()))


@contextmanager
def training_progress(corpus: "Corpus | None" = None) -> "Iterator[Reporter]":
    """Show a training: a bar on standard error where that is a terminal, a line an epoch on standard output, and the problems that
    reading `corpus` met as warnings."""
    from lexloom.vectors.train import Reporter

    with training_bar() as bar:
        line = bar.add_task("reading", total=None, status="")

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def encoded(store: Any, reused: bool) -> None:
            how = "reused" if reused else "encoded"
            words, tokens = len(store.vocabulary.tokens) - len(store.vocabulary.specials), len(store.ids)
            without = left_out(store.vocabulary.report)
            print(f"{how} {tokens:,} tokens, {words:,} words in the vocabulary{without}", flush=True)  # noqa: T201
            warn_of_text(corpus)
            bar.update(line, description="compiling", status="")

        def working(now: Any, fraction: float, loop: Any) -> None:
            done = fraction * loop.text.tokens
            speed = done / now.seconds if now.seconds else 0.0
            left = ((loop.config.epochs - now.epoch) * loop.text.tokens - done) / speed if speed else 0.0
            loss, rate = now.loss / max(1, now.terms), loop.rate(now.epoch, int(done))
            status = f"loss {loss:.4f}  {speed / 1e6:.2f} M words/s  learning rate {rate:.4f}  {left:.0f} s left"
            bar.update(line, description=f"epoch {now.epoch + 1}/{loop.config.epochs}", total=1.0, completed=fraction, status=status)

        def epoch(record: dict[str, Any]) -> None:
            seconds = record["seconds"]  # 0.0 for a tiny text: there is no speed to tell then
            held = f"  held-out loss {record['valid_loss']:.4f}" if "valid_loss" in record else ""
            speed = f"  {record['raw_words'] / seconds / 1e6:.2f} M words/s" if seconds else ""
            loss = "none" if record["loss"] is None else f"{record['loss']:.4f}"
            print(f"epoch {record['epoch']}  loss {loss}{held}{speed}  {seconds:.1f} s", flush=True)  # noqa: T201
            if record["loss"] is None:
                warn(
                    f"nothing to train on in epoch {record['epoch']}: no two words were left side by side; more text or --sample 0 may help"
                )

        yield Reporter(encoding, encoded, working, epoch)


def show_comparison(result: "Comparison") -> None:
    """Print what vector sets score: a table for all similarity files, and one for each analogy file."""
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
    """Print what is known of a vector file, a line each; nested values as JSON."""
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
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
