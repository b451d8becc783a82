"""How to call lexloom from here, for the commands that the tour prints."""

import os
import shlex
import sys
from pathlib import Path
from shutil import which


def command(*arguments: str | os.PathLike[str]) -> str:
    """Write a command as one would type it: lexloom by its name where the shell would find it, else by its place, as `.venv/bin/lexloom`.

    Args:
        arguments: what follows; quoted where the shell needs it.
    """
    script = Path(sys.executable).with_name("lexloom")
    program = os.path.relpath(script) if which("lexloom") is None and script.exists() else "lexloom"
    return shlex.join([program, *(os.fspath(argument) for argument in arguments)])
