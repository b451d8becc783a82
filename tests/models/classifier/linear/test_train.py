"""Linear classifiers trained, as their user sees it: what is learnt, the folder, and its rules."""

import json
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from tests.models.classifier.linear.corpora import opinions, train, write

from lexloom.errors import ConfigError, DivergedRun, InputError, InterruptedRun
from lexloom.model_folder import describe_model
from lexloom.models.classifier.answers import decide
from lexloom.models.classifier.linear.kernel import train_kernel
from lexloom.models.classifier.scores import evaluate_classifier, tune_thresholds
from lexloom.models.loading import load_model
from lexloom.text.corpus import as_corpus
from lexloom.text.labels import open_labelled
from lexloom.training.reporter import Reporter

RESULT_FILES = ["model.safetensors", "vocabulary.json", "tokenizer.json"]
TOPICS = {"sea": "wave tide", "air": "wind cloud", "land": "hill field"}


@pytest.fixture
def corpus(tmp_path):
    return write(tmp_path / "corpus.tsv", opinions(200))


@pytest.fixture
def fresh(tmp_path):
    return write(tmp_path / "fresh.tsv", opinions(100, seed=2))


def predicted(model, texts):
    return np.concatenate(list(model.predict_blocks(as_corpus(texts).blocks())))


def accuracy(model, path):
    return evaluate_classifier(model, open_labelled(path)).accuracy


def bits(folder):
    return {name: (folder / name).read_bytes() for name in RESULT_FILES}


def log(folder):
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def topics(number):
    """Documents with one to three labels each, and the words of each label."""
    random = np.random.default_rng(1)
    drawn = [random.permutation(list(TOPICS))[: random.integers(1, 4)] for _ in range(number)]
    return [("|".join(names), " ".join(TOPICS[name] for name in names) + " w1 w2") for names in drawn]


# ---- what is learnt -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("linear", [{"word_ngrams": 1}, {"word_ngrams": 3, "max_char_ngram": 4}], ids=["words", "all"])
def test_opinions_are_learnt_with_any_number_of_threads(corpus, fresh, threads, linear, monkeypatch):
    monkeypatch.setattr("lexloom.models.classifier.linear.train._JOB", 100)
    assert accuracy(train(corpus, linear=linear, training={"threads": threads, "epochs": 10}), fresh) > 0.97


def test_the_loss_falls_and_the_rate_ends_at_zero(corpus, tmp_path):
    train(corpus, out=tmp_path / "out", training={"epochs": 6})
    records = log(tmp_path / "out")
    losses = [record["train_loss"] for record in records]
    assert losses == sorted(losses, reverse=True) and losses[0] <= np.log(2) * 1.1
    np.testing.assert_allclose([record["learning_rate"] for record in records], 0.5 * (1 - np.arange(1, 7) / 6), atol=1e-12)


def test_documents_in_the_order_of_their_labels_are_shuffled(tmp_path, fresh):
    pairs = sorted(opinions(1000))
    assert accuracy(train(write(tmp_path / "sorted.tsv", pairs), training={"epochs": 1}), fresh) > 0.9


def test_balanced_weights_find_more_of_a_rare_label(tmp_path):
    rare = [(label, "w1 w2 w3" if number % 4 else "w4") for number, label in enumerate(["bad"] * 90 + ["good"] * 10)]
    path = write(tmp_path / "rare.tsv", rare)
    shares = [predicted(train(path, model={"class_weights": weights}), ["w1 w2 w3"])[0, 1] for weights in ("none", "balanced")]
    assert shares[0] < 0.25 < 0.35 < shares[1] < 0.65


def test_smoothing_keeps_probabilities_from_the_ends(corpus):
    text = next(text for label, text in opinions(1) if label == "good")
    sure, unsure = (
        predicted(train(corpus, model={"label_smoothing": share}, training={"epochs": 30}), [text])[0, 1] for share in (0.0, 0.4)
    )
    assert sure > 0.97 and 0.7 < unsure < 0.9


def test_a_label_with_blanks_is_one_label(tmp_path):
    pairs = [(label.replace("good", "very good indeed"), text) for label, text in opinions(100)]
    model = train(write(tmp_path / "corpus.tsv", pairs))
    assert model.labels.names == ("bad", "very good indeed")
    assert model.explain("fine", "very good indeed").probability > 0.5


def test_max_tokens_hides_what_comes_after(tmp_path):
    pairs = [(label, "w1 w2 " + ("fine" if label == "good" else "poor")) for label in ("good", "bad") * 50]
    path = write(tmp_path / "corpus.tsv", pairs)
    np.testing.assert_allclose(predicted(train(path, model={"max_tokens": 2}), ["w1 w2", "fine"])[0], 0.5, atol=0.05)
    assert predicted(train(path), ["fine"])[0, 1] > 0.9


def test_a_document_of_many_tokens_is_learnt_and_judged(tmp_path):
    draw = np.random.default_rng(0)
    long = " ".join(f"v{number}" for number in draw.zipf(1.3, 100_000).clip(1, 5000))
    model = train(
        write(tmp_path / "corpus.tsv", [*opinions(100), ("good", f"{long} fine"), ("bad", f"{long} poor")]), training={"epochs": 20}
    )
    found = predicted(model, [long, "fine " * 100_000, "poor " * 100_000])
    assert np.isfinite(found).all()
    assert found[1, 1] > 0.9 and found[2, 0] > 0.9


# ---- several labels -------------------------------------------------------------------------------------------------------------------


def test_several_labels_are_learnt_and_known_by_themselves(tmp_path):
    model = train(write(tmp_path / "topics.tsv", topics(300)), separator="|", training={"epochs": 20})
    assert model.labels.multi_label and model.labels.names == ("air", "land", "sea")
    found = decide(
        predicted(model, ["wave tide", "wave tide hill field w1", "wind cloud wave tide hill field"]), model.thresholds, multi_label=True
    )
    assert found.tolist() == [[False, False, True], [False, True, True], [True, True, True]]


def test_thresholds_are_those_that_fit_the_validation_documents_best(tmp_path):
    path, other = write(tmp_path / "topics.tsv", topics(60)), write(tmp_path / "other.tsv", topics(40))
    model = train(path, separator="|", valid=open_labelled(other, separator="|"), training={"epochs": 2}, out=tmp_path / "out")
    documents = pl.concat(open_labelled(other, separator="|").blocks())
    wanted = tune_thresholds(predicted(model, documents["text"].to_list()), model.labels.encode(documents["labels"]))
    np.testing.assert_array_equal(model.thresholds, wanted)
    np.testing.assert_array_equal(load_model(tmp_path / "out").thresholds, wanted)
    assert (wanted != 0.5).any()


def test_the_validation_accuracy_of_the_result_is_that_with_its_thresholds(tmp_path):
    path, other = write(tmp_path / "topics.tsv", topics(60)), write(tmp_path / "other.tsv", topics(40))
    valid = open_labelled(other, separator="|")
    model = train(path, separator="|", valid=valid, training={"epochs": 2}, out=tmp_path / "out")
    scores = describe_model(tmp_path / "out")["scores"]
    assert scores["valid_accuracy"] == pytest.approx(evaluate_classifier(model, valid).accuracy)
    assert scores["valid_accuracy"] != log(tmp_path / "out")[-1]["valid_accuracy"]  # which has thresholds of one half


@pytest.mark.parametrize(("given", "kept"), [({"threshold": 0.3}, 0.3), ({}, 0.5)])
def test_thresholds_are_not_tuned_when_given_or_where_nothing_is_held_out(tmp_path, given, kept):
    path = write(tmp_path / "topics.tsv", topics(60))
    model = train(path, separator="|", model=given, batches={"held_out": 0.1 if given else 0}, out=tmp_path / "out")
    np.testing.assert_array_equal(load_model(tmp_path / "out").thresholds, np.float32([kept] * 3))
    np.testing.assert_array_equal(model.thresholds, np.float32([kept] * 3))


def test_several_labels_where_there_may_be_one_are_refused(tmp_path):
    path = write(tmp_path / "topics.tsv", topics(60))
    with pytest.raises(InputError, match=r"has several labels .* give --multi-label"):
        train(path, separator="|", model={"multi_label": False})


def test_documents_with_one_label_each_can_be_judged_label_by_label(corpus, fresh):
    model = train(corpus, model={"multi_label": True}, training={"epochs": 10})
    assert model.labels.multi_label
    assert accuracy(model, fresh) > 0.9


# ---- what is held out -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.1, 20), (0.25, 50)])
def test_a_share_is_held_out_of_training(corpus, tmp_path, share, held):
    told = []
    train(corpus, batches={"held_out": share}, out=tmp_path / "out", reporter=Reporter(prepared=lambda facts: told.append(facts["corpus"])))
    assert (told[0]["documents"], told[0]["valid_documents"]) == (200 - held, held)
    facts, records = describe_model(tmp_path / "out")["corpus"], log(tmp_path / "out")
    assert (facts["documents"], facts["valid_documents"], facts["held_out"]) == (200 - held, held, held > 0)
    assert all((record["valid_accuracy"] is None) == (held == 0) for record in records)
    assert {record["documents"] for record in records} == {200 - held}


def test_validation_says_what_evaluation_says(corpus, fresh, tmp_path):
    model = train(corpus, valid=open_labelled(fresh), test=open_labelled(fresh), out=tmp_path / "out", training={"epochs": 3})
    last, head = log(tmp_path / "out")[-1], describe_model(tmp_path / "out")
    probabilities = predicted(model, [line.split("\t")[1] for line in fresh.read_text().splitlines()])
    true = np.array([line.startswith("good") for line in fresh.read_text().splitlines()], int)
    assert last["valid_accuracy"] == head["test"]["accuracy"] == (probabilities.argmax(1) == true).mean()
    assert last["valid_loss"] == pytest.approx(-np.log(probabilities[np.arange(100), true]).mean(), rel=1e-5)
    assert head["corpus"]["documents"] == 200
    assert head["scores"] == last


def test_a_label_of_validation_that_training_never_saw_is_an_error(corpus, tmp_path):
    valid = write(tmp_path / "valid.tsv", [("good", "fine"), ("new", "fine")])
    train(corpus, valid=open_labelled(valid), out=tmp_path / "out", training={"epochs": 10})
    assert log(tmp_path / "out")[-1]["valid_accuracy"] == 0.5
    assert np.isfinite(log(tmp_path / "out")[-1]["valid_loss"])


# ---- vectors to begin with ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("4 10\nfine" + " 0.5" * 10 + "\ngreat" + " 0.4" * 10 + "\npoor" + " -0.5" * 10 + "\nelsewhere" + " 9" * 10 + "\n")
    return str(path)


def test_rows_begin_as_the_vectors_that_are_given(corpus, tmp_path, vectors):
    still = {"epochs": 1, "learning_rate": 1e-9}
    model = train(corpus, vectors=vectors, embedding_dim=None, training=still, out=tmp_path / "out")
    rows = dict(zip(model.vocabulary.tokens, model.rows[:, :10], strict=False))
    for token, value in (("fine", 0.5), ("great", 0.4), ("poor", -0.5)):
        np.testing.assert_allclose(rows[token], value, atol=1e-6)
    assert np.abs(rows["w1"]).max() <= 0.1
    coverage = describe_model(tmp_path / "out")["coverage"]
    assert (coverage["types"], coverage["known_types"]) == (len(model.vocabulary), 3)


def test_vectors_let_words_that_are_alike_speak_alike(tmp_path, vectors):
    undecided = [(label, "great" + " w1" * 50) for label in ("good", "bad")]
    path = write(tmp_path / "corpus.tsv", [("good", "fine w1"), ("bad", "poor w1")] * 30 + undecided)
    given = {"linear": {"word_ngrams": 1}, "training": {"epochs": 5}, "batches": {"held_out": 0}}
    with_vectors, without = (
        predicted(train(path, **options, **given), ["great"])[0, 1] for options in ({"vectors": vectors, "embedding_dim": None}, {})
    )
    assert with_vectors > 0.75 > 0.6 > without


def test_a_dimension_that_is_not_that_of_the_vectors_is_refused(corpus, tmp_path, vectors):
    with pytest.raises(ConfigError, match="embedding_dim is 12, but the vectors have 10 numbers per row"):
        train(corpus, vectors=vectors, embedding_dim=12, out=tmp_path / "out")


# ---- the same bits again --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linear", [{}, {"word_ngrams": 3, "max_char_ngram": 4}], ids=["pairs", "all"])
def test_one_thread_and_one_seed_give_the_same_bits(corpus, tmp_path, linear):
    for name in ("a", "b"):
        train(corpus, linear=linear, out=tmp_path / name)
    assert bits(tmp_path / "a") == bits(tmp_path / "b")


@pytest.mark.parametrize("seed", [0, 2, 2**32 + 1, 2**63 - 1])
def test_another_seed_gives_other_bits(corpus, seed):
    whole = {"batches": {"held_out": 0}}
    one, other = (train(corpus, training={"seed": number}, **whole) for number in (1, seed))
    assert one.vocabulary.tokens == other.vocabulary.tokens
    assert (one.rows[1 : len(one.vocabulary)] != other.rows[1 : len(one.vocabulary)]).any(axis=1).all()


def test_other_options_begin_with_the_same_words(corpus):
    still = {"epochs": 1, "learning_rate": 1e-9}
    one, other = (train(corpus, linear={"word_ngrams": order}, training=still) for order in (1, 3))
    np.testing.assert_allclose(one.rows[: len(one.vocabulary)], other.rows[: len(one.vocabulary)], atol=1e-8)


# ---- what is refused ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("complaint", "given"),
    [
        ("filters is 7", {"model": {"filters": 7}}),
        ("dropout is 0.1", {"model": {"dropout": 0.1}}),
        ("widths is .2,.", {"model": {"widths": (2,)}}),
        ("bidirectional is False", {"model": {"bidirectional": False}}),
        ("optimizer is 'sgd'", {"training": {"optimizer": "sgd"}}),
        ("patience is 3", {"training": {"patience": 3}}),
        ("weight_decay is 0.1", {"training": {"weight_decay": 0.1}}),
        ("accelerator is 'gpu'", {"training": {"accelerator": "gpu"}}),
        ("schedule is 'cosine'", {"training": {"schedule": "cosine"}}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_options_that_only_other_encoders_know_are_refused_by_name(corpus, tmp_path, complaint, given):
    with pytest.raises(ConfigError, match=f"{complaint}, which the linear encoder does not have"):
        train(corpus, out=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("pairs", "complaint"), [([("good", "fine")] * 9, "a single label, 'good'"), ([("a", ""), ("b", "")], "no token")])
def test_texts_with_nothing_to_tell_apart_are_refused(tmp_path, pairs, complaint):
    with pytest.raises(InputError, match=complaint):
        train(write(tmp_path / "corpus.tsv", pairs))


@pytest.mark.parametrize("rate", [1e3, 1e6, 1e38])
@pytest.mark.parametrize("multi_label", [False, True], ids=["softmax", "sigmoids"])
def test_a_diverging_training_stops(corpus, tmp_path, rate, multi_label):
    with pytest.raises(DivergedRun, match=r"in epoch 1: .* give a lower --learning-rate"):
        train(corpus, model={"multi_label": multi_label}, training={"learning_rate": rate}, out=tmp_path / "out")
    assert not (tmp_path / "out/lexloom.json").exists()


def test_one_document_of_each_label_is_enough(tmp_path):
    model = train(write(tmp_path / "corpus.tsv", [("a", "one"), ("b", "two")]), training={"epochs": 50})
    assert predicted(model, ["one", "two"]).argmax(1).tolist() == [0, 1]


def test_documents_without_a_token_are_passed_over(tmp_path):
    model = train(write(tmp_path / "corpus.tsv", [("a", "one"), ("b", ""), ("b", "two"), ("a", " ")] * 20), training={"epochs": 10})
    assert predicted(model, ["one", "two"]).argmax(1).tolist() == [0, 1]


# ---- the folder -----------------------------------------------------------------------------------------------------------------------


def test_a_finished_folder_is_left_alone_unless_asked(corpus, tmp_path):
    out = tmp_path / "out"
    train(corpus, out=out)
    before = bits(out)
    with pytest.raises(InputError, match="give --overwrite"):
        train(corpus, out=out)
    train(corpus, out=out, resume=True)
    train(corpus, out=out, resume=True, training={"threads": 2})
    assert bits(out) == before
    with pytest.raises(ConfigError, match=r"cannot resume with other options .epochs was 5, now 2"):
        train(corpus, out=out, resume=True, training={"epochs": 2})
    assert train(corpus, out=out, overwrite=True, embedding_dim=16).dim == load_model(out).dim == 16


def test_what_is_not_a_training_is_not_written_to(corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"holds other files .precious.txt."):
            train(corpus, out=tmp_path / "out", overwrite=overwrite)


def test_a_missing_text_is_reported_before_anything_is_removed(corpus, tmp_path):
    train(corpus, out=tmp_path / "out")
    valid = write(tmp_path / "valid.tsv", opinions(20))
    gone = open_labelled(valid)
    valid.unlink()
    before = bits(tmp_path / "out")
    with pytest.raises(InputError, match="valid"):
        train(corpus, out=tmp_path / "out", overwrite=True, valid=gone)
    assert bits(tmp_path / "out") == before


def test_an_interrupted_run_starts_over(corpus, tmp_path):
    def interrupt(record):
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, InterruptedRun)):
        train(corpus, out=tmp_path / "cut", reporter=Reporter(epoch=interrupt))
    with pytest.raises(InputError, match="holds an unfinished run"):
        train(corpus, out=tmp_path / "cut")
    train(corpus, out=tmp_path / "cut", resume=True)
    train(corpus, out=tmp_path / "whole")
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
    assert [record["epoch"] for record in log(tmp_path / "cut")] == [1, 2, 3, 4, 5]


def test_an_interrupt_at_work_is_told_in_one_line(corpus, tmp_path, monkeypatch):
    def slow(*shape):
        def kernel(*given):
            time.sleep(0.3)
            return made(*given)

        made = train_kernel(*shape)
        return kernel

    def interrupt(now):
        if now.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("lexloom.models.classifier.linear.train.train_kernel", slow)
    with pytest.raises(InterruptedRun, match="interrupted, and nothing is saved"):
        train(corpus, out=tmp_path / "out", reporter=Reporter(working=interrupt))
    assert [record["epoch"] for record in log(tmp_path / "out")] == [1]


def test_a_failure_in_a_thread_reaches_the_caller(corpus, monkeypatch):
    def broken(*_shape):
        def kernel(*_given):
            raise RuntimeError("out of luck")

        return kernel

    monkeypatch.setattr("lexloom.models.classifier.linear.train.train_kernel", broken)
    with pytest.raises(RuntimeError, match="out of luck"):
        train(corpus, training={"threads": 2})


def test_no_torch_is_imported(corpus):
    code = "import sys\nfrom lexloom import ClassifierConfig, ClassifierOptions, open_labelled, train_classifier\n"
    code += f"model = train_classifier(open_labelled({str(corpus)!r}), ClassifierOptions(ClassifierConfig('linear')))\n"
    code += "print(model.kind, [name for name in ('torch', 'lightning') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "linear-classifier []\n"
