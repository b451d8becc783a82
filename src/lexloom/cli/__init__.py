"""The command line. `main` runs it and prints an error of the user as one line; each command calls one public function."""

import gc
import os
import sys

import cyclopts

from lexloom.cli.configuration import apply_toml, refuse_fractions
from lexloom.errors import InterruptedRun, LexloomError
from lexloom.version import __version__

HELP = """Train, query, evaluate and convert word vectors, language models and text classifiers.

Every command takes `--debug`, which shows the traceback of an error, and `--help`.
"""

HOOKS = (apply_toml, refuse_fractions)

app = cyclopts.App(name="lexloom", help=HELP, version=__version__, help_format="markdown", config=HOOKS)
app.command("lexloom.cli.classifier:app", name="classifier", help="Train text classifiers; predict, evaluate, explain, compare, export.")
app.command("lexloom.cli.completion:completion", name="completion", help="Print a script that completes commands and options in a shell.")
app.command(
    "lexloom.cli.demo:demo", name="demo", help="Train vectors, a language model and a classifier on text that is already on this machine."
)
app.command(
    "lexloom.cli.info:info", name="info", help="Say what a file or folder is: vectors, a model, an encoded corpus, an unfinished run."
)
app.command("lexloom.cli.lm:app", name="lm", help="Train language models, evaluate them, generate text.")
app.command("lexloom.cli.vectors:app", name="vectors", help="Train word vectors, query, evaluate, convert and plot them.")


def run() -> None:
    """Run `main` as the process `lexloom`, and keep the garbage collector from scanning what was imported again and again, and at exit.

    The scans are a quarter of the time of a command that does little but import torch.
    """
    gc.set_threshold(20_000)
    try:
        main()
    finally:
        gc.freeze()


class _Hyphen(str):
    """The argument `-`, standard input; cyclopts would take it for an unknown option because it starts with a hyphen."""

    def startswith(self, *_: object) -> bool:
        return False


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit: with 0 after success, 2 after an error of the user (one line on standard error), 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [_Hyphen(argument) if argument == "-" else argument for argument in arguments if argument != "--debug"]
    try:
        app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:
        _fail(error, debug, 2, _needs(error))
    except InterruptedRun as error:
        _fail(error, debug, 130)
    except KeyboardInterrupt as error:
        _fail(error, debug, 130, "interrupted")
    except (LexloomError, cyclopts.CycloptsError, OSError) as error:  # OSError: a full disk, or no permission to write
        _fail(error, debug, 2)


def _needs(error: ModuleNotFoundError) -> str:
    """Say how to install a missing package of the models extra; other missing packages are a bug."""
    package = (error.name or "").partition(".")[0]
    if package not in ("torch", "lightning"):
        raise error
    return f"{package} is not installed, and models need it; install it with: pip install 'lexloom[models]'"


def _fail(error: BaseException, debug: bool, status: int, message: str | None = None) -> None:
    if debug:
        raise error
    print("lexloom: error:", " ".join((message or str(error)).split()), file=sys.stderr)  # noqa: T201
    raise SystemExit(status)
