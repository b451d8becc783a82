"""Classifiers as scikit-learn sees them: labels of any kind, its tools, and parameters that have a say."""

import pickle
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch
from joblib import parallel_config
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import strip_accents_unicode
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MultiLabelBinarizer
from tests.models.classifier.linear.corpora import opinions

from lexloom.errors import ConfigError
from lexloom.estimators.text_classifier import TextClassifier
from lexloom.models.classifier.options import ClassifierOptions
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

ENCODERS = {"linear": {"word_ngrams": 1, "learning_rate": 1.0}, "average": {"batch_size": 10, "learning_rate": 0.1}}
TEXTS = [text for _, text in opinions(60)]
LABELS = [label for label, _ in opinions(60)]
FRESH = [text for _, text in opinions(20, seed=2)]
TOLD = [label for label, _ in opinions(20, seed=2)]
COLLECTIONS = {"tuple": tuple, "array": np.array, "objects": lambda texts: np.array(texts, object), "series": pl.Series, "iterator": iter}
MATRICES = {"sparse": csr_array, "lists": np.ndarray.tolist, "bool": lambda y: y.astype(bool), "float": lambda y: y.astype(float)}
WORDS = {"sea": "wave", "air": "wind", "land": "hill"}


def classifier(encoder="linear", **rest):
    small = {"tokenizer": "whitespace", "embedding_dim": 10, "epochs": 5, "random_state": 1, "n_jobs": 1}
    return TextClassifier(encoder, **{**small, **ENCODERS.get(encoder, {}), **rest})


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return request.param


@pytest.fixture(scope="module", params=ENCODERS)
def fitted(request):
    return classifier(request.param).fit(TEXTS, LABELS)


def topics(number):
    """Texts of one to three topics, and which ones they have, zeros and ones (n, 3) in the order of their names."""
    random = np.random.default_rng(1)
    drawn = [sorted(random.permutation(list(WORDS))[: random.integers(1, 4)]) for _ in range(number)]
    texts = [" ".join([WORDS[name] for name in names] + ["and", "then"]) for names in drawn]
    return texts, MultiLabelBinarizer().fit_transform(drawn)


# ---- labels and documents ------------------------------------------------------------------------------------------------------------


def test_what_is_learnt_holds_for_other_documents(fitted):
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert fitted.score(FRESH, TOLD) > 0.9


@pytest.mark.parametrize(
    "pair",
    [(-7, 12), (True, False), (2.0, -1.0), ("zwölf\tÄpfel", ""), (np.str_("a"), np.str_("b")), (10, 9)],
    ids=str,
)
def test_labels_of_any_kind_come_back_as_they_were(pair):
    y = [pair[label == "good"] for label in LABELS]
    model = classifier().fit(TEXTS, y)
    found = model.predict(FRESH)
    assert model.classes_.tolist() == sorted(pair)
    assert found.dtype == np.asarray(y).dtype
    assert found.tolist() == [pair[label == "good"] for label in TOLD]


def test_many_labels_are_in_the_order_of_their_numbers(encoder):
    y = list(range(12)) * 5
    model = classifier(encoder, epochs=20, validation_fraction=0.0).fit([f"word{label} so" for label in y], y)
    assert model.classes_.tolist() == list(range(12))
    assert model.predict([f"word{label}" for label in range(12)]).tolist() == list(range(12))
    assert model.predict_proba(["word10"]).argmax() == 10


@pytest.mark.parametrize("kind", COLLECTIONS.values(), ids=COLLECTIONS)
def test_documents_may_be_in_any_collection_of_strings(kind):
    model = classifier().fit(kind(TEXTS), LABELS)
    assert np.array_equal(model.predict_proba(kind(FRESH)), classifier().fit(TEXTS, LABELS).predict_proba(FRESH))


def test_a_document_is_judged_alone_as_among_others_whatever_is_in_it(fitted):
    odd = ["", " ", "fine\nfine", "poor\r\npoor", "fine\tfine", "fine\x00fine", "fine \ud800", "语言 fine", "unheard of", "fine " * 5000]
    together = fitted.predict_proba(odd)
    for place, text in enumerate(odd):
        assert fitted.predict_proba([text])[0] == pytest.approx(together[place], abs=1e-6)
    assert fitted.predict(odd[2:4]).tolist() == ["good", "bad"]
    assert together[0].tolist() == together[1].tolist()


def test_documents_with_anything_in_them_are_learnt_from(encoder):
    texts = ["fine\nfine", "poor\r\npoor", "fine\tfine", "poor\x00poor", "fine \ud800", "语言 poor", "", ""]
    assert len(classifier(encoder).fit(texts, ["good", "bad"] * 4).predict(texts)) == 8


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("fine", "X is a single string: expected a collection of documents"),
        (b"fine", "X is a single string"),
        ([], "X has 0 documents"),
        ([["fine"], ["poor"]], r"X\[0\] is list, expected a string"),
        (["fine", None], r"X\[1\] is NoneType, expected a string"),
        (["fine", b"poor"], r"X\[1\] is bytes, expected a string"),
        ([1.0, 2.0], r"X\[0\] is float, expected a string"),
        (np.array([["fine"], ["poor"]]), r"X has shape \(2, 1\): expected a one-dimensional collection of strings; pass a single"),
        (np.array("fine"), r"X has shape \(\)"),
        (csr_array(np.eye(2)), r"X has shape \(2, 2\)"),
        (pl.DataFrame({"text": ["fine", "poor"]}), r"X has shape \(2, 1\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_are_no_documents_is_refused_in_training_and_after(fitted, X, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, ["good", "bad"])
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (["good"], "X has 3 documents and y 1 labels: expected the same number"),
        (["good"] * 3, "y has 1 class, in all documents together: expected at least 2"),
        ([[0, 1]] * 3, "y has 1 class, in all documents together"),
        ([[0, 0]] * 3, "y has 0 classes, in all documents together"),
        ([0.5, 1.5, 2.5], "Unknown label type: continuous"),
        ([0.0, 1.0, np.inf], "Input y contains infinity"),
        ([0.0, 1.0, np.nan], "Input y contains NaN"),
        ([["a"], ["a", "b"], ["b"]], "legacy multi-label data representation"),
        ([["a", "x"], ["b", "y"], ["c", "z"]], "y should be a 1d array"),
    ],
    ids=str,
)
def test_what_are_no_labels_is_refused(encoder, y, message):
    with pytest.raises(ValueError, match=message):
        classifier(encoder).fit(["fine", "poor", "so"], y)


def test_another_fit_forgets_the_labels_of_the_first(encoder):
    model = classifier(encoder).fit(TEXTS, [f"very {label}" for label in LABELS])
    assert model.fit(FRESH, TOLD).classes_.tolist() == ["bad", "good"]
    assert np.array_equal(model.predict_proba(TEXTS), classifier(encoder).fit(FRESH, TOLD).predict_proba(TEXTS))


# ---- several labels ------------------------------------------------------------------------------------------------------------------


def test_several_labels_are_zeros_and_ones(encoder):
    model = classifier(encoder, epochs=10).fit(*topics(100))
    found = model.predict(["wave and", "wave hill", "wave wind hill then"])
    assert found.dtype == np.int64
    assert found.tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]  # air, land, sea
    assert model.predict_proba(["wave wind hill"]).sum() > 2
    assert model.classes_.tolist() == [0, 1, 2]


def test_labels_are_given_from_the_threshold_of_each_on(encoder):
    texts, y = topics(100)
    model = classifier(encoder, epochs=2).fit(texts, y)
    probabilities, found = model.predict_proba(texts), model.predict(texts)
    assert np.array_equal(found, probabilities >= model.model_.thresholds)
    assert 0.5 not in model.model_.thresholds and found[probabilities < 0.9].any()


def test_a_column_without_a_document_has_no_probability_and_is_never_given(encoder):
    texts, y = topics(60)
    wider = np.column_stack([np.zeros_like(y[:, 0]), y])
    model = classifier(encoder).fit(texts, wider)
    assert model.predict(texts).shape == wider.shape
    assert not model.predict(texts)[:, 0].any() and not model.predict_proba(texts)[:, 0].any()
    assert np.array_equal(model.predict_proba(texts)[:, 1:], classifier(encoder).fit(texts, y).predict_proba(texts))


@pytest.mark.parametrize("kind", MATRICES.values(), ids=MATRICES)
def test_zeros_and_ones_may_be_in_any_matrix(kind):
    texts, y = topics(60)
    assert np.array_equal(classifier().fit(texts, kind(y)).predict_proba(texts), classifier().fit(texts, y).predict_proba(texts))


def test_documents_without_a_label_are_learnt_from(encoder):
    texts, y = topics(60)
    model = classifier(encoder, epochs=10).fit([*texts, *["so so"] * 20], np.vstack([y, np.zeros((20, 3), int)]))
    assert model.predict(["so so"]).tolist() == [[0, 0, 0]]


# ---- the tools of scikit-learn -------------------------------------------------------------------------------------------------------


def test_a_pipeline_ends_in_it(encoder):
    pipeline = make_pipeline(FunctionTransformer(lambda texts: [strip_accents_unicode(text) for text in texts]), classifier(encoder))
    pipeline.fit(TEXTS, LABELS)
    assert pipeline.predict(["fíné fíné", "pöör"]).tolist() == ["good", "bad"]
    assert pipeline.score(FRESH, TOLD) == classifier(encoder).fit(TEXTS, LABELS).score(FRESH, TOLD)


def test_a_grid_search_finds_what_does_better():
    order = [("good" if place % 2 else "bad", "so very not fine so" if place % 2 else "so fine not very so") for place in range(40)]
    search = GridSearchCV(classifier(), {"word_ngrams": [1, 2], "min_count": [1, 25]}, cv=2, error_score=0.0)
    search.fit([text for _, text in order], [label for label, _ in order])
    assert search.best_params_ == {"min_count": 1, "word_ngrams": 2}
    assert search.best_score_ == search.best_estimator_.score(["so fine not very so", "so very not fine so"], ["bad", "good"]) == 1.0


def test_cross_validation_scores_it(encoder):
    assert cross_val_score(classifier(encoder), TEXTS, LABELS, cv=2).mean() > 0.9
    probabilities = cross_val_predict(classifier(encoder), TEXTS, LABELS, cv=2, method="predict_proba")
    assert (np.array(["bad", "good"])[probabilities.argmax(1)] == LABELS).mean() > 0.9


def test_cross_validation_scores_several_labels():
    assert cross_val_score(classifier(epochs=20), *topics(90), cv=3, scoring="f1_micro").mean() > 0.95


def test_folds_may_train_beside_each_other_in_threads():
    def answers():
        return cross_val_predict(classifier(), TEXTS, LABELS, cv=2, method="predict_proba")

    alone = answers()
    with parallel_config("threading", n_jobs=2):
        assert np.array_equal(answers(), alone)


def test_a_clone_has_the_parameters_and_nothing_that_was_learnt(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(FRESH)
    assert np.array_equal(copy.fit(TEXTS, LABELS).predict_proba(FRESH), fitted.predict_proba(FRESH))


def test_pickle_keeps_the_answers(fitted):
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(FRESH), fitted.predict_proba(FRESH))


# ---- chance --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [3, np.int64(3), "generator"])
def test_one_random_state_gives_the_same_bits_again(encoder, state):
    def probabilities():
        chance = np.random.RandomState(3) if state == "generator" else state
        return classifier(encoder, random_state=chance).fit(TEXTS, LABELS).predict_proba(FRESH)

    assert np.array_equal(probabilities(), probabilities())


@pytest.mark.parametrize("states", [(1, 2), (None, None)])
def test_other_random_states_give_other_bits(encoder, states):
    first, second = (classifier(encoder, random_state=state).fit(TEXTS, LABELS).predict_proba(FRESH) for state in states)
    assert not np.array_equal(first, second)


def test_a_generator_that_is_shared_goes_on():
    chance = np.random.RandomState(3)
    first, second = (classifier(random_state=chance).fit(TEXTS, LABELS).predict_proba(FRESH) for _ in range(2))
    assert not np.array_equal(first, second)


# ---- parameters ----------------------------------------------------------------------------------------------------------------------

OTHER = {
    "encoder": "cnn",
    "pooling": "max",
    "widths": (2,),
    "filters": 7,
    "bidirectional": False,
    "dropout": 0.1,
    "input_dropout": 0.2,
    "label_smoothing": 0.1,
    "max_tokens": 9,
    "class_weight": "balanced",
    "cell": "rnn",
    "hidden_size": 7,
    "num_layers": 2,
    "embedding_dim": 7,
    "vectors": "some.vec",
    "freeze": True,
    "word_dropout": 0.1,
    "word_ngrams": 3,
    "min_char_ngram": 2,
    "max_char_ngram": 5,
    "buckets": 1000,
    "tokenizer": "whitespace",
    "lowercase": True,
    "min_count": 2,
    "epochs": 3,
    "learning_rate": 0.3,
    "batch_size": 7,
    "validation_fraction": 0.2,
    "random_state": 5,
    "n_jobs": 3,
}
RENAMED = {"class_weight": "class_weights", "validation_fraction": "held_out", "random_state": "seed", "n_jobs": "threads"}


class Asked(Exception):  # noqa: N818 (the end of a training that is not to be)
    """Holds all that a training was asked for."""


@pytest.fixture
def asked(monkeypatch):
    """Gives what the training is asked for by an estimator of such parameters, by name."""

    def train(_corpus, options):
        raise Asked({name: value for part in vars(options).values() for name, value in vars(part).items()})

    monkeypatch.setattr("lexloom.estimators.text_classifier.train_classifier", train)

    def call(**parameters):
        with pytest.raises(Asked) as raised:
            TextClassifier(**{"random_state": 1, **parameters}).fit(TEXTS, LABELS)
        return raised.value.args[0]

    return call


@pytest.mark.parametrize("name", TextClassifier().get_params())
def test_every_parameter_reaches_the_training_and_no_other_option(asked, name):
    needed = {"vectors": "some.vec"} if name == "freeze" else {}
    plain, changed = asked(**needed), asked(**needed, **{name: OTHER[name]})
    option = RENAMED.get(name, name)
    assert {key for key in plain if plain[key] != changed[key]} == {option}
    assert changed[option] == OTHER[name]


def test_defaults_are_those_of_the_command_line(asked):
    defaults = {name: value for part in vars(ClassifierOptions()).values() for name, value in vars(part).items()}
    assert asked(random_state=defaults["seed"]) == defaults | {"multi_label": False}


@pytest.mark.parametrize(("jobs", "threads"), [(None, None), (-1, None), (2, 2)])
def test_jobs_are_threads_and_minus_one_is_all_cores(asked, jobs, threads):
    assert asked(n_jobs=jobs)["threads"] == threads


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"encoder": "transformer"}, "encoder is 'transformer': expected one of average, cnn, rnn, linear"),
        ({"class_weight": {"good": 2}}, r"class_weight is \{'good': 2\}: expected None or 'balanced'"),
        ({"class_weight": "none"}, "class_weight is 'none': expected None or 'balanced'"),
        ({"dropout": 1.0}, "dropout is 1.0: expected a share"),
        ({"epochs": 0}, "epochs is 0"),
        ({"n_jobs": 0}, "threads is 0"),
        ({"validation_fraction": 1.0}, "held_out is 1.0: expected a share"),
        ({"freeze": True}, "freeze is set but there is nothing to freeze: give vectors"),
        ({"tokenizer": "spaces"}, "tokenizer 'spaces': neither a file nor one of"),
        ({"encoder": "linear", "dropout": 0.1}, "dropout is 0.1, which the linear encoder does not have"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_when_it_is_fitted(parameters, message):
    model = TextClassifier(**parameters)
    with pytest.raises(ConfigError, match=message):
        model.fit(TEXTS, LABELS)


def test_balanced_classes_find_more_of_a_rare_one(encoder):
    texts, y = ["a b c"] * 45 + ["d"] * 5, ["bad"] * 40 + ["good"] * 10
    plain, balanced = (
        classifier(encoder, class_weight=weight, epochs=10).fit(texts, y).predict_proba(["a b c"])[0, 1] for weight in (None, "balanced")
    )
    assert plain < 0.2 and balanced > 1.5 * plain


def test_vectors_may_be_held_fixed(tmp_path):
    words = sorted({word for text in TEXTS for word in text.split()})
    rows = np.random.default_rng(1).normal(size=(len(words), 6)).astype(np.float32)
    write_folder(Vectors(words, rows), tmp_path / "vectors")
    model = classifier("average", vectors=str(tmp_path / "vectors"), freeze=True, embedding_dim=None).fit(TEXTS, LABELS).model_
    ids = [model.vocabulary.id_of(word) for word in words if word in model.vocabulary]
    kept = [row for word, row in zip(words, rows, strict=True) if word in model.vocabulary]
    assert torch.equal(model.embedding.matrix[ids].detach(), torch.from_numpy(np.array(kept)))


def test_nothing_is_told_while_it_trains(encoder, capfd):
    classifier(encoder).fit(TEXTS, LABELS)
    assert capfd.readouterr() == ("", "")


def test_the_linear_encoder_needs_no_torch():
    code = "import sys\nfrom lexloom import TextClassifier\n"
    code += "model = TextClassifier('linear', epochs=1, n_jobs=1, embedding_dim=10).fit(['a b', 'c d'] * 9, [0, 1] * 9)\n"
    code += "print(len(model.predict(['a'])), [name for name in ('torch', 'lightning') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("kind", [list, lambda labels: np.array(labels, object)], ids=["list", "array"])
def test_a_missing_label_is_refused(missing, kind):
    with pytest.raises(ValueError, match=f"no label for document 2: it is {missing}"):
        classifier().fit(TEXTS, kind([*LABELS[:2], missing, *LABELS[3:]]))
