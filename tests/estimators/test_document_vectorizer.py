"""Documents as averages of word vectors, beside the same done by hand."""

import pickle

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from tests.models.classifier.linear.corpora import MARKS, opinions

from lexloom.errors import ConfigError, InputError
from lexloom.estimators.document_vectorizer import DocumentVectorizer
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer
from lexloom.vectors.formats import save_vectors, write_folder
from lexloom.vectors.table import Vectors

WORDS = ["the", "film", "was", "good", "bad", "Film"]
ROWS = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
COUNTS = np.array([50, 20, 20, 5, 5, 0])
ROW_OF = dict(zip(WORDS, ROWS, strict=True))
TEXTS = ["the film was good", "the the film", "bad film unheard of", "was", "good bad good", "Film", "", "unheard of"]

COLLECTIONS = {"tuple": tuple, "array": np.array, "objects": lambda texts: np.array(texts, object), "series": pl.Series, "iterator": iter}


def vectors(**rest):
    return Vectors(WORDS, ROWS, **rest)


def averaged(texts, share=None, a=1e-3):
    """The mean of the rows of the known words, each times a / (a + its share) where shares are given."""
    rows = []
    for text in texts:
        known = [word for word in text.split() if word in ROW_OF]
        weighted = [ROW_OF[word] * (1.0 if share is None else a / (a + share[word])) for word in known]
        rows.append(np.mean(weighted, axis=0) if known else np.zeros(4))
    return np.array(rows)


def without_common(rows, fitted, components=1):
    """Take the first directions of other rows out, which are the eigenvectors of their squares."""
    _, directions = np.linalg.eigh(fitted.T @ fitted)
    first = directions[:, ::-1][:, :components]
    return rows - rows @ first @ first.T


# ---- the mean ------------------------------------------------------------------------------------------------------------------------


def test_a_document_is_the_mean_of_its_known_words():
    found = DocumentVectorizer(vectors()).fit_transform(TEXTS)
    assert found.dtype == np.float32 and found.shape == (8, 4)
    np.testing.assert_allclose(found, averaged(TEXTS), atol=1e-6)
    assert not found[6:].any()


@pytest.mark.parametrize("weighting", ["mean", "sif"])
def test_documents_that_it_was_not_fitted_on_are_taken_as_those_that_it_was(weighting):
    model = DocumentVectorizer(vectors(counts=COUNTS), weighting=weighting).fit(TEXTS)
    whole = model.transform(TEXTS)
    for place, text in enumerate(TEXTS):
        np.testing.assert_allclose(model.transform([text])[0], whole[place], atol=1e-6)


def test_a_document_is_the_same_to_the_last_bit_whatever_the_others_are():
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(WORDS, size=9)) for _ in range(50)]
    model = DocumentVectorizer(vectors()).fit(texts)
    whole = model.transform(texts)
    assert np.array_equal(model.transform(texts[::-1])[::-1], whole)
    assert np.array_equal(np.vstack([model.transform([text]) for text in texts]), whole)


@pytest.mark.parametrize("kind", COLLECTIONS.values(), ids=COLLECTIONS)
def test_documents_may_be_in_any_collection_of_strings(kind):
    model = DocumentVectorizer(vectors())
    assert np.array_equal(model.fit(kind(TEXTS)).transform(kind(TEXTS)), model.transform(TEXTS))


@pytest.mark.parametrize("odd", ["the\nfilm", "the\r\n film", "\tthe film\n", "the \ud800 film", "the 语言 film", "the film " * 50_000])
def test_a_document_may_hold_anything(odd):
    first, second = DocumentVectorizer(vectors()).fit(TEXTS).transform([odd, "the film"])
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("write", [write_folder, lambda found, path: save_vectors(found, path)], ids=["folder", "file"])
def test_vectors_may_be_a_path(tmp_path, write):
    path = tmp_path / ("vectors" if write is write_folder else "vectors.vec")
    write(vectors(counts=COUNTS), path)
    found = DocumentVectorizer(str(path)).fit_transform(TEXTS)
    np.testing.assert_allclose(found, averaged(TEXTS), atol=1e-5)


# ---- sif -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "components"), [(1e-3, 1), (0.1, 2), (1e-3, 0)])
def test_sif_weighs_by_the_counts_of_the_vectors_and_takes_out_what_is_common(a, components):
    share = dict(zip(WORDS, COUNTS / COUNTS.sum(), strict=True))
    model = DocumentVectorizer(vectors(counts=COUNTS), weighting="sif", sif_weight=a, components=components).fit(TEXTS)
    fitted = averaged(TEXTS, share, a)
    np.testing.assert_allclose(model.transform(TEXTS), without_common(fitted, fitted, components), atol=2e-6)
    np.testing.assert_allclose(
        model.transform(["the good film"]), without_common(averaged(["the good film"], share, a), fitted, components), atol=2e-6
    )


def test_sif_counts_the_documents_where_the_vectors_have_no_counts():
    spoken = " ".join(TEXTS).split()
    share = {word: spoken.count(word) / len(spoken) for word in WORDS}
    model = DocumentVectorizer(vectors(), weighting="sif", sif_weight=0.1).fit(TEXTS)
    fitted = averaged(TEXTS, share, 0.1)
    np.testing.assert_allclose(model.transform(["the bad film"]), without_common(averaged(["the bad film"], share, 0.1), fitted), atol=2e-6)


@pytest.mark.parametrize(("texts", "number"), [([""], 0), (["unheard of", ""], 0), (["good"], 1), (["good", "good good"], 1), (TEXTS, 4)])
def test_no_more_is_taken_out_than_documents_have_in_common(texts, number):
    model = DocumentVectorizer(vectors(counts=COUNTS), weighting="sif", components=9).fit(texts)
    assert model.common_.shape == (number, 4)
    left = model.transform(["the bad film"])
    assert np.isfinite(left).all() and (np.abs(left).max() > 1e-6) == (number < 4)


# ---- how text is split ---------------------------------------------------------------------------------------------------------------


def test_text_is_split_as_that_of_the_vectors_was():
    tokenizer = make_tokenizer(TokenizerConfig(tokenizer="words", lowercase=True)).json
    model = DocumentVectorizer(vectors(tokenizer=tokenizer)).fit(TEXTS)
    np.testing.assert_allclose(model.transform(["GOOD, film!"]), averaged(["good film"]), atol=1e-6)


@pytest.mark.parametrize(
    ("how", "same"),
    [({}, "unheard Film"), ({"lowercase": True}, "unheard film"), ({"tokenizer": "words"}, "good Film")],
    ids=str,
)
def test_text_is_split_by_spaces_unless_told_otherwise(how, same):
    found = DocumentVectorizer(vectors(), **how).fit(TEXTS).transform(["good! Film"])
    np.testing.assert_allclose(found, averaged([same]), atol=1e-6)


def test_a_tokenizer_that_is_given_goes_before_that_of_the_vectors():
    tokenizer = make_tokenizer(TokenizerConfig(tokenizer="characters")).json
    found = DocumentVectorizer(vectors(tokenizer=tokenizer), tokenizer="whitespace").fit_transform(["good film"])
    np.testing.assert_allclose(found, averaged(["good film"]), atol=1e-6)


# ---- the tools of scikit-learn -------------------------------------------------------------------------------------------------------


def telling():
    """Texts that say good or bad, labels, and vectors in which words that say the same are alike, and all a little."""
    pairs = opinions(60)
    words = sorted({word for _, text in pairs for word in text.split()})
    rows = np.random.default_rng(1).normal(size=(len(words), 5)).astype(np.float32)
    rows[:, 1] = 9
    for place, word in enumerate(words):
        rows[place, 0] = 3 * (word in MARKS["good"]) - 3 * (word in MARKS["bad"])
    return [text for _, text in pairs], [label for label, _ in pairs], Vectors(words, rows)


@pytest.mark.parametrize("weighting", ["mean", "sif"])
def test_any_estimator_goes_on_from_it(weighting):
    texts, labels, told = telling()
    pipeline = make_pipeline(DocumentVectorizer(told, weighting=weighting, sif_weight=1.0), LogisticRegression())
    assert cross_val_score(pipeline, texts, labels, cv=3).mean() > 0.9


def test_a_grid_search_finds_what_does_better(tmp_path):
    texts, labels, told = telling()
    write_folder(Vectors(told.tokens, np.ones_like(told.matrix)), tmp_path / "flat")
    pipeline = make_pipeline(DocumentVectorizer(), LogisticRegression())
    search = GridSearchCV(pipeline, {"documentvectorizer__vectors": [str(tmp_path / "flat"), told]}, cv=2).fit(texts, labels)
    assert search.best_params_["documentvectorizer__vectors"] is told
    assert search.best_score_ > 0.9 > search.cv_results_["mean_test_score"][0]


def test_columns_have_names_and_may_be_a_data_frame():
    model = DocumentVectorizer(vectors()).set_output(transform="polars").fit(TEXTS)
    assert model.get_feature_names_out().tolist() == ["vector0", "vector1", "vector2", "vector3"]
    frame = model.transform(TEXTS)
    assert frame.columns == ["vector0", "vector1", "vector2", "vector3"]
    np.testing.assert_allclose(frame.to_numpy(), averaged(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    "copy", [lambda model: clone(model).fit(TEXTS), lambda model: pickle.loads(pickle.dumps(model))], ids=["clone", "pickle"]
)
def test_a_copy_says_the_same(copy):
    model = DocumentVectorizer(vectors(counts=COUNTS), weighting="sif").fit(TEXTS)
    assert np.array_equal(copy(model).transform(TEXTS), model.transform(TEXTS))


# ---- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"vectors": None}, ConfigError, "vectors is None: give the path of a vector file or folder, or Vectors"),
        ({"vectors": "gone.vec"}, InputError, "gone.vec: no such file"),
        ({"weighting": "tfidf"}, ConfigError, "weighting is 'tfidf': expected mean or sif"),
        ({"sif_weight": 0.0}, ConfigError, "sif_weight is 0.0: expected a number above 0"),
        ({"components": -1}, ConfigError, "components is -1: expected a whole number of at least 0"),
        ({"tokenizer": "spaces"}, ConfigError, "tokenizer 'spaces': neither a file nor one of"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_when_it_is_fitted(parameters, error, message):
    model = DocumentVectorizer(**{"vectors": vectors(), **parameters})
    with pytest.raises(error, match=message):
        model.fit(TEXTS)


@pytest.mark.parametrize("X", ["the film", [], [["the", "film"]], ["the", None], np.array([["the"]])], ids=repr)
def test_what_are_no_documents_is_refused(X):
    model = DocumentVectorizer(vectors())
    for call in (model.fit, model.fit(TEXTS).transform):
        with pytest.raises(ValueError, match=r"^X"):
            call(X)
