"""`lexloom completion SHELL`: complete commands and options in a shell."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print a script that completes commands and options in a shell.

    In bash, for example: `lexloom completion bash > ~/.local/share/bash-completion/completions/lexloom`.

    Args:
        shell: The shell.
    """
    from lexloom.cli import app

    print(app.generate_completion(shell=shell))  # noqa: T201
