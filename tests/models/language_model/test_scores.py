"""Scores beside a brute force that feeds a model the whole text, token by token, and sums what it says."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from tests.models.tiny import SPECIALS, language_model, vocabulary_of

from lexloom.errors import ConfigError, InputError
from lexloom.models.language_model.scores import evaluate_language_model
from lexloom.text.corpus import iterable_corpus, open_corpus
from lexloom.text.tokenizers import TokenizerConfig, learn, make_tokenizer
from lexloom.text.vocabulary import Vocabulary

TEXTS = {
    "plain": "the cat sat on the mat\nthe end\n",
    "no last newline": "the cat sat\non the mat",
    "blank lines": "\n\nthe cat\n\n\non the mat\n\n",
    "beyond ASCII": "die Käse ☃ 猫 the cat\n猫猫 cat\n",
    "one word": "cat",
    "longer than a window": "the cat sat on the mat the end\n" * 40,
    "spaces": "  the   cat \n sat\t on\n",
    "carriage returns": "the cat\r\nsat on\r\n",
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def model_of(level):
    if level == "word":
        vocabulary = vocabulary_of("the", "cat", "sat", "on", "mat", "end")
        return language_model(vocabulary, make_tokenizer(TokenizerConfig(tokenizer="whitespace")))
    if level == "character":
        tokenizer = make_tokenizer(TokenizerConfig(tokenizer="characters"))
        return language_model(vocabulary_of("▁", *"etahcsonmd", "猫"), tokenizer, model={"level": "character"})
    tokenizer = learn(TokenizerConfig(tokenizer="bpe", vocab_size=40), [list(TEXTS.values())])
    known = sorted(tokenizer.library.get_vocab(), key=tokenizer.library.get_vocab().__getitem__)
    # not in the order of the tokenizer's own ids but for <unk>, which a store would have made sure of
    vocabulary = Vocabulary([*known, "<eos>"], np.ones(len(known) + 1, np.int64), SPECIALS)
    return language_model(vocabulary, tokenizer, model={"level": "subword"})


def tokens_of(level, model, text):
    """Split by hand: lines, and what each is made of."""
    lines = text.replace("\r\n", "\n").split("\n")
    tokens = []
    for line in lines[:-1] if lines[-1] == "" else lines:
        if level == "word":
            tokens += line.split()
        elif level == "character":
            tokens += ["▁" if character.isspace() else character for character in line]
        else:
            tokens += model.tokenizer.library.encode(line, add_special_tokens=False).tokens
        tokens.append("<eos>")
    return tokens


@torch.no_grad()
def brute_force(model, tokens, rows=1):
    """The sum of minus the log-probabilities; each of the rows begins without what came before it but for one token."""
    known = {token: place for place, token in enumerate(model.vocabulary.tokens)}
    ids = [known["<eos>"], *(known.get(token, known["<unk>"]) for token in tokens)]
    length, total, step = math.ceil(len(tokens) / rows), 0.0, model.stepper()
    for place, (before, after) in enumerate(itertools.pairwise(ids)):
        if place % length == 0:
            state = model.initial_state(1)
        log_probs, state, _ = step(torch.tensor([before]), state)
        total -= float(log_probs[0, after])
    return total


@every_text
@pytest.mark.parametrize("level", ["word", "character", "subword"])
def test_the_score_is_that_of_the_brute_force(level, text, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    model = model_of(level)
    score = evaluate_language_model(model, open_corpus(path))
    tokens = tokens_of(level, model, text)
    total = brute_force(model.eval(), tokens)
    lines = text.replace("\r\n", "\n").removesuffix("\n") + "\n"  # the text with an end to every line
    assert score.loss == pytest.approx(total / len(tokens), rel=1e-5)
    assert score.perplexity == pytest.approx(math.exp(total / len(tokens)), rel=1e-4)
    assert score.bits_per_character == pytest.approx(total / math.log(2) / len(lines), rel=1e-5)
    assert score.bits_per_byte == pytest.approx(total / math.log(2) / len(lines.encode()), rel=1e-5)
    assert (score.tokens, score.characters, score.bytes) == (len(tokens), len(lines), len(lines.encode()))
    assert score.unknown_tokens == sum(token not in model.vocabulary or token == "<unk>" for token in tokens)
    assert score.tokens_per_second > 0


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 50, 10_000])
def test_rows_side_by_side_each_begin_without_what_came_before(rows):
    model = model_of("word")
    lines = ["the cat sat on the mat", "the end"] * 5
    score = evaluate_language_model(model, iterable_corpus(lines), batch_size=rows)
    tokens = tokens_of("word", model, "\n".join(lines))
    assert score.loss * score.tokens == pytest.approx(brute_force(model, tokens, min(rows, len(tokens))), rel=1e-5)
    assert score.tokens == len(tokens)


def test_scoring_leaves_nothing_to_chance():
    model = language_model(
        vocabulary_of("the", "cat"), model={"dropout": 0.5}, embedding={"word_dropout": 0.5}, recurrent={"weight_drop": 0.5}
    ).train()
    first, second = (evaluate_language_model(model, iterable_corpus(["the cat the"])) for _ in range(2))
    assert first.loss == second.loss


@pytest.mark.parametrize(("unknown", "trained"), [(0, False), (3, True)])
def test_the_score_says_whether_unk_was_trained(unknown, trained):
    model = language_model(vocabulary_of("the", "cat", unknown=unknown))
    score = evaluate_language_model(model, iterable_corpus(["the dog"]))
    assert (score.unknown_tokens, score.unknown_trained) == (1, trained)


def test_words_that_training_left_out_have_trained_unk():
    vocabulary = vocabulary_of("the", "cat")
    left_out = Vocabulary(vocabulary.tokens, vocabulary.counts, SPECIALS, {"min_count": {"types": 2, "occurrences": 2}})
    assert evaluate_language_model(language_model(left_out), iterable_corpus(["the"])).unknown_trained


def test_a_hopeless_model_has_an_infinite_perplexity_and_still_gives_json():
    model = language_model(vocabulary_of("the", "cat"))
    with torch.no_grad():
        model.output.bias[model.vocabulary.id_of("the")] = -1e4
    score = evaluate_language_model(model, iterable_corpus(["the the the the"]))
    assert score.perplexity == math.inf
    assert json.loads(json.dumps(score.as_dict(), allow_nan=False))["perplexity"] is None


@pytest.mark.parametrize("lines", [[], [""], ["", ""]])
def test_a_text_without_tokens_is_refused(lines):
    with pytest.raises(InputError, match="the iterable is empty"):
        evaluate_language_model(model_of("word"), iterable_corpus(lines))


@pytest.mark.parametrize("rows", [0, -1])
def test_too_few_rows_are_refused(rows):
    with pytest.raises(ConfigError, match=f"batch_size is {rows}: expected a whole number of at least 1"):
        evaluate_language_model(model_of("word"), iterable_corpus(["the cat"]), batch_size=rows)
