"""Scores beside scikit-learn on plain names, and beside brute force where it has no counterpart."""

import json
import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from lexloom.errors import InputError
from lexloom.models.classifier.answers import decide
from lexloom.models.classifier.labels import UNKNOWN, LabelSet, Targets
from lexloom.models.classifier.scores import evaluate_classifier, score, tune_thresholds
from lexloom.text import blocks
from lexloom.text.labels import open_labelled

few = settings(max_examples=20, deadline=None)
NAMES = ("bad", "good", "so so")
HALF = np.full(3, 0.5, np.float32)
label_lists = st.lists(st.lists(st.sampled_from([*NAMES, "new"]), unique=True), min_size=1, max_size=30).filter(any)


def labels_of(rows):
    return pl.Series(rows, dtype=pl.List(pl.String))


def scored(probabilities, rows, *, multi_label=False, thresholds=HALF, texts=None, mistakes=0):
    """Score documents whose true labels are `rows`."""
    texts = [f"text {number}" for number in range(1, len(rows) + 1)] if texts is None else texts
    labels, array = LabelSet(NAMES, multi_label), np.array(probabilities, np.float32)
    return score(labels, thresholds, array, labels_of(rows), pl.Series(texts, dtype=pl.String), mistakes=mistakes)


def drawn(seed, documents):
    """Probabilities of one label each, some of them certain."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(3, 0.5), documents).astype(np.float32)
    probabilities[random.random(documents) < 0.1] = [0, 1, 0]
    return probabilities


# ---- scores ----------------------------------------------------------------------------------------------------------------------------


def assert_scores_are(found, true, chosen, names):
    """Compare with scikit-learn, called on names or on rows of zeros and ones."""
    labels = list(names) if isinstance(true[0], str) else None
    macro = precision_recall_fscore_support(true, chosen, labels=labels, average=None, zero_division=0)
    assert found.accuracy == pytest.approx(accuracy_score(true, chosen))
    assert found.macro_f1 == pytest.approx(f1_score(true, chosen, labels=labels, average="macro", zero_division=0))
    assert found.micro_f1 == pytest.approx(f1_score(true, chosen, labels=labels, average="micro", zero_division=0))
    assert [list(found.per_class[name]) for name in names] == [pytest.approx(row) for row in zip(*macro, strict=True)]


@few
@given(rows=st.lists(st.sampled_from([*NAMES, "new"]), min_size=1, max_size=30), seed=st.integers(0, 999))
def test_single_labels_are_scored_as_by_scikit_learn(rows, seed):
    probabilities = drawn(seed, len(rows))
    found = scored(probabilities, [[name] for name in rows])
    chosen = [NAMES[place] for place in probabilities.argmax(1)]
    names = [*NAMES, *(["new"] if "new" in rows else [])]
    assert list(found.per_class) == names
    assert_scores_are(found, rows, chosen, names)
    assert found.micro_f1 == pytest.approx(found.accuracy)
    assert found.confusion == confusion_matrix(rows, chosen, labels=names).tolist()
    assert found.documents == len(rows)


@few
@given(
    rows=label_lists,
    thresholds=st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=3, max_size=3),
    seed=st.integers(0, 999),
)
def test_several_labels_are_scored_as_by_scikit_learn(rows, thresholds, seed):
    probabilities = np.random.default_rng(seed).random((len(rows), 3), np.float32)
    found = scored(probabilities, rows, multi_label=True, thresholds=np.float32(thresholds))
    said = [[NAMES[place] for place in range(3) if row[place] >= np.float32(thresholds[place])] for row in probabilities]
    names = [*NAMES, *(["new"] if any("new" in row for row in rows) else [])]
    binarizer = MultiLabelBinarizer(classes=names).fit([names])
    assert_scores_are(found, binarizer.transform(rows), binarizer.transform(said), names)
    assert found.confusion is None


def test_unseen_labels_are_errors_that_are_named_with_their_documents():
    rows = [["new"], ["good"], ["other one"], ["new"]]
    found = scored([[0.1, 0.8, 0.1]] * 4, rows)
    assert found.unseen_labels == {"new": 2, "other one": 1}
    assert found.accuracy == 0.25
    assert list(found.per_class) == [*NAMES, "new", "other one"]
    assert found.per_class["new"] == (0.0, 0.0, 0.0, 2)
    assert found.confusion[3] == [0, 2, 0, 0, 0] and [row[3] for row in found.confusion] == [0] * 5


def test_among_several_labels_an_unseen_one_makes_the_document_wrong():
    found = scored([[0.9, 0.1, 0.1]] * 2, [["bad", "new"], ["bad"]], multi_label=True)
    assert found.unseen_labels == {"new": 1} and found.accuracy == 0.5
    assert found.per_class["bad"].f1 == 1.0 and found.per_class["new"].f1 == 0.0


def test_all_right_is_perfect_and_names_no_label_unseen():
    found = scored(np.eye(3), [[name] for name in NAMES], mistakes=5)
    assert (found.accuracy, found.macro_f1, found.micro_f1, found.calibration_error) == (1, 1, 1, 0)
    assert found.unseen_labels == {} and found.mistakes == []


@pytest.mark.parametrize("multi_label", [False, True])
def test_one_document_is_enough(multi_label):
    found = scored([[0.2, 0.7, 0.1]], [["good"]], multi_label=multi_label)
    assert found.documents == 1 and found.accuracy == 1
    assert found.macro_f1 == pytest.approx(1 / 3)


def test_a_document_without_labels_of_which_none_is_said_is_right():
    assert scored([[0.2, 0.3, 0.1], [0.9, 0.1, 0.1]], [[], ["bad"]], multi_label=True).accuracy == 1


# ---- calibration -----------------------------------------------------------------------------------------------------------------------


def brute_force_calibration(answers):
    """Sort (confidence, right) into 15 bins; sum how far mean confidence and accuracy lie apart, each bin by its share."""
    error = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        members = [(c, right) for c, right in answers if low <= c < high or (number == 14 and c == 1)]
        if members:
            gap = sum(c for c, _ in members) / len(members) - sum(right for _, right in members) / len(members)
            error += abs(gap) * len(members) / len(answers)
    return error


@few
@given(rows=st.lists(st.sampled_from([*NAMES, "new"]), min_size=1, max_size=60), seed=st.integers(0, 999))
def test_the_calibration_error_of_single_labels_is_that_of_the_likeliest(rows, seed):
    probabilities = drawn(seed, len(rows))
    answers = [(float(max(row)), NAMES[row.argmax()] == name) for row, name in zip(probabilities, rows, strict=True)]
    found = scored(probabilities, [[name] for name in rows])
    assert found.calibration_error == pytest.approx(brute_force_calibration(answers), abs=1e-6)


@few
@given(rows=label_lists, seed=st.integers(0, 999))
def test_the_calibration_error_of_several_labels_is_that_of_all_known_ones(rows, seed):
    probabilities = np.random.default_rng(seed).random((len(rows), 3), np.float32)
    probabilities[0] = [0, 1, 1]
    places = [(number, place) for number in range(len(rows)) for place in range(3)]
    answers = [(float(probabilities[number, place]), NAMES[place] in rows[number]) for number, place in places]
    found = scored(probabilities, rows, multi_label=True)
    assert found.calibration_error == pytest.approx(brute_force_calibration(answers), abs=1e-6)


# ---- mistakes --------------------------------------------------------------------------------------------------------------------------


@few
@given(rows=st.lists(st.sampled_from([*NAMES, "new"]), min_size=1, max_size=20), seed=st.integers(0, 999), number=st.integers(0, 8))
def test_mistakes_are_the_most_confident_wrong_answers(rows, seed, number):
    probabilities = drawn(seed, len(rows))
    found = scored(probabilities, [[name] for name in rows], mistakes=number).mistakes
    wrong = [
        (place + 1, f"text {place + 1}", [name], [NAMES[row.argmax()]], float(row.max()))
        for place, (name, row) in enumerate(zip(rows, probabilities, strict=True))
        if NAMES[row.argmax()] != name
    ]
    assert [tuple(mistake) for mistake in found] == sorted(wrong, key=lambda mistake: -mistake[4])[:number]


def test_a_mistake_with_several_labels_names_what_was_said_the_likeliest_first():
    probabilities = [[0.6, 0.1, 0.9], [0.1, 0.2, 0.3], [0.9, 0.1, 0.1]]
    found = scored(probabilities, [["good"], [], ["bad", "so so"]], multi_label=True, mistakes=5).mistakes
    assert [(mistake.document, mistake.true, mistake.predicted) for mistake in found] == [
        (1, ["good"], ["so so", "bad"]),
        (3, ["bad", "so so"], ["bad"]),
    ]
    assert [mistake.confidence for mistake in found] == [pytest.approx(0.4)] * 2


# ---- evaluation of a model -------------------------------------------------------------------------------------------------------------


class Oracle:
    """Says what the last word of a text asks for, and counts the documents."""

    def __init__(self, *, multi_label=False):
        self.labels, self.thresholds, self.documents = LabelSet(NAMES, multi_label), HALF, 0

    def predict_blocks(self, blocks):
        text = ""
        for block in blocks:
            found = []
            for piece, end in zip(block.texts.to_list(), block.ends.tolist(), strict=True):
                text += piece
                if end:
                    words = text.split()
                    found.append([0.8 if words and name.startswith(words[-1]) else 0.1 for name in NAMES])
                    text = ""
            self.documents += len(found)
            if found:
                yield np.array(found, np.float32)


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "data").write_text(text, encoding="utf-8")
        return tmp_path / "data"

    return write


def test_a_model_is_evaluated_on_a_corpus(written):
    corpus = open_labelled(written("good\tsays good\nbad\tsays good\nno label\nso so\t\nnew\tsays so\n"))
    model = Oracle()
    found = evaluate_classifier(model, corpus)
    assert model.documents == found.documents == 4
    assert found.accuracy == 0.25 and found.unseen_labels == {"new": 1}
    mistakes = {mistake.document: (mistake.text, mistake.true, mistake.predicted) for mistake in found.mistakes}
    assert mistakes == {
        2: ("says good", ["bad"], ["good"]),
        3: ("", ["so so"], ["bad"]),
        4: ("says so", ["new"], ["so so"]),
    }
    assert corpus.report.bad_lines == 1


def test_several_labels_of_a_corpus_are_evaluated(written):
    path = written("good|bad\tsays good\nbad\tsays bad\n")
    found = evaluate_classifier(Oracle(multi_label=True), open_labelled(path, separator="|"))
    assert found.accuracy == 0.5
    assert [(mistake.document, mistake.true, mistake.predicted) for mistake in found.mistakes] == [(1, ["good", "bad"], ["good"])]


def test_long_documents_in_many_pieces_are_one_document_each(written, monkeypatch):
    monkeypatch.setattr("lexloom.text.corpus.BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks, "PIECE_BYTES", 16)
    ends = [("bad", "bad"), ("good", "bad"), ("so so", "so")]
    lengths = [0, 3, 50, 1, 90]
    rows = [(name, f"Text {length} " + "é word " * length + word) for length in lengths for name, word in ends]
    found = evaluate_classifier(Oracle(), open_labelled(written("\n".join(f"{name}\t{text}" for name, text in rows))), mistakes=99)
    assert found.documents == 15 and found.accuracy == pytest.approx(2 / 3)
    assert [mistake.document for mistake in found.mistakes] == [2, 5, 8, 11, 14]
    for mistake in found.mistakes:
        assert mistake.text and rows[mistake.document - 1][1].startswith(mistake.text)


@pytest.mark.parametrize("length", [199, 200, 201, 300_000])
def test_of_a_text_its_first_200_characters_are_shown(written, length):
    text = ("é" * length)[: length - 4] + " bad"
    found = evaluate_classifier(Oracle(), open_labelled(written(f"good\t{text}\nbad\tbad\n")))
    assert [mistake.text for mistake in found.mistakes] == [text[:200]]
    assert found.documents == 2


@pytest.mark.parametrize(
    ("text", "end"),
    [("", "$"), ("\n \n", "$"), ("one\ntwo\n", r"; 2 bad records were left out, the first: .*data:1: expected 2 tab-separated fields.*$")],
)
def test_no_document_with_a_label_is_an_error(written, text, end):
    with pytest.raises(InputError, match=f"data: no document with a label{end}"):
        evaluate_classifier(Oracle(), open_labelled(written(text)))


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_score_is_plain_json(multi_label):
    found = scored([[0.2, 0.7, 0.1], [0.6, 0.7, 0.1]], [["good"], ["new"]], multi_label=multi_label, mistakes=3)
    said = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert said["per_class"]["good"] == found.per_class["good"]._asdict()
    assert said["mistakes"] == [mistake._asdict() for mistake in found.mistakes] != []
    assert said["confusion"] == found.confusion and said["unseen_labels"] == {"new": 1}
    assert said["accuracy"] == 0.5 and said["documents"] == 2


# ---- thresholds ------------------------------------------------------------------------------------------------------------------------


def f1_of(chosen, true):
    found = Counter(zip(chosen.tolist(), true.tolist(), strict=True))
    both = found[True, True]
    return 2 * both / max(1, 2 * both + found[True, False] + found[False, True])


def targets_of(true):
    """Targets of rows of zeros and ones."""
    codes = [np.flatnonzero(row) for row in true]
    starts = np.cumsum([0, *map(len, codes)])
    return Targets(np.concatenate([np.empty(0, np.int64), *codes]), starts, multi_label=True)


@few
@given(documents=st.integers(1, 30), grid=st.sampled_from([4, 1000]), seed=st.integers(0, 9999))
def test_no_other_threshold_has_a_better_f1(documents, grid, seed):
    random = np.random.default_rng(seed)
    true = random.random((documents, 3)) < [0.2, 0.5, 0.9]
    probabilities = np.float32(random.integers(0, grid + 1, (documents, 3)) / grid)
    thresholds = tune_thresholds(probabilities, targets_of(true))
    assert thresholds.dtype == np.float32
    for label in range(3):
        column, wanted = probabilities[:, label], true[:, label]
        chosen = decide(probabilities, thresholds, multi_label=True)[:, label]
        assert not wanted.any() or f1_of(chosen, wanted) == max(f1_of(column >= other, wanted) for other in [*column.tolist(), math.inf])


def test_a_threshold_lies_midway_between_the_probabilities_that_it_parts():
    probabilities = np.float32([[0.875], [0.25], [0.75], [0.5]])
    assert tune_thresholds(probabilities, targets_of([[1], [0], [1], [0]])).tolist() == [0.625]
    assert tune_thresholds(probabilities, targets_of([[1], [1], [1], [1]])).tolist() == [0.125]


def test_a_label_that_no_document_has_keeps_one_half():
    assert tune_thresholds(np.float32([[0.9, 0.2]]), targets_of([[0, 1]])).tolist() == [0.5, pytest.approx(0.1)]
    assert tune_thresholds(np.zeros((0, 2), np.float32), targets_of(np.zeros((0, 2)))).tolist() == [0.5, 0.5]


def test_labels_that_training_never_saw_have_no_say():
    probabilities, starts = np.float32([[0.9], [0.2], [0.1]]), np.arange(4)
    assert tune_thresholds(probabilities, Targets(np.array([0, UNKNOWN, UNKNOWN]), starts, True)).tolist() == [pytest.approx(0.55)]
