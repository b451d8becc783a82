import itertools
import sys
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.text.twin import split_tokens
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from lexloom.text.splitting import _NFC_MAY_CHANGE, make_splitter
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
telling_text = st.text(
    st.sampled_from("aB zΣσς.,'_-1\u0301\u0323\u0307İßéÉＡﬁ²…–中か\u3099가ᅡᆨ\u0e33\u200d\u00a0\u1e9b\u0345Ωẞ\u2581<\U0001d400\t\n\r"),
    max_size=40,
)
normal_forms = list(itertools.product(["words", "whitespace", "characters"], ["nfc", "nfkc", "none"], [False, True], [False, True]))


@pytest.mark.parametrize(("name", "form", "lowercase", "strip_accents"), normal_forms)
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(any_text | telling_text, max_size=4))
@example(texts=["ΟΔΟΣ ΣΑΣ.", "İ İ\u0307", "e\u0301 E\u0323\u0301", "㌀ ﬁ Ｆ", "ᄀ" + "ᅡ" + "ᆨ", ""])
def test_the_fast_splitter_does_what_the_tokenizer_json_says(name, form, lowercase, strip_accents, texts):
    config = TokenizerConfig(name, lowercase=lowercase, strip_accents=strip_accents, normalization=form)
    json = make_tokenizer(config).json
    fast = make_splitter(json)(pl.Series(texts, dtype=pl.String)).to_list()
    assert fast == [split_tokens(json, text) for text in texts]


USERS_NORMALIZERS = [
    None,
    normalizers.BertNormalizer(),
    normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()]),
    normalizers.Sequence([normalizers.Lowercase(), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])]),
    normalizers.Replace("a", "b"),
]
USERS_PRE_TOKENIZERS = [
    None,
    pre_tokenizers.BertPreTokenizer(),
    pre_tokenizers.Split(" ", "removed"),
    pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits()]),
]


@pytest.mark.parametrize("normalizer", USERS_NORMALIZERS)
@pytest.mark.parametrize("pre_tokenizer", USERS_PRE_TOKENIZERS)
@settings(max_examples=10, deadline=None)
@given(text=any_text | telling_text)
def test_forms_without_a_fast_way_are_split_by_the_library(normalizer, pre_tokenizer, text):
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    json = tokenizer.to_str()
    assert make_splitter(json)(pl.Series([text])).to_list() == [split_tokens(json, text)]


@pytest.mark.parametrize("pattern", [r"\w+|[^\w\s]+", r"\S+"])
def test_both_regex_engines_know_the_same_characters(pattern):
    characters = [f"a{chr(number)}b" for number in range(0x110000) if not 0xD800 <= number < 0xE000]
    lines = pl.Series([" ".join(characters[start : start + 200]) for start in range(0, len(characters), 200)])
    name = "words" if "w" in pattern else "whitespace"
    library = Tokenizer.from_str(make_tokenizer(TokenizerConfig(name)).json).pre_tokenizer
    assert lines.str.extract_all(pattern).to_list() == [[token for token, _ in library.pre_tokenize_str(line)] for line in lines]


def test_nfc_leaves_the_quick_ranges_alone():
    everything = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    quick = pl.Series(everything).filter(~pl.Series(everything).str.contains(_NFC_MAY_CHANGE)).to_list()
    decomposed = [unicodedata.decomposition(character).split() for character in everything]
    second = {chr(int(parts[1], 16)) for parts in decomposed if len(parts) == 2 and not parts[0].startswith("<")}
    second |= {chr(number) for number in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}  # Hangul composes by arithmetic
    assert len(quick) > 30_000
    assert all(unicodedata.is_normalized("NFC", character) and not unicodedata.combining(character) for character in quick)
    assert not second & set(quick)
