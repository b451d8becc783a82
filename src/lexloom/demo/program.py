"""The commands that the tour prints."""

import os
import shlex
import sys
from pathlib import Path
from shutil import which


def command(*arguments: str | os.PathLike[str]) -> str:
    """Format a command as a user would type it: `lexloom` if it is on the path, else its location, such as `.venv/bin/lexloom`.

    Args:
        arguments: the arguments, which are quoted if the shell needs it.
    """
    script = Path(sys.executable).with_name("lexloom")
    program = os.path.relpath(script) if which("lexloom") is None and script.exists() else "lexloom"
    return shlex.join([program, *(os.fspath(argument) for argument in arguments)])
