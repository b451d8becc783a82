"""Hooks that cyclopts calls after parsing a command line and before running the command: `--config FILE.toml`, and whole numbers."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, get_args

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from lexloom.errors import ConfigError


def apply_toml(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Read the options that are not on the command line from the file that `--config` names.

    Args:
        app: the command.
        commands: its name, one word per level.
        arguments: the parsed command line; changed in place.

    Raises:
        ConfigError: the file is missing, is not TOML, or has a table or a key that is not an option of the command.
    """
    chosen = arguments.get("--config", None)
    if chosen is None or not chosen.tokens:
        return
    path = chosen.tokens[0].value
    values = _read(path)
    options = [name.removeprefix("--") for argument in arguments for name in argument.names if name.startswith("--") and argument != chosen]
    for key, value in values.items():
        if isinstance(value, dict):
            raise ConfigError(f"{path}: [{key}] is a table, but options are not in tables; write all at the top, such as dim = 300")
        if key.replace("_", "-") not in options:
            near = difflib.get_close_matches(key.replace("_", "-"), options, 1)
            hint = f"did you mean {near[0].replace('-', '_')}?" if near else "the keys are the options of the command, see --help"
            raise ConfigError(f"{path}: unknown option {key!r}; {hint}")
    Dict(values, source=path, use_commands_as_keys=False)(app, commands, arguments)


def refuse_fractions(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse a fraction such as 1.5 for a whole number; cyclopts would round it.

    Raises:
        ConfigError: an option has such a value.
    """
    for argument in arguments:
        if argument.hint is not int and int not in get_args(argument.hint):
            continue
        for token in argument.tokens:
            try:
                fraction = not float(token.value).is_integer()
            except ValueError:  # not a number: cyclopts refuses it
                continue
            if fraction:
                raise ConfigError(f"{argument.name}: {token.value} is not a whole number")


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; --config names a TOML file with options, such as dim = 300") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # of tomllib, or a wrong encoding
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
