"""What the command line shows of a language model's training."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lexloom.cli.show import left_out
from lexloom.cli.show_model import Told, describe_coverage, say, show_movement
from lexloom.models.folder import describe_model
from lexloom.training.reporter import Working


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
    yield from describe_coverage(facts)
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
        say(f"best epoch: {best} of {facts['epochs']}, validation perplexity {_perplexity(scores['valid_loss'])}")
    if "test" in facts:
        test = facts["test"]
        say(f"test: perplexity {_perplexity(test['loss'])}, {test['bits_per_character']:.3f} bits/character, {test['tokens']:,} tokens")
    show_movement(facts)
    say(f"saved a model of {facts['parameters']:,} parameters in {folder}")


def _perplexity(loss: float) -> str:
    return f"{math.exp(loss):.2f}" if loss < 20 else "above 1e8"


def _describe_work(now: Working, facts: dict[str, Any]) -> str:
    """Say how an epoch is going."""
    bits, sizes = now.loss / math.log(2), facts["sizes"]
    return (
        f"perplexity {_perplexity(now.loss)}  {bits / sizes['characters']:.3f} bits/character  "
        f"{bits / sizes['bytes']:.3f} bits/byte  {now.speed:,.0f} tokens/s"
    )


TOLD = Told(describe_job, describe_epoch, _describe_work)
