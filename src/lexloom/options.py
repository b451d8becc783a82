"""Checks that the frozen dataclasses of options share; each complaint names the option, its value, and what is expected."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from lexloom.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Parts = TypeVar("Parts", bound="DataclassInstance")


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


def describe(options: Any) -> dict[str, dict[str, Any]]:
    """Return a dataclass whose fields are dataclasses of options in JSON values, by field and name."""
    return {
        field.name: {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(getattr(options, field.name)).items()
        }
        for field in fields(options)
    }


def restore(kind: type[Parts], described: Mapping[str, Mapping[str, Any]]) -> Parts:
    """Make a dataclass from what `describe` returned. Each part is of the type of its default.

    Raises:
        KeyError, TypeError, ConfigError: a part or an option is missing, unknown or out of range.
    """
    parts = {}
    for field in fields(kind):
        values = described[field.name]
        part: Any = type(field.default)
        parts[field.name] = part(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    return kind(**parts)
