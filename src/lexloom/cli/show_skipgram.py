"""What the command line shows of vectors that PyTorch trains: as `training_progress` does for the kernels."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lexloom.cli.show import left_out, training_bar, warn_of_text
from lexloom.text.readers import Corpus
from lexloom.training.reporter import Reporter, Working


@contextmanager
def skipgram_progress(corpus: Corpus, epochs: int) -> Iterator[Reporter]:
    """Show a training: a bar on standard error where that is a terminal, a line an epoch on standard output, and the problems that
    reading `corpus` met as warnings."""
    with training_bar() as bar:
        line = bar.add_task("reading", total=None, status="")

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def prepared(facts: dict[str, Any]) -> None:
            how = "reused" if facts["reused"] else "encoded"
            _say(f"{how} {facts['tokens']:,} tokens, {facts['words']:,} words in the vocabulary{left_out(facts['left_out'])}")
            warn_of_text(corpus)

        def working(now: Working) -> None:
            status = f"loss {now.loss:.4f}  {now.speed:,.0f} effective words/s  learning rate {now.learning_rate:.4f}"
            bar.update(line, description=f"epoch {now.epoch}/{epochs}", total=1.0, completed=now.fraction, status=status)

        def epoch(record: dict[str, Any]) -> None:
            seconds = record["seconds"]  # 0.0 for a tiny text
            speed = f"  {record['raw_words'] / seconds:,.0f} words/s" if seconds else ""
            _say(f"epoch {record['epoch']}  loss {record['loss']:.4f}{speed}  {seconds:.1f} s")

        yield Reporter(encoding, prepared, working, epoch)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
