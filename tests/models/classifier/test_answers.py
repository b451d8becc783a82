import json

import numpy as np
import pytest

from lexloom.models.classifier.answers import Explanation, decide

HALF = np.full(3, 0.5, np.float32)


def test_the_most_likely_label_is_chosen_and_of_equals_the_first():
    found = decide(np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4], [0.34, 0.33, 0.33]]), HALF, multi_label=False)
    assert found.tolist() == [[False, True, False], [True, False, False], [True, False, False]]


def test_all_labels_that_are_likely_enough_are_chosen_which_may_be_none():
    found = decide(np.array([[0.5, 0.5, 0.95], [0.4, 0.69, 0.1]]), np.array([0.5, 0.7, 0.9]), multi_label=True)
    assert found.tolist() == [[True, False, True], [False, False, False]]


@pytest.mark.parametrize("multi_label", [False, True])
def test_of_no_documents_there_is_nothing_to_decide(multi_label):
    assert decide(np.zeros((0, 3)), HALF, multi_label=multi_label).shape == (0, 3)


def test_an_explanation_is_plain_json():
    found = Explanation("good", 0.75, ["a", "b"], [0.5, -1.0])
    assert json.loads(json.dumps(found.as_dict())) == {"label": "good", "probability": 0.75, "tokens": ["a", "b"], "scores": [0.5, -1.0]}
