"""The tour: from text to word vectors and what can be done with them, then a language model and a classifier."""

import time
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexloom.demo.classifier import classify_packages
from lexloom.demo.harvest import Harvest, harvest_docstrings
from lexloom.demo.models import RememberingCorpus, compare_starts
from lexloom.demo.program import command
from lexloom.demo.progress import progress_bar
from lexloom.demo.showcase import (
    DOCSTRING_ANALOGIES,
    DOCSTRING_PROMPT,
    DOCSTRING_SENTENCE,
    DOCSTRING_THEMES,
    DOCSTRING_WORDS,
    GENERAL_ANALOGIES,
    known_themes,
    telling_words,
    themes_around,
)

if TYPE_CHECKING:
    from rich.console import Console

    from lexloom.text.store import TokenStore
    from lexloom.vectors.table import Vectors

_TOKENS_TO_TRAIN = 30_000_000  # in all epochs: ten to twenty seconds on two cores
_EPOCHS = (3, 30)  # minimum and maximum
_DOCSTRING_MIN_COUNT = 20  # rarer words are mostly names used by one package
_NEIGHBORS = 6
_THEMES = 8  # the number of colours of the picture


def run_tour(
    corpus: str | PathLike[str] | None = None, out: str | PathLike[str] = "demo-output", *, console: "Console | None" = None
) -> "Vectors":
    """Train word vectors on a text and show what they know; then two language models, one started from them; then a classifier.

    Args:
        corpus: any text that `lexloom.text.corpus.open_corpus` opens; by default the docstrings of the installed packages.
        out: the folder for vectors, encoded text, picture, models and sentences; results of an earlier tour are replaced.
        console: where to print; standard output by default.

    Returns:
        The vectors.

    Raises:
        LexloomError: the text cannot be read or is empty, or the folder cannot be written.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    folder, started = Path(out), time.perf_counter()
    store, lines, harvest = _encode(console, corpus, folder)
    vectors = _train(console, store, folder)
    words = _words(vectors, corpus)
    _show_neighbors(console, vectors, words)
    _show_analogies(console, vectors, DOCSTRING_ANALOGIES if corpus is None else GENERAL_ANALOGIES)
    picture = _draw(vectors, words, corpus, folder / "words.png")
    prompt = DOCSTRING_PROMPT if corpus is None else ""
    arms = compare_starts(console, lines, vectors, folder, prompt)
    classifier = classify_packages(console, harvest, folder)
    _say_what_next(console, folder, picture, words, time.perf_counter() - started)
    for arm in arms[-1:]:
        _say_command(console, "lm", "generate", arm.folder, "--prompt", prompt, "--length", "30")
    if classifier is not None:
        _say_command(console, "classifier", "explain", classifier, DOCSTRING_SENTENCE)
    return vectors


# ---- text and training -----------------------------------------------------------------------------------------------------------------


def _encode(console: "Console", corpus: str | PathLike[str] | None, folder: Path) -> tuple["TokenStore", list[str], Harvest | None]:
    """Find the text, split it into lower-case words and encode it; also return its first lines and, if it is one, the harvest."""
    from rich.markup import escape

    from lexloom.text.corpus import open_corpus
    from lexloom.text.store import build_store
    from lexloom.text.tokenizers import TokenizerConfig
    from lexloom.text.vocabulary import VocabularyConfig

    harvest = None
    if corpus is None:
        harvest = _harvest(console)
        source, what = fspath(harvest.path), f"the docstrings of the installed packages, {harvest.documents:,} paragraphs"
        if harvest.unreadable:
            what += f" ({harvest.unreadable} of {harvest.files:,} files could not be read)"
    else:
        source = what = fspath(corpus)
    text = RememberingCorpus(open_corpus(source))
    vocabulary = VocabularyConfig() if corpus is not None else VocabularyConfig(min_count=_DOCSTRING_MIN_COUNT)
    with progress_bar(console) as progress:
        task = progress.add_task("splitting and counting", total=None)
        store = build_store(
            text,
            folder / "store",
            TokenizerConfig(lowercase=True),
            vocabulary,
            progress=lambda done: progress.update(task, completed=done),
        )
    words = f"{len(store.vocabulary.tokens):,} distinct ones seen {vocabulary.min_count} times or more"
    console.print(f"[bold]Text[/]: {escape(what)}; {len(store.ids):,} tokens, {words}", soft_wrap=True)
    return store, text.lines, harvest


def _harvest(console: "Console") -> Harvest:
    with progress_bar(console) as progress:
        task = progress.add_task("reading docstrings", total=None)
        return harvest_docstrings(progress=lambda done, total: progress.update(task, completed=done, total=total))


def _train(console: "Console", store: "TokenStore", folder: Path) -> "Vectors":
    """Train skip-gram vectors, and print one line per epoch."""
    from lexloom.vectors.config import VectorConfig, VectorTrainingConfig
    from lexloom.vectors.train import VectorReporter, train_vectors

    fewest, most = _EPOCHS
    config, training = VectorConfig(), VectorTrainingConfig(epochs=max(fewest, min(most, round(_TOKENS_TO_TRAIN / max(1, len(store.ids))))))
    console.print(f"[bold]Training[/]: {config.model}, dim {config.dim}, {training.epochs} epochs")
    with progress_bar(console) as progress:
        task = progress.add_task("compiling", total=training.epochs)

        def show(record: dict[str, Any]) -> None:
            speed = record["raw_words"] / max(record["seconds"], 1e-3)
            loss = f"loss {record['loss']:.4f}" if record["loss"] is not None else "nothing to train on"
            progress.console.print(f"  epoch {record['epoch']:>2}  {loss}  {speed / 1e6:5.2f} M raw words/s")

        reporter = VectorReporter(
            working=lambda now: progress.update(task, description="training", completed=now.epoch - 1 + now.fraction),
            epoch=show,
        )
        return train_vectors(store, config, training, out=folder / "vectors", overwrite=True, reporter=reporter)


# ---- uses of the vectors --------------------------------------------------------------------------------------------------------------


def _words(vectors: "Vectors", corpus: str | PathLike[str] | None) -> list[str]:
    chosen = [word for word in DOCSTRING_WORDS if word in vectors] if corpus is None else []
    return chosen or telling_words(vectors)


def _show_neighbors(console: "Console", vectors: "Vectors", words: list[str]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from lexloom.vectors.search import neighbors_batch

    table = Table("word", "seen", "nearest neighbours (cosine)", box=box.SIMPLE)
    console.print("[bold]Neighbours[/]")
    for word, found in zip(words, neighbors_batch(vectors, words, _NEIGHBORS), strict=True):
        near = "  ".join(f"{escape(neighbor.token)} [dim]{neighbor.score:.2f}[/]" for neighbor in found)
        table.add_row(f"[cyan]{escape(word)}[/]", f"{vectors.counts[vectors.index[word]]:,}", near)
    console.print(table)


def _show_analogies(console: "Console", vectors: "Vectors", questions: tuple[tuple[str, str, str], ...]) -> None:
    from rich.markup import escape

    from lexloom.vectors.search import analogy

    askable = [question for question in questions if all(word in vectors for word in question)][:3]
    if askable:
        console.print("[bold]Analogies[/]")
    for a, b, c in askable:
        answers = [escape(found.token) for found in analogy(vectors, a, b, c, 3)]
        console.print(f"  {a} is to {b} as {c} is to [cyan]{answers[0]}[/]  [dim](then {', '.join(answers[1:])})[/]")


def _draw(vectors: "Vectors", words: list[str], corpus: str | PathLike[str] | None, out: Path) -> Path:
    from lexloom.vectors.plot import plot_vectors

    themes = known_themes(vectors, DOCSTRING_THEMES) if corpus is None else {}
    title = "Words of the docstrings of the installed packages" if corpus is None else f"Words of {Path(corpus).name}"
    plot_vectors(vectors, out, groups=themes or themes_around(vectors, words[:_THEMES]), title=title)
    return out


def _say_what_next(console: "Console", folder: Path, picture: Path, words: list[str], seconds: float) -> None:
    from rich.markup import escape

    vectors = folder / "vectors"
    console.print(f"\n[bold]Done[/] in {seconds:.0f} s. Vectors: {escape(str(vectors))}   picture: {escape(str(picture))}", soft_wrap=True)
    console.print("Try next:")
    _say_command(console, "vectors", "neighbors", vectors, words[-1])
    _say_command(console, "vectors", "convert", vectors, folder / "vectors.txt", "--to", "word2vec")
    _say_command(console, "vectors", "plot", vectors, "--out", folder / "top.html", "--top", "300")
    _say_command(console, "demo", "--corpus", "YOUR_TEXT.txt")


def _say_command(console: "Console", *arguments: str | PathLike[str]) -> None:
    console.print(f"  {command(*arguments)}", markup=False, soft_wrap=True)
