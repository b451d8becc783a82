import itertools
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, InputError
from lexloom.models.classifier.labels import UNKNOWN, LabelSet, find_labels, hold_out
from lexloom.text.labels import open_labelled

few = settings(max_examples=30, deadline=None)
NAMES = ("bad", "good", "so so")
label_lists = st.lists(st.lists(st.sampled_from([*NAMES, "new"]), max_size=3), min_size=1, max_size=10).filter(any)


def labels_of(rows):
    return pl.Series(rows, dtype=pl.List(pl.String))


def plain(targets):
    """The codes of each document as lists."""
    return [targets.codes[begin:end].tolist() for begin, end in itertools.pairwise(targets.starts)]


# ---- finding -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_label", [None, False])
def test_labels_are_found_in_alphabetical_order_whatever_their_spaces(multi_label):
    found = find_labels(labels_of([["so so"], ["good"], ["b c"], ["good"], ["Z"]]), multi_label, "data")
    assert found == LabelSet(("Z", "b c", "good", "so so"), multi_label=False)
    assert len(found) == 4


@pytest.mark.parametrize("multi_label", [None, True])
def test_one_document_with_several_labels_makes_them_several(multi_label):
    found = find_labels(labels_of([["a"], ["b", "c"], []]), multi_label, "data")
    assert found == LabelSet(("a", "b", "c"), multi_label=True)


@pytest.mark.parametrize("rows", [[["a"], ["b"]], [["a", "a"], ["b"]]], ids=["one each", "the same twice"])
def test_several_labels_are_several_only_where_they_differ(rows):
    assert not find_labels(labels_of(rows), None, "data").multi_label
    assert find_labels(labels_of(rows), True, "data").multi_label


def test_several_labels_where_one_is_allowed_are_refused_with_the_document():
    expected = r"^data: document 3 has several labels \(c, b\); give --multi-label, or one label per document$"
    with pytest.raises(InputError, match=expected):
        find_labels(labels_of([["a"], ["b", "b"], ["c", "b"], ["a", "b"]]), False, "data")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["so so"], ["so so"]], "all 2 documents have a single label, 'so so'"),
        ([["a", "a"]], "the only document has a single label, 'a'"),
        ([[], []], "all 2 documents have no label"),
        ([], "all 0 documents have no label"),
    ],
)
@pytest.mark.parametrize("multi_label", [None, False, True])
def test_fewer_than_two_labels_are_refused(rows, multi_label, said):
    with pytest.raises(InputError, match=f"^data: {said}; a classifier needs at least two different ones$"):
        find_labels(labels_of(rows), multi_label, "data")


def test_labels_of_files_are_found_and_numbered(tmp_path):
    path = tmp_path / "data"
    path.write_text("so so\tone\ngood\ttwo\nso so\tthree\n")
    corpus = open_labelled(path)
    named = pl.concat(corpus.blocks())["labels"]
    labels = find_labels(named, None, corpus.name)
    assert labels.names == ("good", "so so")
    assert plain(labels.encode(named)) == [[1], [0], [1]]


# ---- names and numbers -----------------------------------------------------------------------------------------------------------------


def test_every_name_has_the_number_of_its_place():
    assert [LabelSet(NAMES, multi_label=False).id_of(name) for name in NAMES] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("godo", "did you mean 'good'?"), ("xyz", "expected one of bad, good, so so"), ("", "expected one of bad, good, so so")],
)
def test_an_unknown_name_is_an_error_that_helps(name, hint):
    with pytest.raises(ConfigError) as raised:
        LabelSet(NAMES, multi_label=False).id_of(name)
    assert str(raised.value) == f"label {name!r} is unknown to the classifier; {hint}"


def test_of_many_names_ten_are_listed():
    labels = LabelSet(tuple(f"label {number:02}" for number in range(50)), multi_label=False)
    with pytest.raises(ConfigError, match=r"expected one of label 00, .*, label 09$"):
        labels.id_of("?")


@few
@given(rows=label_lists)
def test_labels_are_numbered_and_those_that_are_not_known_are_unknown(rows):
    targets = LabelSet(NAMES, multi_label=True).encode(labels_of(rows))
    assert plain(targets) == [[NAMES.index(name) if name in NAMES else UNKNOWN for name in dict.fromkeys(row)] for row in rows]
    assert len(targets) == len(rows)
    assert targets.codes.dtype == targets.starts.dtype == np.int64


@few
@given(rows=label_lists, data=st.data())
def test_a_matrix_has_ones_where_the_known_labels_are(rows, data):
    targets = LabelSet(NAMES, multi_label=True).encode(labels_of(rows))
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12))
    some = targets.matrix(3, np.array(numbers, np.int64))
    assert some.dtype == bool and some.shape == (len(numbers), 3)
    assert some.tolist() == [[name in rows[number] for name in NAMES] for number in numbers]
    assert targets.matrix(3).tolist() == [[name in row for name in NAMES] for row in rows]


@few
@given(rows=label_lists, multi_label=st.booleans(), data=st.data())
def test_targets_are_taken_in_the_order_of_their_numbers(rows, multi_label, data):
    targets = LabelSet(NAMES, multi_label=multi_label).encode(labels_of(rows))
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12))
    taken = targets.take(np.array(numbers, np.int64))
    assert plain(taken) == [plain(targets)[number] for number in numbers]
    assert taken.multi_label == multi_label


def test_the_single_label_of_a_document_is_its_first():
    targets = LabelSet(NAMES, multi_label=False).encode(labels_of([["good"], ["new"], ["so so", "bad"]]))
    assert targets.single.tolist() == [1, UNKNOWN, 2]


# ---- holding out -----------------------------------------------------------------------------------------------------------------------

label_numbers = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 4]), min_size=1, max_size=80)
shares = st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9])


def targets_of(numbers):
    names = tuple(f"label {number}" for number in range(5))
    return LabelSet(names, multi_label=False).encode(labels_of([[names[number]] for number in numbers]))


@few
@given(numbers=label_numbers, share=shares, seed=st.integers(0, 2**40))
def test_every_document_is_in_one_of_the_two_parts(numbers, share, seed):
    first, second = hold_out(targets_of(numbers), share, seed)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(len(numbers)))
    assert first.tolist() == sorted(first.tolist()) and second.tolist() == sorted(second.tolist())


@few
@given(numbers=label_numbers, share=shares, seed=st.integers(0, 2**40))
def test_each_label_gives_its_share_and_keeps_a_document(numbers, share, seed):
    _, second = hold_out(targets_of(numbers), share, seed)
    counts, held = Counter(numbers), Counter(numbers[place] for place in second.tolist())
    for label, count in counts.items():
        assert held[label] < count
        assert abs(held[label] - share * count) < 1 + 1e-9 or held[label] == count - 1


@few
@given(counts=st.lists(st.integers(2, 40), min_size=1, max_size=5), share=st.sampled_from([0.05, 0.1, 0.25, 0.5]), seed=st.integers(0, 99))
def test_all_labels_together_give_the_share_of_all_documents(counts, share, seed):
    numbers = [label for label, count in enumerate(counts) for _ in range(count)]
    _, second = hold_out(targets_of(numbers), share, seed)
    assert len(second) == round(share * len(numbers))


def test_of_labels_with_few_documents_each_some_are_held_out():
    numbers = [label for label in range(5) for _ in range(4)]
    _, second = hold_out(targets_of(numbers), 0.1, 0)
    assert len(second) == 2


def test_labels_with_a_single_document_are_not_held_out():
    first, second = hold_out(targets_of([0, 1, 2]), 0.5, 3)
    assert (first.tolist(), second.tolist()) == ([0, 1, 2], [])


def test_nothing_is_held_out_where_no_share_is_asked_for():
    first, second = hold_out(targets_of([0, 0, 1, 1]), 0.0, 3)
    assert (first.tolist(), second.tolist()) == ([0, 1, 2, 3], [])


def test_what_is_held_out_is_drawn_from_the_seed_alone():
    targets = targets_of([0] * 30 + [1] * 30)
    held = [tuple(hold_out(targets, 0.2, seed)[1].tolist()) for seed in (1, 1, 2, 3)]
    assert held[0] == held[1] and len(set(held)) == 3


def test_every_document_of_a_label_is_held_out_as_often_as_any_other():
    targets = targets_of([0] * 6 + [1] * 4)
    seen = Counter(place for seed in range(400) for place in hold_out(targets, 0.5, seed)[1].tolist())
    assert min(seen[place] for place in range(10)) > 150 and max(seen.values()) < 250


def test_documents_with_several_labels_are_held_out_by_their_rarest():
    rows = [["a", "b"], ["a"], ["b", "a"], ["a"]] * 5
    _, second = hold_out(LabelSet(("a", "b"), multi_label=True).encode(labels_of(rows)), 0.2, 1)
    assert Counter("b" in rows[place] for place in second.tolist()) == {True: 2, False: 2}


@pytest.mark.parametrize("seed", range(20))
def test_no_label_loses_its_last_document_where_there_may_be_several(seed):
    rows = [["a"]] * 9 + [["a", "b"]]
    first, _ = hold_out(LabelSet(("a", "b"), multi_label=True).encode(labels_of(rows)), 0.1, seed)
    assert 9 in first


@pytest.mark.parametrize("rows", [[], [[]], [[], []]], ids=str)
def test_documents_without_labels_have_no_numbers(rows):
    targets = LabelSet(("a", "b"), multi_label=True).encode(labels_of(rows))
    assert targets.codes.dtype == np.int64 and not targets.matrix(2).any()
