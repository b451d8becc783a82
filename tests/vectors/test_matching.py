import json
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from lexloom.errors import FormatError, InputError
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.formats import save_vectors
from lexloom.vectors.matching import Coverage, load_matching
from lexloom.vectors.table import Vectors


def vocabulary(counts: dict[str, int], **specials: str) -> Vocabulary:
    specials = {"unk": "<unk>"} | specials
    tokens = dict.fromkeys(specials.values(), 0) | counts
    return Vocabulary(list(tokens), np.array(list(tokens.values())), specials)


def table(tokens, dim=3, tokenizer=None, seed=0) -> Vectors:
    return Vectors(list(tokens), np.random.default_rng(seed).normal(1, 2, (len(tokens), dim)).astype(np.float32), tokenizer=tokenizer)


def normal(seed=0):
    return np.random.default_rng(seed).standard_normal


def matched(vectors: Vectors, words: Vocabulary, missing="zero", seed=0):
    """Save vectors, and match them to a vocabulary."""
    with tempfile.TemporaryDirectory() as folder:
        save_vectors(vectors, Path(folder) / "vectors")
        return load_matching(str(Path(folder) / "vectors"), words, missing=missing, normal=normal(seed))


# ---- rows --------------------------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef"), min_size=1), st.sampled_from(["mean", "zero"]))
def test_rows_come_by_token_and_gaps_are_filled(words, known_words, missing):
    vectors, words = table(sorted(known_words)), vocabulary(dict.fromkeys(sorted(words), 1))
    weight, known, _ = matched(vectors, words, missing)
    found = [vectors[token] for token in words.tokens if token in vectors]
    model = np.array(found) if found else vectors.matrix
    gap = model.mean(axis=0) if missing == "mean" else np.zeros(3)
    assert weight.dtype == np.float32
    assert known.tolist() == [token in vectors for token in words.tokens]
    for token, row, has_row in zip(words.tokens, weight, known.tolist(), strict=True):
        np.testing.assert_allclose(row, vectors[token] if has_row else gap, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("overlap", [True, False])
def test_random_rows_are_as_wide_as_the_vectors(overlap):
    vectors = table([f"k{number}" for number in range(500)], dim=20)
    words = vocabulary({f"{'k' if overlap and number < 500 else 'u'}{number}": 1 for number in range(1000)})
    weight, known, _ = matched(vectors, words, "random")
    assert int(known.sum()) == (500 if overlap else 0)
    assert float(weight[~known].std()) == pytest.approx(float(vectors.matrix.std()), rel=0.05)
    assert float(weight[~known].mean()) == pytest.approx(0, abs=0.1)


def test_random_rows_come_from_the_generator():
    vectors, words = table("ab"), vocabulary({"a": 1, "z": 1})
    rows = [matched(vectors, words, "random", seed)[0] for seed in (1, 1, 2)]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_a_zero_row_counts_as_missing():
    vectors = table("ab")
    vectors.matrix[1] = 0
    weight, known, _ = matched(vectors, vocabulary({"a": 1, "b": 1}), "random")
    assert known.tolist() == [False, True, False]
    assert weight[2].any()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_row_without_finite_numbers_is_refused_by_file_and_token(tmp_path, value):
    (tmp_path / "v.txt").write_text(f"a 1 {value}\nb 1 2\n")
    with pytest.raises(FormatError, match=r"v\.txt: the vector of 'a' has a number that is not finite \(1 such"):
        load_matching(str(tmp_path / "v.txt"), vocabulary({"a": 1, "b": 1}), missing="zero", normal=normal())


def test_a_broken_row_that_is_not_wanted_does_no_harm(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 nan\nb 1 2\n")
    load_matching(str(tmp_path / "v.txt"), vocabulary({"b": 1}), missing="zero", normal=normal())


def test_a_file_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError):
        load_matching(str(tmp_path / "none"), vocabulary({"a": 1}), missing="zero", normal=normal())


@pytest.mark.parametrize("name", ["folder", "v.txt", "v.bin.gz", "v.parquet"])
def test_any_format_gives_the_rows_and_their_coverage(tmp_path, name):
    vectors, words = table("abcd"), vocabulary({"a": 5, "d": 3, "z": 2})
    save_vectors(vectors, tmp_path / name)
    weight, known, found = load_matching(str(tmp_path / name), words, missing="mean", normal=normal())
    mean = (vectors["a"] + vectors["d"]) / 2
    np.testing.assert_allclose(weight, [mean, vectors["a"], vectors["d"], mean], rtol=1e-5)
    assert known.tolist() == [False, True, True, False]
    assert found == Coverage(types=3, known_types=2, tokens=10, known_tokens=8)


def test_without_any_match_the_scale_is_that_of_the_source(tmp_path):
    save_vectors(table([f"k{number}" for number in range(300)], dim=10), tmp_path / "folder")
    words = vocabulary({f"u{number}": 1 for number in range(300)})
    weight, known, found = load_matching(str(tmp_path / "folder"), words, missing="random", normal=normal())
    assert not known.any()
    assert float(weight.std()) == pytest.approx(2, rel=0.1)
    assert "0.0% of the tokens" in found.warning


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_once(tmp_path):
    save_vectors(table(["x", "y"]), tmp_path / "v.txt")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "v.txt").read_bytes()))
    writer.start()
    _, known, found = load_matching(str(pipe), vocabulary({"X": 1}), missing="random", normal=normal())
    writer.join()
    assert not known.any()
    assert "--lowercase" in found.warning


# ---- coverage ----------------------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9)), st.sets(st.sampled_from("abcdefgh"), min_size=1), st.integers(0, 3))
def test_coverage_counts_what_a_text_has(counts, known_words, eos):
    words = vocabulary({"<eos>": eos} | counts, eos="<eos>")
    vectors = table(sorted(known_words))
    found = matched(vectors, words)[2]
    text = [token for token, count in zip(words.tokens, words.counts.tolist(), strict=True) for _ in range(count)]
    types = [*counts, *(["<eos>"] if eos else [])]
    assert (found.types, found.known_types) == (len(types), sum(token in known_words for token in types))
    assert (found.tokens, found.known_tokens) == (len(text), sum(token in known_words for token in text))
    assert found.likely == (found.warning is None)


TEXT = {"The": 50, "Dog": 30, "Cat": 15, "xyz": 5}
LOWER = make_tokenizer(TokenizerConfig(lowercase=True)).json


def subwords() -> str:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "th": 1, "##e": 2, "do": 3, "##g": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str()


WARNINGS = {
    "lower case": (TEXT, table(["the", "dog", "cat"]), "only 0.0% of the tokens of the text have a vector; 95.0% would have one in lower"),
    "what to do": (TEXT, table(["the", "dog", "cat"]), "train with --lowercase"),
    "a part in lower case": (TEXT, table(["The", "dog"][1:]), "; 30.0% would have one in lower case"),
    "capitals": ({"haus": 9, "hund": 1}, table(["Haus", "Hund"]), "100.0% would have one with a capital: train without --lowercase"),
    "accents": ({"été": 9, "à": 1}, table(["ete", "a"]), "train with --strip-accents"),
    "punctuation": ({"dog,": 6, "(cat)": 4}, table(["dog", "cat"]), "without the punctuation on them: train with --tokenizer words"),
    "both": ({"Dog,": 6, "(Cat)": 4}, table(["dog", "cat"]), "train with --lowercase --tokenizer words"),
    "marked": ({"▁dog": 6, "▁cat": 4}, table(["dog", "cat"]), "the vectors seem to be of whole words: train on words"),
    "unmarked": ({"dog": 6, "cat": 4}, table(["▁dog", "▁cat"]), "with ▁ before them, so the vectors seem to be of subwords"),
    "own words": ({"dog-cat": 6, "cat's": 4}, table(["dog", "-", "cat", "'", "s"], tokenizer=LOWER), "tokenizer.json of the vectors"),
    "own subwords": (
        {"the": 6, "dog": 4},
        table(["[UNK]", "th", "##e", "do", "##g"], tokenizer=subwords()),
        "tokenizer.json of the vectors",
    ),
    "no subwords": ({"qqq": 6, "zzz": 4}, table(["[UNK]", "th", "##e", "do", "##g"], tokenizer=subwords()), "neither another case"),
    "simple first": (TEXT, table(["the", "dog", "cat"], tokenizer=LOWER), "in lower case: train with --lowercase"),
    "characters": ({"e": 6, "t": 4}, table(["dog", "cat"]), "single characters; where the vectors are of words, train on words"),
    "another language": ({"hund": 6, "katze": 4}, table(["dog", "cat"]), "neither another case nor another tokenizer would change that"),
    "nothing counted": ({"Dog": 0, "Cat": 0}, table(["dog"]), "only 0.0% of the types have a vector; 50.0% would have one in lower case"),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_an_unlikely_match_says_what_to_try(case):
    counts, vectors, message = WARNINGS[case]
    words = vocabulary(counts)
    found = matched(vectors, words)[2]
    assert not found.likely
    assert message in found.warning
    assert "\n" not in found.warning


def test_a_likely_match_has_no_warning():
    vectors, words = table(["the", "dog"]), vocabulary({"the": 5, "Dog": 5})
    assert matched(vectors, words)[2].warning is None


def test_a_vocabulary_of_nothing_but_unk_has_no_warning():
    vectors, words = table("a"), vocabulary({})
    found = matched(vectors, words)[2]
    assert (found.types, found.share, found.warning) == (0, 0.0, None)


def test_coverage_is_plain_json():
    assert json.loads(json.dumps(Coverage(3, 2, 10, 8).as_dict())) == {
        "types": 3,
        "known_types": 2,
        "tokens": 10,
        "known_tokens": 8,
        "warning": None,
    }
