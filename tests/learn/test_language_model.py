"""Small things that a language model must be able to learn, all through the command line."""

import itertools
import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest

CHARACTERS = ("--level", "character", "--threads", 1, "--accelerator", "cpu", "--seed", 1)
SHAPES = {
    "lstm": ("--cell", "lstm"),
    "gru from scratch": ("--cell", "gru", "--implementation", "scratch"),
    "rnn on one-hot input": ("--cell", "rnn", "--embedding", "one-hot"),
    "tied, random windows": ("--softmax", "tied", "--windows", "random"),
}


def learnt(run, text, *options):
    """Train on a text; returns the perplexity of another, and continues prompts."""
    Path("text.txt").write_text(text)
    outcome = run("lm", "train", "text.txt", "--out", "model", *CHARACTERS, *options)
    assert (outcome.status, outcome.err) == (0, "")

    def perplexity(other):
        Path("other.txt").write_text(other)
        return json.loads(run("lm", "evaluate", "model", "other.txt", "--json").out)["perplexity"]

    def go_on(prompt, length):
        return run("lm", "generate", "model", "--prompt", prompt, "--length", length, "--temperature", 0, "--stop", "\n").out

    return perplexity, go_on


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_pattern_is_repeated(run, shape):
    small = ("--hidden-size", 24, "--batch-size", 4, "--bptt", 20)
    perplexity, go_on = learnt(run, "abcd" * 400, "--valid", "none", "--epochs", 12, "--learning-rate", 0.02, *small, *shape)
    assert perplexity("abcd" * 200) < 1.05
    assert go_on("cdab", 40) == "cdab" + "cdab" * 10 + "\n"


def brackets(lines, seed):
    draw = random.Random(seed)
    depths = [draw.randint(1, 6) for _ in range(lines)]
    return "".join("(" * depth + ")" * depth + "\n" for depth in depths)


def bigram_perplexity(text):
    """Of the best model that sees one character, fitted to this very text."""
    pairs, firsts = Counter(itertools.pairwise("\n" + text)), Counter("\n" + text[:-1])
    return math.exp(-sum(count * math.log(count / firsts[pair[0]]) for pair, count in pairs.items()) / len(text))


def test_brackets_are_counted(run):
    perplexity, go_on = learnt(
        run, brackets(700, seed=1), "--epochs", 20, "--learning-rate", 0.01, "--hidden-size", 32, "--batch-size", 8, "--bptt", 30
    )
    held_out = brackets(150, seed=2)
    tokens_a_line = len(held_out) / 150
    best = math.exp(math.log(6) / tokens_a_line)  # how deep a line is has to be guessed, and nothing else
    assert perplexity(held_out) < 1.06 * best < bigram_perplexity(held_out)
    for depth in range(2, 7):  # one bracket closes without counting
        assert go_on("\n" + "(" * depth + ")", 20) == "\n" + "(" * depth + ")" * depth + "\n\n"
