"""`lexloom vectors ...`: train word vectors, query, evaluate, convert and plot them."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from lexloom.cli.model import Flag, Json, noun, part
from lexloom.cli.show import show_comparison, show_json, show_table, training_progress, warn
from lexloom.errors import ConfigError
from lexloom.models.skipgram.options import SkipGramConfig, SkipGramOptions, skipgram_training
from lexloom.run_folder import RunConfig
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.vectors.config import VectorConfig, VectorTrainingConfig
from lexloom.vectors.search.words import WordPolicy

app = noun(
    "vectors",
    "Train word vectors, query, evaluate, convert and plot them.",
    "out model dim window epochs lowercase min-count valid threads resume",
)

Many = Parameter(consume_multiple=True, negative="")
Source = Annotated[str, Parameter(help="A vector file or folder in any supported format.")]
K = Annotated[int, Parameter(name=["-k", "--k"])]
Policy = Annotated[WordPolicy, Parameter(name="*", negative="")]
Method = Annotated[Literal["add", "multiply"], Parameter(help="How analogies are solved: add (3CosAdd) or multiply (3CosMul).")]


@app.command
def train(
    inputs: list[str],
    /,
    *,
    out: str,
    engine: Literal["kernels", "torch"] = "kernels",
    vectors: Annotated[VectorConfig, part("Vectors", 1)] = VectorConfig(),
    training: Annotated[VectorTrainingConfig, part("Training", 2)] = VectorTrainingConfig(),
    batches: Annotated[SkipGramConfig, part("Training (torch engine only)", 3)] = SkipGramConfig(),
    tokenizer: Annotated[TokenizerConfig, part("Text", 4)] = TokenizerConfig(),
    vocabulary: Annotated[VocabularyConfig, part("Vocabulary", 5)] = VocabularyConfig(),
    field: str | None = None,
    store: str | None = None,
    resume: Flag = False,
    overwrite: Flag = False,
    config: str | None = None,
) -> None:
    """Train word vectors on text and save them in a folder.

    Args:
        inputs: Files, globs, folders or URLs of text, one document per line, compressed or not; - is standard input.
        out: The folder to write.
        engine: kernels: fast compiled loops. torch: skip-gram in PyTorch, easy to read, also on a GPU.
        field: The field with the text in CSV, TSV, JSONL and Parquet.
        store: Where to keep the encoded text for other runs. Default: OUT/store.
        resume: Resume from the last checkpoint in OUT, or start if there is none.
        overwrite: Replace the result of an earlier run in OUT.
        config: A TOML file with any of these options, such as dim = 300.
    """
    from lexloom.text.corpus import open_corpus

    del config  # read before this by `apply_toml`
    corpus = open_corpus(inputs, field=field)
    if engine == "torch":
        from lexloom.cli.model import progress
        from lexloom.models.skipgram.train import train_skipgram

        options = SkipGramOptions(vectors, batches, skipgram_training(training), tokenizer, vocabulary)
        with progress(training.epochs) as shown:
            trained = train_skipgram(corpus, options, store=store, run=RunConfig(out, resume, overwrite), reporter=shown)
    else:
        from lexloom.vectors.train import train_vectors

        if batches != SkipGramConfig():
            raise ConfigError(f"batch_size is {batches.batch_size}: the kernels have no batches; leave it out, or give --engine torch")
        with training_progress(corpus, training.epochs) as reporter:
            trained = train_vectors(
                corpus,
                vectors,
                training,
                tokenizer=tokenizer,
                vocabulary=vocabulary,
                out=out,
                store=store,
                resume=resume,
                overwrite=overwrite,
                reporter=reporter,
            )
    print(f"saved {len(trained):,} vectors of {trained.dim} dimensions in {out}")  # noqa: T201


@app.command
def neighbors(
    vectors: Source,
    words: list[str],
    /,
    *,
    k: K = 10,
    policy: Policy = WordPolicy(),
    json: Json = False,
) -> None:
    """List the nearest words by cosine.

    Args:
        words: The words, after -- if one begins with a hyphen; - reads them from standard input, one per line.
        k: Number of neighbors.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import neighbors_batch

    if words == ["-"]:
        words = [line.strip() for line in sys.stdin if line.strip()]
    answers = neighbors_batch(load_vectors(vectors), words, k, policy=policy)
    if json:
        show_json([{"word": word, "neighbors": [answer._asdict() for answer in found]} for word, found in zip(words, answers, strict=True)])
        return
    for word, found in zip(words, answers, strict=True):
        show_table(None, (word, "cosine"), found)


@app.command
def similarity(vectors: Source, a: str, b: str, /, *, policy: Policy = WordPolicy(), json: Json = False) -> None:
    """Print the cosine of two words.

    Args:
        a: A word.
        b: Another word.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import similarity as cosine

    value = cosine(load_vectors(vectors), a, b, policy=policy)
    known = value == value  # NaN if a word is unknown and skipped
    if json:
        show_json({"a": a, "b": b, "similarity": value if known else None})
    else:
        print(f"{value:.4f}" if known else "unknown")  # noqa: T201


@app.command
def analogy(
    vectors: Source,
    a: str,
    b: str,
    c: str,
    /,
    *,
    k: K = 10,
    method: Method = "add",
    policy: Policy = WordPolicy(),
    json: Json = False,
) -> None:
    """Answer: A is to B as C is to what?

    Args:
        a: The first word, as in man.
        b: A word that is related to it, as in king.
        c: The word whose related word is asked for, as in woman.
        k: Number of answers.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import analogy as solve

    found = solve(load_vectors(vectors), a, b, c, k, method=method, policy=policy)
    if json:
        show_json({"a": a, "b": b, "c": c, "answers": [answer._asdict() for answer in found]})
    else:
        show_table(None, (f"{a} : {b} = {c} : ?", "score"), found)


@app.command(name="odd-one-out")
def odd_one_out(vectors: Source, words: list[str], /, *, policy: Policy = WordPolicy(), json: Json = False) -> None:
    """Print the word that is least similar to the others.

    Args:
        words: Three words or more.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import odd_one_out as find

    odd = find(load_vectors(vectors), words, policy=policy)
    if json:
        show_json({"words": words, "odd": odd})
    else:
        print(odd)  # noqa: T201


@app.command
def evaluate(
    vectors: list[str],
    /,
    *,
    similarity: Annotated[list[str], Many] = [],  # noqa: B006 (never changed)
    analogy: Annotated[list[str], Many] = [],  # noqa: B006
    method: Method = "add",
    policy: Policy = WordPolicy(),
    json: Json = False,
) -> None:
    """Evaluate vectors on human similarity scores and on analogies; several sets are compared on the items that all of them cover.

    Args:
        vectors: Vector files or folders in any supported format.
        similarity: Files with lines of two words and a score.
        analogy: Files with lines of four words, in sections.
    """
    from lexloom.vectors.evaluate import compare
    from lexloom.vectors.formats import load_vectors

    if not similarity and not analogy:
        raise ConfigError("nothing to evaluate on: give --similarity FILE, --analogy FILE or both")
    sets = {name: load_vectors(name) for name in vectors}
    result = compare(sets, similarity_files=similarity, analogy_files=analogy, method=method, policy=policy)
    if json:
        show_json(result.as_dict())
    else:
        show_comparison(result)


@app.command
def convert(
    source: Source,
    target: str,
    /,
    *,
    to: str | None = None,
    limit: int | None = None,
    only: str | None = None,
    overwrite: Flag = False,
) -> None:
    """Write vectors in another format.

    Args:
        target: The file or folder to write; .gz, .bz2, .xz and .zst compress.
        to: word2vec, word2vec-binary, glove, fasttext-vec, folder, npy, parquet or projector. Default: according to the suffix of TARGET.
        limit: Keep only the first rows, at most this many.
        only: A file with the words to keep, one per line.
        overwrite: Replace TARGET if it exists.
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
def plot(
    vectors: Source,
    /,
    *,
    out: str,
    words: Annotated[list[str] | None, Many] = None,
    top: int = 100,
    method: Literal["pca", "tsne"] = "pca",
    seed: int = 1,
    policy: Policy = WordPolicy(),
) -> None:
    """Draw words as points in the plane, so that similar words are close to each other.

    Args:
        out: A .png file, or .html for an interactive page.
        words: The words to draw.
        top: Without --words, draw this many of the most frequent words.
        method: How to project the vectors to the plane: pca or tsne.
        seed: The seed of t-SNE.
    """
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.plot import plot_vectors

    table = load_vectors(vectors)
    report = plot_vectors(table, out, words=words, top=top, method=method, seed=seed, policy=policy, title=Path(vectors).name)
    if report.missing_glyphs:
        warn(f"no font on this machine has {report.missing_glyphs[:20]!r}; they are drawn as boxes")
    print(f"drew {report.points} words in {out}")  # noqa: T201
