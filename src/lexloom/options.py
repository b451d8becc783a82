"""Checks that the frozen dataclasses of options share; each complaint names the option, its value, and what is expected."""

import math
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lexloom.errors import ConfigError


def check_choices(options: Any) -> None:
    """Refuse a field that is annotated `Literal[...]` and holds none of these.

    Raises:
        ConfigError: one does.
    """
    for name, kind in get_type_hints(type(options)).items():
        if get_origin(kind) is Literal:
            check_choice(name, getattr(options, name), kind)


def check_choice(name: str, value: Any, kind: Any) -> None:
    """Refuse what is none of the values of a `Literal[...]`.

    Raises:
        ConfigError: it is.
    """
    if value not in get_args(kind):
        raise ConfigError(f"{name} is {value!r}: expected one of {', '.join(get_args(kind))}")


def check_whole(name: str, value: int | None, least: int, *, at_most: float = math.inf) -> None:
    """Refuse what is no whole number or out of bounds; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not (_is_whole(value) and value >= least):
        raise ConfigError(f"{name} is {value!r}: expected a whole number of at least {least}")
    if value is not None and value > at_most:
        raise ConfigError(f"{name} is {value}: expected at most {at_most}")


def check_at_least(name: str, value: float | None, least: float) -> None:
    """Refuse what is no number, infinite, or below the bound; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not (_is_number(value) and value >= least):
        raise ConfigError(f"{name} is {value!r}: expected a number of at least {least:g}")


def check_above_zero(name: str, value: float | None) -> None:
    """Refuse what is no number, infinite, or not above 0; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not (_is_number(value) and value > 0):
        raise ConfigError(f"{name} is {value!r}: expected a number above 0")


def check_share(name: str, value: float | None) -> None:
    """Refuse a share outside 0 to 1; None, an option that is not given, is fine.

    Raises:
        ConfigError: it is.
    """
    if value is not None and not (_is_number(value) and 0 <= value < 1):
        raise ConfigError(f"{name} is {value!r}: expected a share from 0 up to, but not including, 1")


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def describe(**parts: Any) -> dict[str, dict[str, Any]]:
    """Give dataclasses of options in values that come back from JSON as they were."""
    return {
        part: {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(options).items()}
        for part, options in parts.items()
    }
