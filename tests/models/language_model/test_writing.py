"""What a model writes, beside running it over the whole text so far for each token."""

import itertools

import pytest
import torch
from tests.models.tiny import language_model, vocabulary_of

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.writer import SPACE
from lexloom.errors import ConfigError, InputError, UnknownWordError
from lexloom.models.language_model.writing import encode_prompt, next_tokens, write_text_from
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer

GREEDY = SamplingConfig(temperature=0)
WORDS = ("the", "cat", "sat", "on", "mat", "end")
PARTS = {
    "lstm": {},
    "gru, deep": {"recurrent": {"cell": "gru", "num_layers": 3}},
    "rnn, scratch": {"recurrent": {"cell": "rnn", "implementation": "scratch"}},
    "adaptive": {"model": {"softmax": "adaptive", "cutoffs": (2, 5), "div_value": 2.0}},
    "one-hot": {"embedding": {"embedding": "one-hot"}},
    "dropouts": {"model": {"dropout": 0.5}, "embedding": {"word_dropout": 0.5}, "recurrent": {"weight_drop": 0.5}},
}


def word_model(**parts):
    return language_model(vocabulary_of(*WORDS), make_tokenizer(TokenizerConfig(tokenizer="whitespace")), seed=3, **parts)


def character_model(characters=f"{SPACE}etahcsonmd", seed=3):
    tokenizer = make_tokenizer(TokenizerConfig(tokenizer="characters"))
    return language_model(vocabulary_of(*characters), tokenizer, seed=seed, model={"level": "character"})


def text_of(model, *arguments, **options):
    return "".join(write_text_from(model, *arguments, **options))


@torch.no_grad()
def distribution(model, tokens, *, written=True):
    """Of the token after these, which are all read from a state of zeros: (V,); where it is to be written, without `<unk>`."""
    ids = torch.tensor([[model.vocabulary.id_of(token) for token in tokens]])
    out, _ = model.eval().hidden(ids)
    chances = model.output.log_probs(out[:, -1])[0].exp()
    if written:
        chances[model.vocabulary.unk_id] = 0
    return chances / chances.sum()


def greedy_by_hand(model, tokens, length):
    for _ in range(length):
        tokens = [*tokens, model.vocabulary.tokens[int(distribution(model, tokens).argmax())]]
    return tokens


# ---- continuations -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("prompt", ["", "cat", "the cat sat on", "the end\nthe cat", "the end\n"])
def test_greedy_text_is_that_of_running_the_model_over_all_of_it(parts, prompt):
    model = word_model(**parts)
    before = ["<eos>", *prompt.replace("\n", " <eos> ").split()]
    tokens = greedy_by_hand(model, before, 15)[len(before) :]
    line_begins = [token == "<eos>" for token in [before[-1], *tokens]]
    expected = "".join("\n" if t == "<eos>" else t if begins else " " + t for t, begins in zip(tokens, line_begins, strict=False))
    assert text_of(model, prompt, GREEDY, length=15) == expected


@pytest.mark.parametrize("prompt", ["c", "the cat", "e\na", " "])
def test_characters_go_on_without_a_beginning_of_line(prompt):
    model = character_model()
    before = ["<eos>" if character == "\n" else SPACE if character == " " else character for character in prompt]
    tokens = greedy_by_hand(model, before, 20)[len(before) :]
    assert text_of(model, prompt, GREEDY, length=20) == "".join(tokens).replace("<eos>", "\n").replace(SPACE, " ")


def test_an_empty_prompt_is_the_beginning_of_a_line():
    model = character_model()
    assert text_of(model, "", GREEDY, length=9) == text_of(model, "\n", GREEDY, length=9)


def test_the_same_seed_writes_the_same_and_another_another():
    model = word_model()
    first, again, other = (text_of(model, "the", SamplingConfig(seed=seed), length=30) for seed in (1, 1, 2))
    assert first == again != other


def test_the_global_random_numbers_change_nothing():
    model = word_model()
    torch.manual_seed(1)
    first = text_of(model, "the", length=10)
    torch.manual_seed(2)
    assert text_of(model, "the", length=10) == first


def test_each_token_is_handed_out_when_it_is_drawn():
    parts = write_text_from(word_model(), "the", SamplingConfig(seed=5), length=10**9)
    assert len(list(itertools.islice(parts, 7))) == 7


def test_sampled_words_come_as_often_as_the_model_says():
    model = word_model()
    expected = distribution(model, ["<eos>", "the"])
    drawn = [text_of(model, "the", SamplingConfig(seed=seed), length=1).strip() or "<eos>" for seed in range(300)]
    for token in ("<eos>", *WORDS):
        share = float(expected[model.vocabulary.id_of(token)])
        assert abs(drawn.count(token) / 300 - share) < 4 * (share * (1 - share) / 300) ** 0.5 + 1e-3


@pytest.mark.parametrize("length", [0, 1, 5])
def test_so_many_tokens_are_added(length):
    assert len(text_of(character_model(), "the", length=length)) == length


def test_unk_is_never_written():
    model = word_model()
    with torch.no_grad():
        model.output.bias[model.vocabulary.unk_id] = 20.0
    assert next_tokens(model, "the", 1)[0].token == "<unk>"
    for sampling in (SamplingConfig(), GREEDY, SamplingConfig(top_k=1), SamplingConfig(top_p=0.5)):
        assert "<unk>" not in text_of(model, "the", sampling, length=50)


# ---- where it stops ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["\n", "e", "at", "o t"])
def test_the_text_ends_where_it_holds_the_stop(stop):
    whole = text_of(character_model(), "the", SamplingConfig(seed=4), length=3000)
    assert stop in whole
    assert text_of(character_model(), "the", SamplingConfig(seed=4), length=3000, stop=stop) == whole[: whole.index(stop) + len(stop)]


@pytest.mark.parametrize("prompt", [None, ["the"], b"the", "\ud800"], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(prompt):
    with pytest.raises(InputError, match="the prompt is "):
        text_of(character_model(), prompt)
    with pytest.raises(InputError, match="the prompt is "):
        next_tokens(character_model(), prompt)


def test_an_unknown_way_with_unknown_parts_is_refused():
    with pytest.raises(ConfigError, match="unknown is 'ignore': expected one of error, replace"):
        text_of(character_model(), "the", unknown="ignore")


def test_a_stop_in_the_prompt_stops_nothing():
    assert len(text_of(character_model("a"), "aaa", length=5, stop="aaaa")) >= 4


def test_a_stop_amid_a_word_ends_after_the_word():
    whole = text_of(word_model(), "the", SamplingConfig(seed=2), length=200)
    cut = text_of(word_model(), "the", SamplingConfig(seed=2), length=200, stop="ca")
    assert cut.endswith("cat") and whole.startswith(cut) and cut.count("ca") == 1


@pytest.mark.parametrize(("options", "message"), [({"length": -1}, "length is -1"), ({"stop": ""}, "stop is empty")])
def test_a_length_and_a_stop_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        next(write_text_from(word_model(), "the", **options))


# ---- prompts -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "ids"), [("", [1]), ("the cat", [1, 2, 3]), ("the\ncat", [1, 2, 1, 3]), ("the\n", [1, 2, 1]), ("  the", [1, 2])]
)
def test_words_begin_after_an_end_of_line(prompt, ids):
    assert encode_prompt(word_model(), prompt, "error").tolist() == ids


@pytest.mark.parametrize(("prompt", "ids"), [("", [1]), ("the", [4, 6, 3]), (" e", [2, 3]), ("e\n", [3, 1])])
def test_characters_begin_as_they_are(prompt, ids):
    assert encode_prompt(character_model(), prompt, "error").tolist() == ids


@pytest.mark.parametrize(
    ("model", "prompt", "part"),
    [
        (word_model, "the dog sat", "'dog' (token 2)"),
        (word_model, "the\nzebra", "'zebra' (token 3)"),
        (character_model, "thé", "'é' (token 3)"),
    ],
    ids=["word", "second line", "character"],
)
def test_an_unknown_part_of_a_prompt_is_named(model, prompt, part):
    with pytest.raises(UnknownWordError) as caught:
        next(write_text_from(model(), prompt))
    assert f"the prompt has {part}, which is out of vocabulary; give --unknown replace" in str(caught.value)
    with pytest.raises(UnknownWordError):
        next_tokens(model(), prompt)


def test_unknown_parts_are_read_as_unk_where_asked():
    model = word_model()
    assert encode_prompt(model, "the dog sat", "replace").tolist() == [1, 2, 0, 4]
    expected = greedy_by_hand(model, ["<eos>", "the", "<unk>"], 1)[-1]
    assert text_of(model, "the dog", GREEDY, length=1, unknown="replace").strip() == expected.replace("<eos>", "")


# ---- the next token ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("prompt", ["", "the cat sat"])
def test_the_next_tokens_are_the_softmax_of_the_model(parts, prompt):
    model = word_model(**parts)
    expected = distribution(model, ["<eos>", *prompt.split()], written=False)
    found = next_tokens(model, prompt, k=100)
    assert len(found) == len(model.vocabulary)
    assert sum(token.probability for token in found) == pytest.approx(1)
    assert [token.probability for token in found] == sorted((token.probability for token in found), reverse=True)
    for token, probability in found:
        assert probability == pytest.approx(float(expected[model.vocabulary.id_of(token)]), rel=1e-4)
    assert next_tokens(model, prompt, k=2) == found[:2]


def test_none_of_the_next_tokens_is_refused():
    with pytest.raises(ConfigError, match="k is 0"):
        next_tokens(word_model(), "the", k=0)
