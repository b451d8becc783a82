"""Checks that the frozen dataclasses of options share; each complaint names the option, its value, and what is expected."""

import math
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lexloom.errors import ConfigError


def check_choices(options: Any) -> None:
    """Refuse a field that is annotated `Literal[...]` and holds none of these.

    Raises:
        ConfigError: one does.
    """
    for name, kind in get_type_hints(type(options)).items():
        value, choices = getattr(options, name), get_args(kind)
        if get_origin(kind) is Literal and value not in choices:
            raise ConfigError(f"{name} is {value!r}: expected one of {', '.join(choices)}")


def check_at_least(name: str, value: float | None, least: float, *, at_most: float = math.inf) -> None:
    """Refuse a number out of bounds, infinity and NaN; None, an option that is not given, is fine.

    Args:
        name: the option's.
        value: what it is.
        least: the lower bound; a float where the option need not be a whole number.
        at_most: the upper bound.

    Raises:
        ConfigError: it is out of bounds.
    """
    if value is None:
        return
    if not value >= least or not math.isfinite(value):  # "not >=" also refuses NaN
        raise ConfigError(f"{name} is {value}: expected a {'' if isinstance(least, float) else 'whole '}number of at least {least:g}")
    if value > at_most:
        raise ConfigError(f"{name} is {value}: expected at most {at_most:g}")


def check_above_zero(name: str, value: float | None) -> None:
    """Refuse a number that is not above 0, infinity and NaN; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not 0 < value < math.inf:
        raise ConfigError(f"{name} is {value}: expected a number above 0")


def check_share(name: str, value: float | None) -> None:
    """Refuse a share outside 0 to 1; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not 0 <= value < 1:
        raise ConfigError(f"{name} is {value}: expected a share from 0 up to, but not including, 1")
