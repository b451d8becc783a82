import sys

import polars as pl
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from lexloom.errors import ConfigError, InputError
from lexloom.text.tokenizers import Segmenter, TextTokenizer, TokenizerConfig, learn, make_tokenizer


def split(config, text):
    return make_tokenizer(config).split(pl.Series([text]))[0].to_list()


@pytest.mark.parametrize(
    ("config", "text", "tokens"),
    [
        (TokenizerConfig(), "Don't stop -- 3.5 naïve日本!", ["Don", "'", "t", "stop", "--", "3", ".", "5", "naïve日本", "!"]),
        (TokenizerConfig("whitespace"), " a.b\tc\u00a0d\n", ["a.b", "c", "d"]),
        (TokenizerConfig("characters"), "a b\t中", ["a", "▁", "b", "▁", "中"]),
        (TokenizerConfig(lowercase=True), "ΟΔΟΣ Straße", ["οδοσ", "straße"]),
        (TokenizerConfig(strip_accents=True), "Crème brûlée Ångström", ["Creme", "brulee", "Angstrom"]),
        (TokenizerConfig(normalization="nfkc", lowercase=True), "ﬁne Ｆｕｌｌ", ["fine", "full"]),
        (TokenizerConfig(), "e\u0301", ["é"]),
        (TokenizerConfig(normalization="none"), "e\u0301", ["e\u0301"]),
    ],
)
def test_each_tokenizer_splits_as_it_says(config, text, tokens):
    assert split(config, text) == tokens


def test_jieba_is_recorded_by_name_and_version():
    tokenizer = make_tokenizer(TokenizerConfig("jieba"))
    assert tokenizer.segmenter.name == "jieba" and tokenizer.segmenter.version
    assert tokenizer.split(pl.Series(["我来到北京清华大学。 OK", ""])).to_list() == [["我", "来到", "北京", "清华大学", "。", "OK"], []]


def test_another_version_of_a_segmenter_is_a_warning():
    tokenizer = TextTokenizer(make_tokenizer(TokenizerConfig("whitespace")).json, Segmenter("jieba", "0.1"))
    with pytest.warns(UserWarning, match=r"split by jieba 0\.1, installed is .*pip install jieba==0\.1"):
        assert tokenizer.split(pl.Series(["我来到北京"])).to_list() == [["我", "来到", "北京"]]


def test_a_missing_segmenter_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ConfigError, match="pip install jieba"):
        make_tokenizer(TokenizerConfig("jieba"))


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_subwords_are_learnt_and_encode_without_truncation(name):
    texts = ["the lower the newer the wider, the lowest\tnewest widest"] * 20
    tokenizer = learn(TokenizerConfig(name, vocab_size=40), [texts])
    assert tokenizer.closed
    (ids,) = tokenizer.encode(pl.Series([" ".join(texts)]))
    library = tokenizer.library
    tokens = [library.id_to_token(number) for number in ids]
    assert "".join(tokens).replace("▁", " ").strip() == " ".join(texts).replace("\t", " ")
    assert "<unk>" not in tokens


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_a_small_text_gives_as_many_subwords_as_it_has(name):
    assert learn(TokenizerConfig(name, vocab_size=5000), [["too little text"]]).library.get_vocab_size() < 50


def test_of_a_users_word_level_tokenizer_only_the_splitting_is_kept(tmp_path):
    users = Tokenizer(models.WordLevel({"[UNK]": 0, "known": 1}, unk_token="[UNK]"))
    users.normalizer, users.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit()
    users.enable_truncation(2)
    users.save(str(tmp_path / "tokenizer.json"))
    tokenizer = make_tokenizer(TokenizerConfig(str(tmp_path / "tokenizer.json")))
    assert not tokenizer.closed
    assert tokenizer.split(pl.Series(["Known UNKNOWN words here"]))[0].to_list() == ["known", "unknown", "words", "here"]


@pytest.mark.parametrize("text", ["{", "{}", "not json", ""])
def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match="not a tokenizer"):
        make_tokenizer(TokenizerConfig(str(tmp_path / "t.json")))


def test_an_unknown_name_is_an_error_that_lists_the_names():
    with pytest.raises(ConfigError, match="'wrods': neither a file nor one of words, whitespace"):
        make_tokenizer(TokenizerConfig("wrods"))


@pytest.mark.parametrize("options", [{"lowercase": True}, {"strip_accents": True}, {"normalization": "nfkc"}])
def test_options_that_a_tokenizer_json_decides_itself_are_refused(tmp_path, options):
    (tmp_path / "t.json").write_text(make_tokenizer(TokenizerConfig()).json)
    with pytest.raises(ConfigError, match="says itself"):
        make_tokenizer(TokenizerConfig(str(tmp_path / "t.json"), **options))


@pytest.mark.parametrize("options", [{"normalization": "nfd"}, {"vocab_size": 1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        TokenizerConfig(**options)


def test_the_identity_depends_on_how_text_is_split():
    configs = [TokenizerConfig(), TokenizerConfig("whitespace"), TokenizerConfig(lowercase=True), TokenizerConfig("jieba")]
    assert len({make_tokenizer(config).identity for config in configs}) == len(configs)
    assert make_tokenizer(configs[0]).identity == make_tokenizer(configs[0]).identity
