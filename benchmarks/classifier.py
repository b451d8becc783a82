"""The sections about text classifiers: what runs, in which order, and with which bar.

As in `sections.py`, the bars were set before the code was written.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

from benchmarks.processes import ROOT, Run, run_job, run_lexloom, run_training
from benchmarks.report import Section
from benchmarks.setting import WORK, Setting

SEEDS, FOLDS = 5, 10
LINEAR_SEEDS = 10  # runs take only seconds, and the means differ by less than five seeds can tell
ACCURACY = {"average": 0.825, "cnn": 0.795, "rnn": 0.815, "linear": 0.80}
RECIPE = ROOT / "recipes/classifier/sentences-rnn.toml"
PEER = "fastText"
FASTTEXT_THREADS = 12  # for quality: with fewer than ten it leaves a part of the input matrix uninitialised
SHAPES = ((2, 10), (2, 100), (1, 10), (1, 100))  # longest word n-grams, dim
SPLIT = ("--tokenizer", "whitespace")


def sst(setting: Setting) -> Section:
    """SST-2 with every encoder: random rows, frozen vectors from Wikipedia, and the same vectors fine-tuned; means over seeds."""
    section = Section()
    vectors = _vectors(setting, section, "wikipedia")
    train, out = setting.treebank_sentences("train"), WORK / "sst-compared"
    found: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, list[float]] = {}
    for encoder in ACCURACY:
        how = (*_encoder(encoder), "--encoders", encoder, "--seeds", _seeds(setting), *_how(setting))
        shutil.rmtree(out, ignore_errors=True)
        section.runs.append(run_lexloom("classifier", "compare", train, "--vectors", vectors, "--out", out, *how))
        for trial in json.loads((out / "comparison.json").read_text())["trials"]:
            found.setdefault(encoder, {}).setdefault(trial["arm"], []).append(trial["score"])
            seconds.setdefault(encoder, []).append(trial["seconds"])
    for encoder, arms in found.items():
        section.amount(f"SST-2, {encoder}: test accuracy", "score", arms["random"], at_least=ACCURACY[encoder])
    for encoder, arms in found.items():
        for arm in ("frozen", "fine-tuned"):
            if arm in arms:
                judged = arm == "fine-tuned"
                what = f"SST-2, {encoder}, vectors from Wikipedia, {arm}: test accuracy"
                section.paired(what, arms[arm], arms["random"], "random", judged=judged)
    for encoder, times in seconds.items():
        section.amount(f"SST-2, {encoder}: longest run", "s", [max(times)], at_most=300)
    return section


def sst_vectors(setting: Setting) -> Section:
    """What makes vectors useful: the corpus they come from, their scale, and their learning rate."""
    section = Section()
    sources = {name: _vectors(setting, section, name) for name in ("wikipedia", "reviews")}
    encoders = ("average", "cnn") if setting.quick else ("average", "cnn", "rnn")
    random = {encoder: _accuracies(setting, section, *_encoder(encoder)) for encoder in encoders}
    arms: dict[str, tuple[str, Sequence[object]]] = {
        "Wikipedia, of standard deviation 0.2": ("wikipedia", ("--vectors-std", 0.2)),
        "Wikipedia, of standard deviation 0.05": ("wikipedia", ("--vectors-std", 0.05)),
        "Wikipedia, a tenth of the learning rate": ("wikipedia", ("--embedding-learning-rate", 0.0001)),
        "Wikipedia, three times the learning rate": ("wikipedia", ("--embedding-learning-rate", 0.003)),
        "IMDB, frozen": ("reviews", ("--freeze",)),
        "IMDB": ("reviews", ()),
        "IMDB, of standard deviation 0.2": ("reviews", ("--vectors-std", 0.2)),
        "IMDB, of standard deviation 0.05": ("reviews", ("--vectors-std", 0.05)),
    }
    for encoder in encoders:
        for arm, (source, options) in arms.items():
            found = _accuracies(setting, section, *_encoder(encoder), "--vectors", sources[source], *options)
            section.paired(f"SST-2, {encoder}, vectors from {arm}: test accuracy", found, random[encoder], "random", judged=False)
    for name, vectors in sources.items():
        facts = _train(setting, section, "--vectors", vectors)["coverage"]
        for part in ("types", "tokens"):
            section.amount(f"SST-2, vectors from {name}: known {part}", "%", [100 * facts[f"known_{part}"] / facts[part]])
    return section


def mr(setting: Setting) -> Section:
    """MR: cross-validation in ten folds with one seed."""
    section = Section()
    for encoder in ("average", "cnn"):
        found = []
        for number in range(1, (1 if setting.quick else FOLDS) + 1):
            train, test = setting.movie_review_fold(number, FOLDS)
            facts = _train(setting, section, "--encoder", encoder, text=train, files=("--test", test))
            found.append(facts["test"]["accuracy"])
        section.amount(f"MR, {encoder}: test accuracy over {len(found)} folds", "score", found, at_least=0.75)
    return section


def linear_speed(setting: Setting) -> Section:
    """The linear encoder beside fastText on IMDB, 5 epochs, in turn: the training alone, and the time from text to a saved model."""
    section, corpus = Section(), setting.reviews("train")
    for ngrams, dim in SHAPES:
        ours: list[Run] = []
        theirs: list[Run] = []
        for number in range(setting.rounds + 2):
            run, epochs, _ = run_training("classifier", corpus, _linear(ngrams, dim), *_linear_options(setting, ngrams, dim, 1))
            words = sum(epoch["words_per_second"] * epoch["seconds"] for epoch in epochs)
            speed = words / sum(epoch["seconds"] for epoch in epochs)
            shape = {"dim": dim, "ngrams": ngrams, "threads": setting.threads}
            peer = run_job("fasttext_classifier", corpus=corpus, out=_fasttext(ngrams, dim), **shape)
            if number:  # the first round compiles and fills the disk cache
                ours.append(replace(run, result={"words_per_second": speed}))
                theirs.append(peer)
        section.runs += [*ours, *theirs]
        what = f"IMDB, linear, n-grams to {ngrams}, dim {dim}"
        speeds, their_speeds = ([run.result["words_per_second"] for run in side] for side in (ours, theirs))
        section.ratio(f"{what}: training", "words/s", speeds, their_speeds, f"{PEER}, {setting.threads} threads", 2)
        walls, their_walls = ([run.seconds for run in side] for side in (ours, theirs))
        section.ratio(f"{what}: text to saved model", "s", walls, their_walls, f"{PEER}, {setting.threads} threads", 1)
    return section


def linear_quality(setting: Setting) -> Section:
    """The linear encoder beside fastText on IMDB: mean test accuracy over seeds."""
    section, corpus, test = Section(), setting.reviews("train"), setting.reviews("test")
    for ngrams, dim in (SHAPES[0], SHAPES[3]):
        ours, theirs = [], []
        for seed in range(1, 2 if setting.quick else LINEAR_SEEDS + 1):
            options = (*_linear_options(setting, ngrams, dim, seed), "--test", test)
            run, _, facts = run_training("classifier", corpus, _linear(ngrams, dim), *options)
            ours.append(facts["test"]["accuracy"])
            shape = {"dim": dim, "ngrams": ngrams, "threads": FASTTEXT_THREADS, "seed": seed}
            peer = run_job("fasttext_classifier", corpus=corpus, out=_fasttext(ngrams, dim), test=test, **shape)
            theirs.append(peer.result["accuracy"])
            section.runs += [run, peer]
        what = f"IMDB, linear, n-grams to {ngrams}, dim {dim}: test accuracy"
        spread = max(map(stdev, (ours, theirs))) if len(ours) > 1 else 0.0
        section.difference(what, ours, theirs, f"{PEER}, {FASTTEXT_THREADS} threads", spread)
    return section


def classifier_predict(setting: Setting) -> Section:
    """Time of loading a model and labelling a million short lines on the command line."""
    section, text = Section(), setting.million_sentences()
    count = sum(1 for _ in text.open(encoding="utf-8"))
    shapes = SHAPES[:1] + SHAPES[3:]
    for ngrams, dim in shapes:
        run_training("classifier", setting.reviews("train"), _linear(ngrams, dim), *_linear_options(setting, ngrams, dim, 1))
        shape = {"dim": dim, "ngrams": ngrams, "threads": setting.threads}
        run_job("fasttext_classifier", corpus=setting.reviews("train"), out=_fasttext(ngrams, dim), **shape)
    models = {"average": 100_000, "cnn": 8_000}
    for encoder in models:
        _train(setting, section, "--encoder", encoder, name=f"predict-{encoder}")
    for ngrams, dim in shapes:
        ours, theirs = [], []
        for number in range(setting.rounds + 2):
            run = run_lexloom("classifier", "predict", _linear(ngrams, dim), text)
            peer = run_job("fasttext_predict", model=_fasttext(ngrams, dim), text=text)
            if number:  # the first round compiles
                ours.append(run)
                theirs.append(peer)
        section.runs += [*ours, *theirs]
        what = f"loading linear, n-grams to {ngrams}, dim {dim}, and labelling {count:,} lines"
        section.ratio(what, "s", [run.seconds for run in ours], [run.seconds for run in theirs], PEER, 1)
    for encoder, least in models.items():
        _compiling, *runs = [run_lexloom("classifier", "predict", WORK / f"predict-{encoder}", text) for _ in range(setting.rounds + 1)]
        section.runs += runs
        speeds = [count / run.seconds for run in runs]
        section.amount(f"loading {encoder} and labelling {count:,} lines", "lines/s", speeds, at_least=least)
    return section


# ---- runs ----------------------------------------------------------------------------------------------------------------------------


def _train(
    setting: Setting,
    section: Section,
    *options: object,
    text: Path | None = None,
    files: Sequence[object] | None = None,
    name: str = "classifier",
) -> dict[str, Any]:
    """Train a classifier, on SST-2 by default; return its lexloom.json."""
    text = text or setting.treebank_sentences("train")
    run, _, facts = run_training("classifier", text, WORK / name, *_how(setting, files), *options)
    section.runs.append(replace(run, result={"accuracy": facts["test"]["accuracy"], "best_epoch": facts["best_epoch"]}))
    return facts


def _accuracies(setting: Setting, section: Section, *options: object) -> list[float]:
    """Return the test accuracy on SST-2 of each seed."""
    return [_train(setting, section, *options, "--seed", seed)["test"]["accuracy"] for seed in setting.seeds]


def _vectors(setting: Setting, section: Section, source: str) -> Path:
    """Return vectors of dim 100, trained once on text tokenized like SST-2."""
    out = WORK / f"{source}-vectors{'-quick' if setting.quick else ''}"
    if not (out / "lexloom.json").exists():
        text = setting.sentences_of_wikipedia() if source == "wikipedia" else setting.sentences_of_reviews()
        section.runs.append(run_training("vectors", text, out, *SPLIT, "--threads", setting.threads)[0])
    return out


def _linear(ngrams: int, dim: int) -> Path:
    return WORK / f"linear-{ngrams}-{dim}"


def _fasttext(ngrams: int, dim: int) -> Path:
    return WORK / f"fasttext-{ngrams}-{dim}.bin"


def _linear_options(setting: Setting, ngrams: int, dim: int, seed: int) -> list[object]:
    """Return options that match those of fastText: all documents, 5 epochs, the same learning rate and buckets."""
    shape = ["--word-ngrams", ngrams, "--embedding-dim", dim, "--buckets", 2_000_000, "--learning-rate", 0.5, "--epochs", 5]
    return ["--encoder", "linear", *shape, "--held-out", 0, "--seed", seed, "--threads", setting.threads, *SPLIT]


def _seeds(setting: Setting) -> int:
    return 1 if setting.quick else SEEDS


def _encoder(name: str) -> Sequence[object]:
    return ("--config", RECIPE) if name == "rnn" else ("--encoder", name)


def _how(setting: Setting, files: Sequence[object] | None = None) -> Sequence[object]:
    """Return the options that all runs share; validation and test documents are those of SST-2 by default."""
    if files is None:
        files = ("--valid", setting.treebank_sentences("dev"), "--test", setting.treebank_sentences("test"))
    return (*files, "--threads", setting.threads, *SPLIT, *(("--epochs", 1) if setting.quick else ()))


SECTIONS: dict[str, Callable[[Setting], Section]] = {
    "sst": sst,
    "sst-vectors": sst_vectors,
    "mr": mr,
    "linear-speed": linear_speed,
    "linear-quality": linear_quality,
    "classifier-predict": classifier_predict,
}
