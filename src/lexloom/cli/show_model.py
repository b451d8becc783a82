"""What the command line shows of a model's training."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lexloom.cli.show import left_out, training_bar, warn
from lexloom.models.folder import describe_model
from lexloom.text.readers import Corpus
from lexloom.training.callbacks import Reporter, Working
from lexloom.training.config import TrainingConfig
from lexloom.training.processor import is_first_process


@contextmanager
def model_progress(corpus: Corpus, training: TrainingConfig) -> Iterator[Reporter]:
    """Show a training: a bar on standard error where that is a terminal, and a line an epoch on standard output."""
    with training_bar(shown=is_first_process()) as bar:
        line = bar.add_task("reading", total=None, status="")
        sizes = {"characters": 1.0, "bytes": 1.0}  # of a token

        def encoding(size: int) -> None:
            bar.update(line, description="encoding", status=f"{size / 1e6:.0f} MB of text")

        def prepared(facts: dict[str, Any]) -> None:
            sizes.update(facts["sizes"])
            for text in describe_job(facts):
                _say(text)
            for problem in corpus.report.warnings() + facts["problems"]:
                warn(problem)
            if facts["coverage"] and facts["coverage"]["warning"]:
                warn(facts["coverage"]["warning"])

        def working(now: Working) -> None:
            bits = now.loss / math.log(2)
            status = (
                f"perplexity {_perplexity(now.loss)}  {bits / sizes['characters']:.3f} bits/character  "
                f"{bits / sizes['bytes']:.3f} bits/byte  {now.speed:,.0f} tokens/s  learning rate {now.learning_rate:.4g}"
            )
            bar.update(line, description=f"epoch {now.epoch}/{training.epochs}", total=1.0, completed=now.fraction, status=status)

        def epoch(record: dict[str, Any]) -> None:
            _say(describe_epoch(record))

        def sample(_epoch: int, text: str) -> None:
            _say("  " + text.replace("\n", "\n  "))

        yield Reporter(encoding, prepared, working, epoch, sample)


def describe_job(facts: dict[str, Any]) -> Iterator[str]:
    """Say what is about to be trained, on what."""
    how = "reused" if facts["reused"] else "encoded"
    unknown = sum(numbers["occurrences"] for numbers in facts["left_out"].values())
    whole = facts["tokens"] + (facts["valid_tokens"] if facts["held_out"] else 0)
    share = f", so that {unknown / whole:.1%} of the text is <unk>" if unknown else ""
    yield (
        f"{how} text: {facts['tokens']:,} tokens to train on, {facts['vocabulary']:,} in the vocabulary{left_out(facts['left_out'])}{share}"
    )
    if facts["held_out"]:
        yield f"held out the last tenth of the text to validate on: {facts['valid_tokens']:,} tokens"
    elif facts["valid_tokens"]:
        yield f"validation text: {facts['valid_tokens']:,} tokens"
    else:
        yield "no validation text: the last epoch's model is kept"
    if facts["coverage"]:
        known = facts["coverage"]
        yield (
            f"vectors know {known['known_types']:,} of {known['types']:,} words of the vocabulary, "
            f"{known['known_tokens'] / max(1, known['tokens']):.1%} of the text"
        )
    yield f"model: {facts['parameters']:,} parameters"
    over = f"; {facts['left_over']:,} fill no batch" if facts["left_over"] else ""
    yield f"an epoch: {facts['windows']:,} windows, {facts['targets_per_epoch']:,} tokens{over}"


def describe_epoch(record: dict[str, Any]) -> str:
    """Say how an epoch went, in one line."""
    parts = [f"epoch {record['epoch']}", f"perplexity {_perplexity(record['train_loss'])}"]
    if record["valid_loss"] is not None:
        parts.append(f"validation {_perplexity(record['valid_loss'])}")
    parts.append(f"{record['bits_per_character']:.3f} bits/character")
    if record["tokens_per_second"]:
        parts.append(f"{record['tokens_per_second']:,.0f} tokens/s")
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def show_finished(folder: Path) -> None:
    """Print what a training left in its folder."""
    facts = describe_model(folder)
    best, scores = facts["best_epoch"], facts["scores"]
    if best is not None:
        _say(f"best epoch: {best} of {facts['epochs']}, validation perplexity {_perplexity(scores['valid_loss'])}")
    if "test" in facts:
        test = facts["test"]
        _say(f"test: perplexity {_perplexity(test['loss'])}, {test['bits_per_character']:.3f} bits/character, {test['tokens']:,} tokens")
    if "movement" in facts:
        moved = facts["movement"]
        _say(
            f"vectors: moved {moved['mean_distance']:.3f} on average, cosine to the start {moved['mean_cosine']:.3f}, "
            f"{moved['unmoved']:,} never moved; most: {' '.join(item['word'] for item in moved['most'][:8])}"
        )
    _say(f"saved a model of {facts['parameters']:,} parameters in {folder}")


def _perplexity(loss: float) -> str:
    return f"{math.exp(loss):.2f}" if loss < 20 else "above 1e8"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
