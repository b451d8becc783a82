"""A trained linear classifier: what it makes of text, and the folder it is kept in."""

import itertools
import json

import numpy as np
import pytest
from tests.models.classifier.linear.corpora import opinions, train, write

from lexloom.errors import ConfigError, FormatError
from lexloom.models.classifier.linear import model as linear_model
from lexloom.models.classifier.linear.model import LinearClassifier
from lexloom.models.loading import load_model
from lexloom.text import blocks
from lexloom.text.corpus import as_corpus, open_corpus

SHAPES = {"words": {"word_ngrams": 1}, "pairs": {"word_ngrams": 2}, "all": {"word_ngrams": 3, "max_char_ngram": 4, "buckets": 5000}}
THREE = [("red", "rose poppy"), ("green", "leaf grass"), ("blue", "sea sky")]
shapes = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write(tmp_path_factory.mktemp("corpus") / "corpus.tsv", opinions(200))


@pytest.fixture(scope="module")
def folders(corpus, tmp_path_factory):
    """A finished folder for each shape."""
    top = tmp_path_factory.mktemp("models")
    for name, linear in SHAPES.items():
        train(corpus, linear=linear, out=top / name)
    return top


@pytest.fixture
def texts(tmp_path):
    """Documents of all lengths, some of them empty or of unknown words, and one too long for a piece."""
    lines = [text for _, text in opinions(60, seed=2)] + ["", "", "nothing known here", "fine", "  ", "😀 größe", "great " * 400, ""]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(line for pair in itertools.zip_longest(lines, lines[::-1]) for line in pair) + "\n")
    return path


def predicted(model, source):
    return np.concatenate([np.empty((0, len(model.labels)), np.float32), *model.predict_blocks(as_corpus(source).blocks())])


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


# ---- predicting ------------------------------------------------------------------------------------------------------------------------


def test_probabilities_are_those_of_the_mean_of_the_rows(folders, texts):
    model = load_model(folders / "words")
    index, unknown = model.vocabulary.index, model.vocabulary.unk_id
    for found, line in zip(predicted(model, texts), texts.read_text().splitlines(), strict=True):
        rows = [index[token] for token in line.split() if index.get(token, unknown) != unknown]
        mean = model.rows[rows].astype(float).sum(0) / max(1, len(rows))
        np.testing.assert_allclose(found, softmax(mean @ model.output[:, :2]), rtol=1e-4, atol=1e-7)


@shapes
def test_small_blocks_predict_the_same_bits_in_the_same_order(folders, texts, shape, monkeypatch):
    model = load_model(folders / shape)
    whole = list(model.predict_blocks(open_corpus(texts).blocks()))
    assert len(whole) == 1
    monkeypatch.setattr("lexloom.text.corpus.BLOCK_BYTES", 100)
    monkeypatch.setattr(blocks, "PIECE_BYTES", 30)
    parts = list(model.predict_blocks(open_corpus(texts).blocks()))
    assert len(parts) > 10
    np.testing.assert_array_equal(np.concatenate(parts), whole[0])
    assert len(whole[0]) == len(texts.read_text().splitlines())


@shapes
@pytest.mark.parametrize("threads", [2, 7])
def test_the_number_of_threads_changes_no_bit(folders, texts, shape, threads, monkeypatch):
    model = load_model(folders / shape)
    model.threads = 1
    wanted = predicted(model, texts)
    monkeypatch.setattr(linear_model, "_JOB", 3)
    model.threads = threads
    np.testing.assert_array_equal(predicted(model, texts), wanted)


@shapes
def test_each_document_is_judged_for_itself(folders, texts, shape):
    model = load_model(folders / shape)
    lines = texts.read_text().splitlines()
    alone = [predicted(model, [line])[0] for line in lines[:30]]
    np.testing.assert_array_equal(predicted(model, texts)[:30], alone)


@shapes
def test_lists_of_tokens_are_judged_like_the_text_that_they_are_of(folders, texts, shape):
    model = load_model(folders / shape)
    lists = [line.split() for line in texts.read_text().splitlines()]
    np.testing.assert_array_equal(predicted(model, lists), predicted(model, texts))


@pytest.mark.parametrize("multi_label", [False, True])
@shapes
def test_a_document_without_a_row_has_the_shares_of_training(tmp_path, shape, multi_label):
    model = train(
        write(tmp_path / "corpus.tsv", opinions(100, share=0.2)),
        linear=SHAPES[shape],
        model={"multi_label": multi_label},
        out=tmp_path / "out",
        batches={"held_out": 0.0},
    )
    for one in (model, load_model(tmp_path / "out")):
        np.testing.assert_allclose(predicted(one, ["", " ", "*"]), [[0.8, 0.2]] * 3)
        assert predicted(one, ["fine great"])[0].argmax() == 1


def test_of_no_documents_nothing_is_predicted(folders, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    assert list(load_model(folders / "all").predict_blocks(open_corpus(tmp_path / "empty.txt").blocks())) == []


def test_characters_let_unknown_words_speak(folders):
    unknown = ["greatest", "dreadfully"]
    for name in ("words", "pairs"):
        np.testing.assert_array_equal(predicted(load_model(folders / name), unknown), 0.5)
    with_characters = predicted(load_model(folders / "all"), unknown)  # bad, good
    assert with_characters[0, 1] > 0.6 and with_characters[1, 0] > 0.6


def test_a_pair_that_training_never_saw_thins_the_mean(tmp_path):
    model = train(write(tmp_path / "corpus.tsv", [("good", "fine x"), ("bad", "poor x")] * 30), linear=SHAPES["pairs"])
    rows = model.rows[[model.vocabulary.index[token] for token in ("x", "fine")]].astype(float)
    [found] = predicted(model, ["x fine"])
    np.testing.assert_allclose(found, softmax(rows.sum(0) / 3 @ model.output[:, :2]), rtol=1e-4)


def test_a_literal_unk_is_an_unknown_word(tmp_path):
    model = train(write(tmp_path / "corpus.tsv", [("good", "<unk> a"), ("bad", "b a")] * 30), linear=SHAPES["pairs"])
    np.testing.assert_array_equal(predicted(model, ["<unk>", "stray"]), 0.5)
    np.testing.assert_array_equal(*np.split(predicted(model, ["b <unk> a", "b stray a"]), 2))


@pytest.mark.parametrize("tokenizer", ["words", "characters", "bpe"])
def test_any_tokenizer_predicts_as_it_was_trained(corpus, tmp_path, tokenizer):
    model = train(corpus, tokenizer=tokenizer, out=tmp_path / "out", linear={"word_ngrams": 3}, training={"epochs": 20})
    held = opinions(40, seed=5)
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{text}\n" for _, text in held))
    found = predicted(model, texts)
    np.testing.assert_array_equal(predicted(load_model(tmp_path / "out"), texts), found)
    assert np.mean([model.labels.names[row.argmax()] == label for row, (label, _) in zip(found, held, strict=True)]) > 0.9


def test_max_tokens_reads_the_beginning_alone(corpus, tmp_path):
    model = train(corpus, model={"max_tokens": 3}, out=tmp_path / "out")
    long, short = predicted(load_model(tmp_path / "out"), ["fine w1 w2" + " awful" * 50, "fine w1 w2"])
    np.testing.assert_array_equal(long, short)
    assert len(model.explain("fine w1 w2 awful awful").tokens) == 3


# ---- explaining ------------------------------------------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("text", ["fine w1 w2 great awful", "lovely", "stray words here", "fine fine stray fine fine"])
@pytest.mark.parametrize("label", ["good", "bad"])
def test_scores_sum_to_the_log_odds_of_one_label_of_two(folders, shape, text, label):
    model = load_model(folders / shape)
    explanation = model.explain(text, label)
    other = model.explain(text, "bad" if label == "good" else "good")
    assert explanation.tokens == text.split()
    assert sum(explanation.scores) == pytest.approx(np.log(explanation.probability / other.probability), rel=1e-4, abs=1e-5)
    assert explanation.probability == pytest.approx(float(predicted(model, [text])[0, model.labels.id_of(label)]), abs=1e-6)


def test_under_sigmoids_scores_sum_to_the_log_odds(corpus):
    model = train(corpus, model={"multi_label": True}, linear=SHAPES["all"])
    for label in ("good", "bad"):
        explanation = model.explain("fine w1 w2 great", label)
        assert sum(explanation.scores) == pytest.approx(np.log(explanation.probability / (1 - explanation.probability)), abs=2e-4)


def test_of_three_labels_scores_sum_to_the_slope_of_the_log_odds(tmp_path):
    model = train(write(tmp_path / "corpus.tsv", THREE * 30), linear=SHAPES["words"])
    mean = model.rows[[model.vocabulary.index[token] for token in ("rose", "sea", "grass")]].astype(float).mean(0)

    def log_odds(scale, number):
        p = softmax(scale * mean @ model.output[:, :3])[number]
        return np.log(p / (1 - p))

    for number, label in enumerate(model.labels.names):
        slope = (log_odds(1 + 1e-5, number) - log_odds(1 - 1e-5, number)) / 2e-5
        assert sum(model.explain("rose sea grass", label).scores) == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_marks_speak_for_their_label_and_against_the_other(folders):
    for name in SHAPES:
        explanation = load_model(folders / name).explain("w1 fine w2 awful", "good")
        _, fine, _, awful = explanation.scores
        assert fine > 0.3 and awful < -0.3


def test_the_likeliest_label_is_explained_unless_another_is_named(folders):
    model = load_model(folders / "pairs")
    assert (model.explain("fine great").label, model.explain("awful poor").label) == ("good", "bad")
    assert model.explain("fine great", "bad").probability < 0.5


def test_unknown_words_neither_speak_nor_hide(folders):
    explanation = load_model(folders / "pairs").explain("stray fine stray")
    assert explanation.tokens == ["stray", "fine", "stray"]
    assert explanation.scores[0] == explanation.scores[2] == 0 < explanation.scores[1]


@shapes
def test_an_empty_text_has_no_scores_and_the_shares_of_training(folders, shape):
    explanation = load_model(folders / shape).explain("")
    assert (explanation.tokens, explanation.scores, explanation.probability) == ([], [], 0.5)


def test_broken_unicode_is_explained_too(folders):
    explanation = load_model(folders / "all").explain("fine \ud800 great")
    assert explanation.tokens[0] == "fine" and len(explanation.scores) == len(explanation.tokens)


def test_a_label_that_there_is_not_is_refused(folders):
    with pytest.raises(ConfigError, match="did you mean 'good'"):
        load_model(folders / "words").explain("fine", "goood")


# ---- saving and loading ------------------------------------------------------------------------------------------------------------------


@shapes
def test_a_loaded_model_predicts_the_same_bits(corpus, texts, tmp_path, shape):
    model = train(corpus, linear=SHAPES[shape], out=tmp_path / "out")
    for loaded in (load_model(tmp_path / "out"), load_model(tmp_path / "out")):
        assert isinstance(loaded, LinearClassifier)
        np.testing.assert_array_equal(predicted(loaded, texts), predicted(model, texts))
        assert loaded.explain("fine w1").as_dict() == model.explain("fine w1").as_dict()


def test_a_model_saved_again_is_the_same_file(folders, tmp_path):
    load_model(folders / "all").save(tmp_path, {})
    for name in ("model.safetensors", "vocabulary.json", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (folders / "all" / name).read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "vocabulary.json", "tokenizer.json", "lexloom.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_a_damaged_file_is_reported(corpus, tmp_path, name, damage):
    train(corpus, out=tmp_path / "out", training={"epochs": 1})
    path = tmp_path / "out" / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        place = 5 if name == "lexloom.json" else len(content) - 40  # a header has no checksum of itself
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:place] + b"x" + content[place + 1 :])
    with pytest.raises(FormatError, match="out"):
        load_model(tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        lambda options: options.update(dim=11),
        lambda options: options.pop("linear"),
        lambda options: options["labels"]["names"].append("third"),
    ],
    ids=["another dim", "no features", "a label more"],
)
def test_options_that_do_not_fit_the_arrays_are_damage(corpus, tmp_path, change):
    train(corpus, out=tmp_path / "out", training={"epochs": 1})
    path = tmp_path / "out/lexloom.json"
    head = json.loads(path.read_text())
    change(head["options"])
    path.write_text(json.dumps(head))
    with pytest.raises(FormatError, match="out"):
        predicted(load_model(tmp_path / "out"), ["fine w1"])
