"""The checks that all options share."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_share, check_whole


@dataclass(frozen=True)
class Options:
    colour: Literal["red", "green"] = "red"
    size: int = 1


@dataclass(frozen=True)
class MoreOptions(Options):
    shape: Literal["round"] = "round"


@pytest.mark.parametrize("options", [Options("green", size=7), MoreOptions()])
def test_a_choice_that_there_is_passes(options):
    check_choices(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("blue"), "colour is 'blue': expected one of red, green"),
        (dataclasses.replace(MoreOptions(), colour="blue"), "colour is 'blue'"),
        (MoreOptions(shape="square"), "shape is 'square': expected one of round"),
    ],
)
def test_a_choice_that_there_is_not_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        check_choices(options)


@pytest.mark.parametrize("value", [None, 2, 3, np.int64(2)])
def test_whole_numbers_within_the_bounds_pass(value):
    check_whole("size", value, 2, at_most=3)


@pytest.mark.parametrize("value", [1, -1, 2.0, 2.5, True, "2", math.nan, math.inf])
def test_what_is_no_whole_number_or_too_small_is_refused(value):
    with pytest.raises(ConfigError, match=rf"size is {value!r}: expected a whole number of at least 2"):
        check_whole("size", value, 2)


def test_a_whole_number_too_large_is_refused():
    with pytest.raises(ConfigError, match="size is 4: expected at most 3"):
        check_whole("size", 4, 2, at_most=3)


@pytest.mark.parametrize(
    ("check", "fine", "refused", "expected"),
    [
        (lambda value: check_at_least("x", value, 0.0), [None, 0, 0.0, 3, np.float32(0.5)], [-0.1, math.nan, math.inf, True, "1"], "0"),
        (lambda value: check_above_zero("x", value), [None, 1e-9, 3], [0, 0.0, -1, math.nan, math.inf, True, "1"], "above 0"),
        (lambda value: check_share("x", value), [None, 0, 0.99], [1, 1.0, -0.1, math.nan, True, "0"], "up to, but not including, 1"),
    ],
    ids=["at least", "above zero", "share"],
)
def test_numbers_are_held_against_their_bounds(check, fine, refused, expected):
    for value in fine:
        check(value)
    for value in refused:
        with pytest.raises(ConfigError, match=rf"x is {value!r}: expected .*{expected}$"):
            check(value)
