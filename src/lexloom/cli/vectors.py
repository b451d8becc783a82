"""`lexloom vectors ...`: train word vectors, question, judge, convert and plot them."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from lexloom.cli.show import show_comparison, show_description, show_json, show_table, training_progress, warn
from lexloom.errors import ConfigError
from lexloom.models.skipgram_config import SkipGramConfig
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.vectors.config import VectorConfig
from lexloom.version import __version__

app = App(name="vectors", help="Train word vectors, question, judge, convert and plot them.", version=__version__, help_format="markdown")

Flat = Parameter(name="*")
Many = Parameter(consume_multiple=True)
Positional = Parameter(allow_leading_hyphen=True)
Unknown = Literal["error", "skip", "zero"]


@app.command
def train(
    inputs: Annotated[list[str], Positional],
    /,
    *,
    out: str,
    engine: Literal["kernels", "torch"] = "kernels",
    training: Annotated[VectorConfig, Flat] = VectorConfig(),  # noqa: B008 (frozen)
    batches: Annotated[SkipGramConfig, Flat] = SkipGramConfig(),  # noqa: B008
    splitting: Annotated[TokenizerConfig, Flat] = TokenizerConfig(),  # noqa: B008
    counting: Annotated[VocabularyConfig, Flat] = VocabularyConfig(),  # noqa: B008
    field: str | None = None,
    store: str | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    config: str | None = None,
) -> None:
    """Train word vectors on text and save them in a folder.

    Args:
        inputs: Files, globs, folders or URLs of text, a document a line, compressed or not; - is standard input.
        out: The folder to write.
        engine: kernels, the fast loops; torch, the same skip-gram in PyTorch, for reading and for a GPU.
        field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        store: Where the encoded text is kept for another run; OUT/store unless given.
        resume: Go on from the last checkpoint in OUT; begin if there is none.
        overwrite: Replace what an earlier training left in OUT.
        config: A TOML file with any of these options, such as dim = 300.
    """
    from lexloom.text.readers import open_corpus

    del config  # read by the command line itself, before this
    corpus = open_corpus(inputs, field=field)
    if engine == "torch":
        from lexloom.cli.show_skipgram import skipgram_progress
        from lexloom.training.skipgram import train_skipgram

        with skipgram_progress(corpus, training.epochs) as reporter:
            vectors = train_skipgram(
                corpus,
                training,
                batches,
                tokenizer=splitting,
                vocabulary=counting,
                out=out,
                store=store,
                resume=resume,
                overwrite=overwrite,
                reporter=reporter,
            )
    else:
        from lexloom.vectors.train import train_vectors

        if batches != SkipGramConfig():
            raise ConfigError(f"batch_size is {batches.batch_size}: the kernels have no batches; leave it out, or give --engine torch")
        with training_progress(corpus) as progress:
            vectors = train_vectors(
                corpus,
                training,
                tokenizer=splitting,
                vocabulary=counting,
                out=out,
                store=store,
                resume=resume,
                overwrite=overwrite,
                reporter=progress,
            )
    print(f"saved {len(vectors):,} vectors of {vectors.dim} dimensions in {out}")  # noqa: T201


@app.command
def neighbors(
    vectors: Annotated[str, Positional],
    words: Annotated[list[str], Positional],
    /,
    *,
    k: Annotated[int, Parameter(name=["-k", "--k"])] = 10,
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    unknown: Unknown = "error",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List the nearest words by cosine.

    Args:
        vectors: A vector file or folder of any supported format.
        words: The words to ask about; - reads them from standard input, one a line.
        k: How many neighbours.
        ignore_case: Take another spelling that differs in case where there is no exact match.
        unknown: What to do with an unknown word.
        json: Print one JSON value.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import neighbors_batch

    if words == ["-"]:
        words = [line.strip() for line in sys.stdin if line.strip()]
    answers = neighbors_batch(load_vectors(vectors), words, k, unknown=unknown, ignore_case=ignore_case)
    if json:
        show_json([{"word": word, "neighbors": [answer._asdict() for answer in found]} for word, found in zip(words, answers, strict=True)])
        return
    for word, found in zip(words, answers, strict=True):
        show_table(None, (word, "cosine"), found)


@app.command
def similarity(
    vectors: Annotated[str, Positional],
    a: Annotated[str, Positional],
    b: Annotated[str, Positional],
    /,
    *,
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    unknown: Unknown = "error",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print the cosine of two words.

    Args:
        vectors: A vector file or folder of any supported format.
        a: A word.
        b: Another word.
        ignore_case: Take another spelling that differs in case where there is no exact match.
        unknown: What to do with an unknown word.
        json: Print one JSON value.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import similarity as cosine

    value = cosine(load_vectors(vectors), a, b, unknown=unknown, ignore_case=ignore_case)
    known = value == value  # NaN where a word was skipped
    if json:
        show_json({"a": a, "b": b, "similarity": value if known else None})
    else:
        print(f"{value:.4f}" if known else "unknown")  # noqa: T201


@app.command
def analogy(
    vectors: Annotated[str, Positional],
    a: Annotated[str, Positional],
    b: Annotated[str, Positional],
    c: Annotated[str, Positional],
    /,
    *,
    k: Annotated[int, Parameter(name=["-k", "--k"])] = 10,
    method: Literal["add", "multiply"] = "add",
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    unknown: Unknown = "error",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Answer: A is to B as C is to what?

    Args:
        vectors: A vector file or folder of any supported format.
        a: The first word, as in man.
        b: What belongs to it, as in king.
        c: The word to find the same for, as in woman.
        k: How many answers.
        method: add (3CosAdd) or multiply (3CosMul).
        ignore_case: Take another spelling that differs in case where there is no exact match.
        unknown: What to do with an unknown word.
        json: Print one JSON value.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import analogy as solve

    found = solve(load_vectors(vectors), a, b, c, k, method=method, unknown=unknown, ignore_case=ignore_case)
    if json:
        show_json({"a": a, "b": b, "c": c, "answers": [answer._asdict() for answer in found]})
    else:
        show_table(None, (f"{a} : {b} = {c} : ?", "score"), found)


@app.command(name="odd-one-out")
def odd_one_out(
    vectors: Annotated[str, Positional],
    words: Annotated[list[str], Positional],
    /,
    *,
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    unknown: Unknown = "error",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print the word that fits the others least.

    Args:
        vectors: A vector file or folder of any supported format.
        words: Three words or more.
        ignore_case: Take another spelling that differs in case where there is no exact match.
        unknown: What to do with an unknown word.
        json: Print one JSON value.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import odd_one_out as find

    odd = find(load_vectors(vectors), words, unknown=unknown, ignore_case=ignore_case)
    if json:
        show_json({"words": words, "odd": odd})
    else:
        print(odd)  # noqa: T201


@app.command
def evaluate(
    vectors: Annotated[list[str], Positional],
    /,
    *,
    similarity: Annotated[list[str], Many] = [],  # noqa: B006 (never changed)
    analogy: Annotated[list[str], Many] = [],  # noqa: B006
    unknown: Unknown = "skip",
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    method: Literal["add", "multiply"] = "add",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Judge vectors by human similarity scores and by analogies; several sets are compared on what all of them cover.

    Args:
        vectors: Vector files or folders of any supported format.
        similarity: Files with a pair of words and a score a line.
        analogy: Files with four words a line, in sections.
        unknown: What to do with items that have unknown words: leave them out, score them as zero or wrong, or stop.
        ignore_case: Take another spelling that differs in case where there is no exact match.
        method: How analogies are solved: add (3CosAdd) or multiply (3CosMul).
        json: Print one JSON value.
    """
    from lexloom.vectors.evaluate import compare
    from lexloom.vectors.formats import load_vectors

    if not similarity and not analogy:
        raise ConfigError("nothing to judge by: give --similarity FILE, --analogy FILE or both")
    sets = {name: load_vectors(name) for name in vectors}
    result = compare(sets, similarity_files=similarity, analogy_files=analogy, unknown=unknown, ignore_case=ignore_case, method=method)
    if json:
        show_json(result.as_dict())
    else:
        show_comparison(result)


@app.command
def convert(
    source: Annotated[str, Positional],
    target: str,
    /,
    *,
    to: str | None = None,
    limit: int | None = None,
    only: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write vectors in another format.

    Args:
        source: A vector file or folder of any supported format.
        target: The file or folder to write; .gz, .bz2, .xz and .zst compress.
        to: word2vec, word2vec-binary, glove, fasttext-vec, folder, npy, parquet or projector; by TARGET's suffix unless given.
        limit: Keep the first rows only.
        only: A file with the words to keep, one a line.
        overwrite: Replace TARGET where it exists.
    """
    from lexloom.files import open_bytes
    from lexloom.vectors.formats import load_vectors, save_vectors

    words = None
    if only is not None:
        with open_bytes(only) as file:
            words = set(file.read().decode("utf-8", "surrogateescape").splitlines()) - {""}
    vectors = load_vectors(source, limit=limit, only=words)
    save_vectors(vectors, target, to, overwrite=overwrite)
    print(f"wrote {len(vectors):,} vectors of {vectors.dim} dimensions to {target}")  # noqa: T201


@app.command
def info(vectors: Annotated[str, Positional], /, *, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Read and check a whole vector file, and say what it is.

    Args:
        vectors: A vector file or folder of any supported format.
        json: Print one JSON value.
    """
    from lexloom.vectors.formats import describe_vectors

    description = describe_vectors(vectors)
    if json:
        show_json(description)
    else:
        show_description(description)


@app.command
def plot(
    vectors: Annotated[str, Positional],
    /,
    *,
    out: str,
    words: Annotated[list[str] | None, Many] = None,
    top: int = 100,
    method: Literal["pca", "tsne"] = "pca",
    seed: int = 1,
    ignore_case: Annotated[bool, Parameter(negative="")] = False,
    unknown: Unknown = "error",
) -> None:
    """Draw words as points in the plane, near each other where their vectors are.

    Args:
        vectors: A vector file or folder of any supported format.
        out: A .png file, or .html for an interactive page.
        words: The words to draw.
        top: How many of the most frequent words to draw where none are given.
        method: pca, or tsne (needs the extra plot).
        seed: Where t-SNE's random numbers start.
        ignore_case: Take another spelling that differs in case where there is no exact match.
        unknown: What to do with an unknown word.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.plot import plot_vectors

    table = load_vectors(vectors)
    title = Path(vectors).name
    report = plot_vectors(table, out, words=words, top=top, method=method, seed=seed, unknown=unknown, ignore_case=ignore_case, title=title)
    if report.missing_glyphs:
        warn(f"no font on this machine has {report.missing_glyphs[:20]!r}; drawn as boxes")
    print(f"drew {report.points} words in {out}")  # noqa: T201
