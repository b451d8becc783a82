import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, FormatError
from lexloom.text.vocabulary import TypeCounts, Vocabulary, VocabularyConfig, choose_vocabulary, special_tokens


@settings(max_examples=50, deadline=None)
@given(
    tokens=st.lists(st.sampled_from(["a", "b", "c", "<unk>", "d", "<pad>"]), max_size=40),
    min_count=st.integers(1, 4),
    max_size=st.none() | st.integers(1, 3),
)
def test_the_choice_is_that_of_a_counter(tokens, min_count, max_size):
    counted = Counter(tokens)  # keeps the order of first appearance, and so does its stable sort
    types = TypeCounts(list(counted), np.array(list(counted.values()), np.int64))
    vocabulary, final = choose_vocabulary(types, special_tokens(["pad", "unk"]), min_count=min_count, max_size=max_size)
    frequent = [(token, count) for token, count in counted.most_common() if count >= min_count and token not in ("<unk>", "<pad>")]
    assert vocabulary.tokens == ["<pad>", "<unk>", *(token for token, _ in frequent[:max_size])]
    assert vocabulary.counts.tolist() == [counted["<pad>"], counted["<unk>"], *(count for _, count in frequent[:max_size])]
    assert final.tolist() == [vocabulary.id_of(token) for token in counted]
    dropped = sum(vocabulary.report[reason]["occurrences"] for reason in ("min_count", "max_size"))
    assert vocabulary.counts.sum() + dropped == len(tokens)


@pytest.fixture
def vocabulary():
    tokens = ["<pad>", "<unk>", "the", 'qu"ote', "tab\t", "\u2028"]
    return Vocabulary(tokens, np.arange(6), {"pad": "<pad>", "unk": "<unk>"}, {"min_count": {"types": 3, "occurrences": 4}})


def test_encoding_and_decoding(vocabulary):
    assert vocabulary.encode(["the", "new", "<pad>"]).tolist() == [2, 1, 0]
    assert vocabulary.encode([]).dtype == np.uint32
    assert vocabulary.decode(np.array([2, 1])) == ["the", "<unk>"]
    assert "the" in vocabulary and "new" not in vocabulary and len(vocabulary) == 6


def test_a_vocabulary_is_saved_a_token_a_line_and_loaded_whole(tmp_path, vocabulary):
    vocabulary.save(tmp_path / "v.json")
    loaded = Vocabulary.load(tmp_path / "v.json")
    assert (loaded.tokens, loaded.counts.tolist(), loaded.specials) == (vocabulary.tokens, vocabulary.counts.tolist(), vocabulary.specials)
    assert loaded.report == vocabulary.report and loaded.identity == vocabulary.identity
    assert '"the",' in (tmp_path / "v.json").read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 9}, "version 9"),
        ({"format": "other"}, "its format is 'other'"),
        ({"tokens": ["<unk>", "<unk>"]}, "damaged"),
        ({"tokens": [["<unk>"]]}, "damaged"),
        ({"tokens": ["a"], "counts": [1]}, "damaged"),
        ({"counts": [1]}, "damaged"),
        ({"specials": None}, "damaged"),
    ],
)
def test_a_damaged_vocabulary_is_named(tmp_path, vocabulary, change, message):
    vocabulary.save(tmp_path / "v.json")
    content = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    (tmp_path / "v.json").write_text(json.dumps(content | change))
    with pytest.raises(FormatError, match=rf"v\.json: .*{message}"):
        Vocabulary.load(tmp_path / "v.json")


def test_the_identity_depends_on_tokens_counts_and_roles(vocabulary):
    others = [
        Vocabulary(vocabulary.tokens, vocabulary.counts + 1, vocabulary.specials),
        Vocabulary([*vocabulary.tokens[:-1], "x"], vocabulary.counts, vocabulary.specials),
        Vocabulary(vocabulary.tokens, vocabulary.counts, {"unk": "<unk>"}),
    ]
    assert len({vocabulary.identity, *(other.identity for other in others)}) == 4


@pytest.mark.parametrize(
    ("roles", "existing", "expected"),
    [
        (["unk"], [], {"unk": "<unk>"}),
        (["pad", "bos"], [], {"unk": "<unk>", "pad": "<pad>", "bos": "<bos>"}),
        (["pad", "unk", "bos"], ["[PAD]", "[UNK]", "<s>"], {"pad": "[PAD]", "unk": "[UNK]", "bos": "<s>"}),
    ],
)
def test_special_tokens_are_named_by_role(roles, existing, expected):
    assert list(special_tokens(roles, existing).items()) == list(expected.items())


def test_an_unknown_role_is_refused():
    with pytest.raises(ConfigError, match="'start': expected one of pad"):
        special_tokens(["start"])


@pytest.mark.parametrize("options", [{"min_count": 0}, {"max_size": 0}])
def test_bounds_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        VocabularyConfig(**options)
