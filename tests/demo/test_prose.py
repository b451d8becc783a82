import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.demo.prose import paragraphs

PROSE = "Return the eigenvalues of a matrix."


def clean(docstring: str) -> list[str]:
    return list(paragraphs(inspect.cleandoc(docstring)))


def test_wrapped_lines_become_one_paragraph_each():
    assert clean(
        """Compute the mean of
        all elements.

        The result is a
        scalar value.
        """
    ) == ["Compute the mean of all elements.", "The result is a scalar value."]


@pytest.mark.parametrize(
    "noise",
    [
        ">>> eigenvalues(matrix) # some words here\n    array of many numbers",
        "In [1]: eigenvalues(matrix) or so",
        "```python\nimport numpy as well\n\nprint some words here\n```",
        ".. code-block:: python\n\n    import numpy as well\n\n    print some words here",
        ".. math::\n\n    the sum over all things",
        "+----------+-----------+\n| some big | table row |\n+----------+-----------+",
        "=================\nhead of a table\n=================",
        "a heading with words\n--------------------",
        ":rtype: list of many things",
        ":type axis: int or none or more",
        "axis : int, or none or more",
        "https://example.org/see some/words",
        "f(x) = [1, 2, 3] + {4: 5} / g(y)",
        "too short",
        "",
    ],
)
def test_noise_is_left_out(noise):
    assert clean(f"{PROSE}\n\n{noise}\n\nThe matrix must be symmetric.") == [PROSE, "The matrix must be symmetric."]


def test_code_after_a_double_colon_is_left_out_and_the_text_goes_on_after_it():
    docstring = "Call it like this::\n\n    compute some words here\n\n    and then some more\n\nThe matrix must be symmetric."
    assert clean(docstring) == ["Call it like this::", "The matrix must be symmetric."]


@pytest.mark.parametrize(
    "parameters",
    [
        "Parameters\n----------\naxis : int\n    The axis to reduce over.\nkeep : bool, optional\n    Whether axes are kept.",
        "Args:\n    axis (int): The axis to reduce over.\n    keep: Whether axes are kept.",
        ":param axis: The axis to reduce over.\n:param bool keep: Whether axes are kept.",
        "* The axis to reduce over.\n* Whether axes are kept.",
        "1. The axis to reduce over.\n2) Whether axes are kept.",
    ],
    ids=["numpy", "google", "sphinx", "bullets", "numbers"],
)
def test_each_description_is_a_paragraph_without_its_header(parameters):
    assert clean(f"{PROSE}\n\n{parameters}") == [PROSE, "The axis to reduce over.", "Whether axes are kept."]


def test_the_text_of_a_note_stays():
    assert clean(f"{PROSE}\n\n.. note::\n    The matrix must be symmetric.") == [PROSE, "The matrix must be symmetric."]


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("See :func:`~numpy.linalg.eig` for the method.", "See numpy.linalg.eig for the method."),
        ("Uses ``scipy`` and *sparse* or **dense** input.", "Uses scipy and sparse or dense input."),
        ("Based on the paper [1]_ by Smith.", "Based on the paper by Smith."),
        ("Computes :math:`x^2 + 1` for all inputs.", "Computes for all inputs."),
        ("Calls sort(a,b) on the array.", "Calls sort on the array."),
    ],
)
def test_markup_is_taken_away(marked, plain):
    assert clean(marked) == [plain]


LINES = ["The mean of all", "    deeper text here", ">>> f", "::", "-----", "a : int", "```", "", ".. note:: x y z"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(LINES)))
def test_any_arrangement_gives_single_lines_of_at_least_three_words(lines):
    for paragraph in paragraphs("\n".join(lines)):
        assert paragraph == " ".join(paragraph.split())
        assert len(paragraph.split()) >= 3


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_no_text_is_too_strange(text):
    assert all("\n" not in paragraph for paragraph in paragraphs(text))
