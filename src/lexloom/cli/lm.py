"""`lexloom lm ...`: train language models, evaluate them, generate text."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from lexloom.cli.model import Accelerator, Flag, Json, loaded, noun, part, progress, show_finished, show_score
from lexloom.cli.show import show_json, show_table, warn, warn_of_text
from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.models.language_model.options import (
    LanguageModelConfig,
    LanguageModelOptions,
    LanguageTokenizerConfig,
    LanguageVocabularyConfig,
    WindowConfig,
)
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.run_folder import RunConfig
from lexloom.training.config import TrainingConfig

KIND = "language-model"
Unknown = Literal["error", "replace"]

app = noun(
    "lm",
    "Train language models, evaluate them, generate text.",
    "out valid test level hidden-size vectors epochs lowercase min-count threads resume",
)


@app.command
def train(
    inputs: list[str],
    /,
    *,
    out: str,
    valid: str | None = None,
    test: str | None = None,
    field: str | None = None,
    store: str | None = None,
    model: Annotated[LanguageModelConfig, part("Model", 1)] = LanguageModelConfig(),
    recurrent: Annotated[RecurrentConfig, part("Recurrent layers", 2)] = RecurrentConfig(),
    embedding: Annotated[EmbeddingConfig, part("Embedding", 3)] = EmbeddingConfig(),
    windows: Annotated[WindowConfig, part("Batches and samples", 4)] = WindowConfig(),
    training: Annotated[TrainingConfig, part("Training", 5)] = TrainingConfig(),
    tokenizer: Annotated[LanguageTokenizerConfig, part("Text", 6)] = LanguageTokenizerConfig(),
    vocabulary: Annotated[LanguageVocabularyConfig, part("Vocabulary", 7)] = LanguageVocabularyConfig(),
    resume: Flag = False,
    overwrite: Flag = False,
    config: str | None = None,
) -> None:
    """Train a recurrent language model on text.

    Args:
        inputs: Files, globs, folders or URLs of text, compressed or not; - is standard input.
        out: The folder to write.
        valid: A text to validate on after each epoch. Default: the last tenth of the corpus; none trains on everything.
        test: A text to evaluate on at the end.
        field: The field with the text in CSV, TSV, JSONL and Parquet.
        store: Where to keep the encoded text for other runs. Default: OUT/store.
        resume: Resume from the last checkpoint in OUT, or start if there is none.
        overwrite: Replace the result of an earlier run in OUT.
        config: A TOML file with any of these options, such as hidden_size = 400.
    """
    from lexloom.models.language_model.train import train_language_model
    from lexloom.text.corpus import open_corpus

    del config  # read before this by `apply_toml`
    options = LanguageModelOptions(model, embedding, recurrent, windows, training, tokenizer, vocabulary)
    corpus, run = open_corpus(inputs, field=field), RunConfig(out, resume, overwrite)
    with progress(training.epochs) as reporter:
        train_language_model(corpus, options, valid=valid, test=test, store=store, run=run, reporter=reporter)
    show_finished(out)


@app.command
def evaluate(
    folder: str,
    file: str,
    /,
    *,
    field: str | None = None,
    batch_size: int = 1,
    threads: int | None = None,
    accelerator: Accelerator = "cpu",
    json: Json = False,
) -> None:
    """Evaluate a model on a text: perplexity, bits per character and per byte.

    Args:
        folder: A folder that `lm train` wrote.
        file: The text; - is standard input.
        field: The field with the text in CSV, TSV, JSONL and Parquet.
        batch_size: Parts of the text to read in parallel; faster, but each part starts without context.
        threads: CPU threads. Default: all cores.
        accelerator: Where to compute; auto takes a GPU if there is one.
        json: Print one JSON value.
    """
    from lexloom.text.corpus import open_corpus

    corpus = open_corpus(file, field=field)
    with loaded(folder, KIND, threads=threads, accelerator=accelerator) as model:
        from lexloom.models.language_model.scores import evaluate_language_model

        score = evaluate_language_model(model, corpus, batch_size=batch_size)
    warn_of_text(corpus)
    if score.unknown_tokens and not score.unknown_trained:
        warn(f"{score.unknown_tokens} tokens are out of vocabulary, but <unk> was never trained; train with --min-count 2 or more")
    show_score(score.as_dict(), json=json)


@app.command
def generate(
    folder: str,
    /,
    *,
    prompt: Annotated[str, Parameter(allow_leading_hyphen=True)],
    length: int = 200,
    sampling: Annotated[SamplingConfig, part("Sampling", 1)] = SamplingConfig(),
    stop: str | None = None,
    unknown: Unknown = "error",
) -> None:
    """Print a prompt and its continuation by the model.

    Args:
        folder: A folder that `lm train` wrote.
        prompt: The text to continue; - reads it from standard input.
        length: Generate at most this many tokens.
        stop: Stop when the continuation contains this text.
        unknown: What to do with out-of-vocabulary parts of the prompt: stop with an error, or replace them by `<unk>`.
    """
    if prompt == "-":
        prompt = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").removesuffix("\n")  # as arguments are decoded
    with loaded(folder, KIND, threads=1) as model:
        from lexloom.models.language_model.writing import write_text_from

        parts = write_text_from(model, prompt, sampling, length=length, stop=stop, unknown=unknown)
        first = next(parts, "")  # before printing: the prompt may be refused
        print(prompt + first, end="", flush=True)  # noqa: T201
        for text in parts:
            print(text, end="", flush=sys.stdout.isatty())  # noqa: T201
        print()  # noqa: T201


@app.command(name="next")
def next_token(
    folder: str,
    /,
    *,
    prompt: Annotated[str, Parameter(allow_leading_hyphen=True)],
    k: Annotated[int, Parameter(name=["-k", "--k"])] = 10,
    unknown: Unknown = "error",
    json: Json = False,
) -> None:
    """List the most probable next tokens.

    Args:
        folder: A folder that `lm train` wrote.
        prompt: The text before them.
        k: Number of tokens.
        unknown: What to do with out-of-vocabulary parts of the prompt: stop with an error, or replace them by `<unk>`.
        json: Print one JSON value.
    """
    with loaded(folder, KIND, threads=1) as model:
        from lexloom.models.language_model.writing import next_tokens

        found = next_tokens(model, prompt, k, unknown=unknown)
    if json:
        show_json({"prompt": prompt, "next": [token._asdict() for token in found]})
    else:
        show_table(None, ("next", "probability"), found)
