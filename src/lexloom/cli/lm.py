"""`lexloom lm ...`: train language models, judge them, let them write."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from lexloom.cli.show import show_description, show_json, show_table
from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.models.language_model_config import (
    LanguageModelConfig,
    LanguageModelOptions,
    LanguageTokenizerConfig,
    LanguageVocabularyConfig,
    WindowConfig,
)
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.training.config import TrainingConfig
from lexloom.version import __version__

app = App(
    name="lm",
    help="Train language models, judge them, let them write.",
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(consume_multiple=True, negative_iterable=()),  # --cutoffs 2000 6000
)

Flat = Parameter(name="*")
Positional = Parameter(allow_leading_hyphen=True)
Unknown = Literal["error", "replace"]


@app.command
def train(
    inputs: Annotated[list[str], Positional],
    /,
    *,
    out: str,
    valid: str | None = None,
    test: str | None = None,
    model: Annotated[LanguageModelConfig, Flat] = LanguageModelConfig(),  # noqa: B008 (frozen)
    recurrent: Annotated[RecurrentConfig, Flat] = RecurrentConfig(),  # noqa: B008
    embedding: Annotated[EmbeddingConfig, Flat] = EmbeddingConfig(),  # noqa: B008
    windows: Annotated[WindowConfig, Flat] = WindowConfig(),  # noqa: B008
    training: Annotated[TrainingConfig, Flat] = TrainingConfig(),  # noqa: B008
    splitting: Annotated[LanguageTokenizerConfig, Flat] = LanguageTokenizerConfig(),  # noqa: B008
    counting: Annotated[LanguageVocabularyConfig, Flat] = LanguageVocabularyConfig(),  # noqa: B008
    field: str | None = None,
    store: str | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    config: str | None = None,
) -> None:
    """Train a recurrent language model on text and save it in a folder.

    Args:
        inputs: Files, globs, folders or URLs of text, compressed or not; - is standard input.
        out: The folder to write.
        valid: A file to validate on after each epoch; the last tenth of the text unless given; none trains on everything.
        test: A file to evaluate on at the end.
        field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        store: Where the encoded text is kept for another run; OUT/store unless given.
        resume: Go on from the last checkpoint in OUT; begin if there is none.
        overwrite: Replace what an earlier training left in OUT.
        config: A TOML file with any of these options, such as hidden_size = 400.
    """
    from lexloom.cli.show_language_model import TOLD, show_finished
    from lexloom.cli.show_model import model_progress
    from lexloom.text.readers import open_corpus
    from lexloom.training.language_model import train_language_model
    from lexloom.training.reporter import is_first_process

    del config  # read by the command line itself, before this
    corpus = open_corpus(inputs, field=field)
    with model_progress(TOLD, corpus, training) as reporter:
        train_language_model(
            corpus,
            LanguageModelOptions(model, embedding, recurrent),
            training,
            windows,
            tokenizer=splitting,
            vocabulary=counting,
            valid=valid,
            test=test,
            out=out,
            store=store,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
    if is_first_process():
        show_finished(Path(out))


@app.command
def evaluate(
    folder: Annotated[str, Positional],
    file: Annotated[str, Positional],
    /,
    *,
    field: str | None = None,
    batch_size: int = 1,
    threads: int | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Judge a model on a text: perplexity, bits per character and per byte.

    Args:
        folder: A folder that `lm train` wrote.
        file: The text; - is standard input.
        field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        batch_size: How many stretches of the text to read side by side; faster, but each begins without what came before it.
        threads: Threads of the processor; its cores unless given.
        json: Print one JSON value.
    """
    from lexloom.cli.show import warn, warn_of_text
    from lexloom.models.base import load_model
    from lexloom.models.language_model import LanguageModel
    from lexloom.models.scoring import evaluate_language_model
    from lexloom.text.readers import open_corpus
    from lexloom.training.processor import processor

    corpus = open_corpus(file, field=field)
    with processor(threads):
        model = load_model(folder, LanguageModel)
        score = evaluate_language_model(model, corpus, batch_size=batch_size)
    warn_of_text(corpus)
    if score.unknown_tokens and not score.unknown_trained:
        warn(f"{score.unknown_tokens} tokens are unknown, and training never showed the model <unk>; train with --min-count 2 or more")
    if json:
        show_json(score.as_dict())
    else:
        show_description(score.as_dict())


@app.command
def generate(
    folder: Annotated[str, Positional],
    /,
    *,
    prompt: Annotated[str, Positional],
    length: int = 200,
    sampling: Annotated[SamplingConfig, Flat] = SamplingConfig(),  # noqa: B008
    stop: str | None = None,
    unknown: Unknown = "error",
) -> None:
    """Print a prompt and how the model goes on from it.

    Args:
        folder: A folder that `lm train` wrote.
        prompt: What to go on from; - reads it from standard input.
        length: How many tokens to add at most.
        stop: End once the continuation holds this text.
        unknown: What to do with parts of the prompt that the model does not know: stop, or read them as `<unk>`.
    """
    from lexloom.models.base import load_model
    from lexloom.models.language_model import LanguageModel
    from lexloom.models.writing import write_text_from
    from lexloom.training.processor import processor

    if prompt == "-":
        prompt = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").removesuffix("\n")  # as arguments are decoded
    with processor(1):
        model = load_model(folder, LanguageModel)
        parts = write_text_from(model, prompt, sampling, length=length, stop=stop, unknown=unknown)
        first = next(parts, "")  # before anything is printed: the prompt may be refused
        print(prompt + first, end="", flush=True)  # noqa: T201
        for part in parts:
            print(part, end="", flush=sys.stdout.isatty())  # noqa: T201
        print()  # noqa: T201


@app.command(name="next")
def next_token(
    folder: Annotated[str, Positional],
    /,
    *,
    prompt: Annotated[str, Positional],
    k: Annotated[int, Parameter(name=["-k", "--k"])] = 10,
    unknown: Unknown = "error",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List the tokens that are most likely to come next.

    Args:
        folder: A folder that `lm train` wrote.
        prompt: What comes before.
        k: How many.
        unknown: What to do with parts of the prompt that the model does not know: stop, or read them as `<unk>`.
        json: Print one JSON value.
    """
    from lexloom.models.base import load_model
    from lexloom.models.language_model import LanguageModel
    from lexloom.models.writing import next_tokens
    from lexloom.training.processor import processor

    with processor(1):
        found = next_tokens(load_model(folder, LanguageModel), prompt, k, unknown=unknown)
    if json:
        show_json({"prompt": prompt, "next": [token._asdict() for token in found]})
    else:
        show_table(None, ("next", "probability"), found)


@app.command
def info(folder: Annotated[str, Positional], /, *, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Check a whole model folder, and say what it is.

    Args:
        folder: A folder that `lm train` wrote.
        json: Print one JSON value.
    """
    from lexloom.cli.show_model import show_model
    from lexloom.models.base import load_model
    from lexloom.models.language_model import LanguageModel

    load_model(folder, LanguageModel)
    show_model(Path(folder), json=json)
