"""Which options of a language model fit together."""

import pytest
from tests.models.tiny import language_model

from lexloom.errors import ConfigError
from lexloom.models.language_model.options import LanguageTokenizerConfig, WindowConfig, tokenizer_for
from lexloom.text.tokenizers import TokenizerConfig


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": {"level": "sentence"}}, "level is 'sentence': expected one of character, word, subword"),
        ({"model": {"softmax": "sparse"}}, "softmax is 'sparse'"),
        ({"model": {"dropout": 1.0}}, "dropout is 1.0"),
        ({"model": {"input_dropout": -0.1}}, "input_dropout is -0.1"),
        ({"model": {"output_dropout": float("nan")}}, "output_dropout is nan"),
        ({"model": {"activation_penalty": -1.0}}, "activation_penalty is -1.0"),
        ({"model": {"temporal_penalty": float("inf")}}, "temporal_penalty is inf"),
        ({"model": {"div_value": 0.5}}, "div_value is 0.5"),
        ({"model": {"num_sampled": 1}}, "num_sampled is 1: expected a whole number of at least 2"),
        ({"model": {"softmax": "adaptive", "num_sampled": 8}}, "num_sampled belongs to the full or tied softmax, not to the adaptive one"),
        ({"model": {"cutoffs": (2,)}}, "cutoffs belong to the adaptive softmax, not to full"),
        ({"model": {"softmax": "adaptive", "cutoffs": (9, 4)}}, "cutoffs 9, 4: expected ascending numbers"),
        ({"model": {"softmax": "adaptive", "cutoffs": (22,)}}, "from 1 to 21"),
        ({"model": {"softmax": "adaptive", "div_value": 4.0}}, "the last cluster would have less than one dimension of the hidden 12"),
        ({"model": {"softmax": "tied"}, "embedding": {"embedding": "one-hot"}}, "a tied softmax needs an embedding matrix"),
        ({"model": {"softmax": "tied"}, "embedding": {"max_norm": 1.0}}, "max_norm shortens rows when they are looked up"),
        ({"model": {"softmax": "tied"}, "embedding": {"sparse": True}}, "leave out sparse, or do not tie them"),
        (
            {"embedding": {"embedding": "one-hot", "embedding_dim": 5}},
            "one-hot input is as long as the vocabulary, 22",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(parts, message):
    with pytest.raises(ConfigError, match=message):
        language_model(**parts)


@pytest.mark.parametrize(
    "field", [{"batch_size": 0}, {"bptt": 0}, {"sample_every": 0}, {"windows": "shuffled"}], ids=lambda field: next(iter(field))
)
def test_windows_that_cannot_be_are_refused(field):
    with pytest.raises(ConfigError, match=f"{next(iter(field))} is"):
        WindowConfig(**field)


@pytest.mark.parametrize(("level", "chosen"), [("character", "characters"), ("word", "words"), ("subword", "bpe")])
def test_the_level_chooses_the_tokenizer(level, chosen):
    assert tokenizer_for(level, LanguageTokenizerConfig(lowercase=True)).tokenizer == chosen
    assert tokenizer_for(level, LanguageTokenizerConfig(lowercase=True)).lowercase
    assert tokenizer_for(level, TokenizerConfig(tokenizer=chosen)).tokenizer == chosen


@pytest.mark.parametrize(
    ("level", "tokenizer", "better"),
    [
        ("character", "words", "word"),
        ("character", "bpe", "subword"),
        ("word", "characters", "character"),
        ("word", "unigram", "subword"),
        ("subword", "words", "word"),
        ("subword", "whitespace", "word"),
    ],
)
def test_a_tokenizer_of_another_level_is_refused(level, tokenizer, better):
    with pytest.raises(ConfigError, match=f"tokenizer {tokenizer} does not fit level {level}; give --level {better}"):
        tokenizer_for(level, TokenizerConfig(tokenizer=tokenizer))


@pytest.mark.parametrize(("level", "tokenizer"), [("word", "whitespace"), ("word", "jieba"), ("word", "my.json"), ("subword", "unigram")])
def test_other_tokenizers_of_the_level_are_taken(level, tokenizer):
    assert tokenizer_for(level, TokenizerConfig(tokenizer=tokenizer)).tokenizer == tokenizer
