"""The command line: `main` runs it and turns every user's error into one line; each command calls one public function."""

import gc
import os
import sys

import cyclopts

from lexloom.cli.configuration import apply_toml, refuse_fractions
from lexloom.errors import InterruptedRun, LexloomError
from lexloom.version import __version__

HELP = """From text to word vectors and language models: train them, question them, judge them, carry them into any other tool.

Every command takes `--debug`, which shows the traceback of an error, and `--help`.
"""

HOOKS = (apply_toml, refuse_fractions)

app = cyclopts.App(name="lexloom", help=HELP, version=__version__, help_format="markdown", config=HOOKS)
app.command("lexloom.cli.classifier:app", name="classifier", help="Train text classifiers, let them predict, judge them, ask them why.")
app.command(
    "lexloom.cli.demo:demo", name="demo", help="Train vectors, a language model and a classifier on text that this machine already has."
)
app.command("lexloom.cli.lm:app", name="lm", help="Train language models, judge them, let them write.")
app.command("lexloom.cli.vectors:app", name="vectors", help="Train word vectors, question, judge, convert and plot them.")


def run() -> None:
    """Be the process `lexloom`: `main`, with the garbage collector kept from going through what was imported, time and again and at exit.

    That is a quarter of the time that a command takes which does little but import torch.
    """
    gc.set_threshold(20_000)
    try:
        main()
    finally:
        gc.freeze()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 for success, 2 for a user's error (one line on standard error), 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:
        _fail(error, debug, 2, _needs(error))
    except InterruptedRun as error:
        _fail(error, debug, 130)
    except KeyboardInterrupt as error:
        _fail(error, debug, 130, "interrupted")
    except (LexloomError, cyclopts.CycloptsError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        _fail(error, debug, 2)


def _needs(error: ModuleNotFoundError) -> str:
    """Say how to get what is not installed."""
    package = (error.name or "").partition(".")[0]
    if package not in ("torch", "lightning"):
        raise error
    return f"{package} is not installed, and models need it; install it with: pip install 'lexloom[models]'"


def _fail(error: BaseException, debug: bool, status: int, message: str | None = None) -> None:
    if debug:
        raise error
    print("lexloom: error:", " ".join((message or str(error)).split()), file=sys.stderr)  # noqa: T201
    raise SystemExit(status)
