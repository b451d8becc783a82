import dataclasses

import numpy as np
import pytest

from lexloom.models.classifier.data import read_labelled
from lexloom.models.classifier.options import ClassifierOptions, DocumentConfig
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig

LINES = [*("a\tone two",) * 6, *("b\tone three",) * 3, "c\tfour"]
OPTIONS = ClassifierOptions(batches=DocumentConfig(held_out=0.0), tokenizer=TokenizerConfig(tokenizer="whitespace"))


@pytest.fixture
def read(tmp_path):
    def call(lines=LINES, valid=None, options=OPTIONS, separator=None, **how):
        for name, content in (("train.txt", lines), ("valid.txt", valid or [])):
            (tmp_path / name).write_text("".join(f"{line}\n" for line in content))
        held = None if valid is None else open_labelled(tmp_path / "valid.txt", separator=separator)
        return read_labelled(open_labelled(tmp_path / "train.txt", separator=separator), held, options, specials=("pad", "unk"), **how)

    return call


def test_documents_are_encoded_with_their_labels(read):
    data = read()
    words = [[data.vocabulary.tokens[number] for number in data.train.documents.take(np.array([row])).ids] for row in range(len(LINES))]
    assert words == [line.split("\t")[1].split() for line in LINES]
    assert [data.labels.names[code] for code in data.train.targets.single] == [line.split("\t")[0] for line in LINES]
    assert data.facts["tokens"] == sum(map(len, words))


def test_balanced_weights_give_every_label_the_same_sum(read):
    data = read()
    sums = data.class_weights() * data.counts
    np.testing.assert_allclose(sums, len(LINES) / 3)


def test_balanced_weights_of_several_labels_count_having_one_as_much_as_not_having_it(read):
    data = read(["a,b\tone", "a\ttwo", "a,b\tthree", "b\tfour", "a,c\tfive"], separator=",")
    np.testing.assert_allclose(data.class_weights() * [4, 3, 1], [1, 2, 4])


def test_held_out_documents_come_from_each_label(read):
    data = read(options=dataclasses.replace(OPTIONS, batches=DocumentConfig(held_out=0.3)))
    assert data.valid is not None
    assert (len(data.train.documents), len(data.valid.documents)) == (7, 3)
    assert data.valid.targets.counts(3).tolist() == [2, 1, 0]


def test_checksums_change_with_texts_labels_and_validation_documents(read):
    other_text, other_label = [*LINES[:-1], "c\tfour four"], [*LINES[:-2], "a\tone three", LINES[-1]]
    found = [read().checksums(), read(other_text).checksums(), read(other_label).checksums(), read(valid=["a\tone"]).checksums()]
    assert read().checksums() == found[0]
    assert found[0]["ids"] != found[1]["ids"] and found[0]["labels"] == found[1]["labels"]
    assert found[0]["ids"] == found[2]["ids"] and found[0]["labels"] != found[2]["labels"]
    assert found[3] not in found[:3]


def test_out_of_vocabulary_tokens_can_keep_ids_of_their_own(read):
    plain, kept = read(valid=["a\tnew one newer new"]), read(valid=["a\tnew one newer new"], keep_others=True)
    assert plain.valid is not None and kept.valid is not None
    size, one = len(kept.vocabulary), kept.vocabulary.id_of("one")
    assert kept.valid.others == ["new", "newer"]
    assert kept.valid.documents.ids.tolist() == [size, one, size + 1, size]
    assert plain.valid.documents.ids.tolist() == [plain.vocabulary.unk_id, one, plain.vocabulary.unk_id, plain.vocabulary.unk_id]


def test_unseen_labels_of_validation_documents_are_a_problem_to_report(read):
    (problem,) = read(valid=["new\tone", "a\tone"]).problems
    assert "labels that do not occur in training count as errors (number of documents): 'new' (1)" in problem
