"""The sections about vectors: what runs, in which order, and with which bar.

The bars were set before the code was written; they are not moved to fit the results.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.processes import Run, run_job, run_training
from benchmarks.report import Section
from benchmarks.setting import WORK, Setting

MODES = ("LineSentence", "corpus_file")
FASTTEXT_THREADS = 10  # with fewer than ten it leaves a part of the input matrix uninitialised


def _train(setting: Setting, corpus: Path, *options: object, name: str = "lexloom", cold: bool = False) -> tuple[Run, list[dict[str, Any]]]:
    """Train with lexloom in a new folder; return the run and the records of its epochs. `cold`: compile the kernels first."""
    environment = {}
    if cold:
        compiled = WORK / "compiled"
        shutil.rmtree(compiled, ignore_errors=True)
        environment = {"NUMBA_CACHE_DIR": str(compiled)}
    run, epochs, _ = run_training("vectors", corpus, WORK / name, "--threads", setting.threads, *options, environment=environment)
    return replace(run, result={"epochs": epochs}), epochs


def _speed(epochs: list[dict[str, Any]]) -> float:
    """Return the raw words per second of the training alone."""
    words, seconds = (sum(float(epoch[name]) for epoch in epochs) for name in ("raw_words", "seconds"))
    return words / seconds


def speed(setting: Setting) -> Section:
    """Speed of the training alone, in raw words per second over one epoch, against both input modes of gensim."""
    section, corpus = Section(), setting.corpus()
    for model, dim, least in (("skipgram", 100, 6.0), ("skipgram", 300, 4.5), ("cbow", 100, 2.5)):
        options = {"dim": dim, "epochs": 1, "seed": 1, "threads": setting.threads, "sg": int(model == "skipgram")}
        ours: list[float] = []
        peers: dict[str, list[float]] = {mode: [] for mode in MODES}
        _train(setting, corpus, "--model", model, "--dim", dim, "--epochs", 1)  # compiles
        for _ in range(setting.rounds):
            run, epochs = _train(setting, corpus, "--model", model, "--dim", dim, "--epochs", 1)
            section.runs.append(run)
            ours.append(_speed(epochs))
            for mode in MODES:
                run = run_job("gensim_train", corpus=corpus, out=WORK / "gensim.bin", mode=mode, **options)
                section.runs.append(run)
                peers[mode].append(run.result["raw_words"] / run.result["seconds"])
        faster = max(MODES, key=lambda mode: sum(peers[mode]))
        for mode in MODES:
            bar = least if mode == faster else None
            section.ratio(f"{model} dim {dim}", "raw words/s", ours, peers[mode], f"gensim {mode}", bar)
    return section


def fasttext(setting: Setting) -> Section:
    """Skip-gram at dim 100 against fastText on a slice. Its time is that of 3 epochs minus that of 1, without reading."""
    section, corpus = Section(), setting.slice()
    run, epochs = _train(setting, corpus, "--epochs", 2)
    one, three = (run_job("fasttext_train", corpus=corpus, epochs=epochs, threads=FASTTEXT_THREADS) for epochs in (1, 3))
    section.runs += [run, one, three]
    peer = 2 * epochs[0]["raw_words"] / (three.result["seconds"] - one.result["seconds"])
    section.ratio("skipgram dim 100, no subwords", "raw words/s", [_speed(epochs)], [peer], f"fasttext-numpy2, {FASTTEXT_THREADS} threads")
    return section


def road(setting: Setting) -> Section:
    """From text to saved vectors with 5 epochs, the time of the whole process; and the quality of these vectors."""
    section, corpus = Section(), setting.corpus()
    ours: dict[str, list[float]] = {}
    peer: dict[str, list[float]] = {}
    warm: list[Run] = []
    theirs: list[Run] = []
    cold, _ = _train(setting, corpus, "--epochs", 5, cold=True)
    _train(setting, setting.slice(), "--epochs", 1)  # compiles, unless another section did
    for seed in setting.seeds:
        run, _ = _train(setting, corpus, "--epochs", 5, "--seed", seed, name=f"lexloom-{seed}")
        warm.append(run)
        saved = WORK / f"gensim-{seed}.bin"
        options = {"sg": 1, "dim": 100, "epochs": 5, "seed": seed, "threads": setting.threads}
        # seed 2 takes the other input mode, so that lexloom is compared with the faster one
        theirs.append(run_job("gensim_train", corpus=corpus, out=saved, mode=MODES[seed == 2], **options))
        for scores, vectors in ((ours, WORK / f"lexloom-{seed}"), (peer, saved)):
            scored = run_job("evaluate", vectors=vectors, similarity=setting.similarity_files, analogy=setting.analogy_file)
            section.runs.append(scored)
            for name, score in scored.result["scores"].items():
                scores.setdefault(name, []).append(score)
    section.runs += [cold, *warm, *theirs]
    fastest = [min(run.seconds for run in theirs)]
    section.ratio("text to vectors, warm", "s", [run.seconds for run in warm], fastest, "gensim, its fastest run", 5)
    section.ratio("text to vectors, cold: kernels not compiled before", "s", [cold.seconds], fastest, "gensim, its fastest run", 5)
    for name in ours:
        section.difference(name, ours[name], peer[name], "gensim", 0.01)
    return section


def memory(setting: Setting) -> Section:
    """Peak of anonymous memory when training at dim 100, on the corpus and on the corpus as a single line."""
    section = Section()
    for what, corpus in (("whole corpus", setting.corpus()), ("one line", setting.one_line())):
        run, _ = _train(setting, corpus, "--epochs", 1)
        limit = 1.3 * 2 * _tokens(WORK / "lexloom") * 100 * 4 / 1e6 + 400
        options = {"sg": 1, "dim": 100, "epochs": 1, "seed": 1, "threads": setting.threads}
        peer = []
        if what == "whole corpus":  # gensim would read only the first 10,000 words of the single line
            peer = [run_job("gensim_train", corpus=corpus, out=WORK / "gensim.bin", mode="LineSentence", **options)]
        section.runs += [run, *peer]
        name = "gensim LineSentence" if peer else ""
        megabytes = [r.peak_anon_mb for r in peer]
        section.amount(f"peak of anonymous memory, {what}", "MB", [run.peak_anon_mb], at_most=limit, peer=megabytes, peer_name=name)
    return section


def _tokens(vectors: Path) -> int:
    from lexloom.vectors.formats import load_vectors

    return len(load_vectors(vectors))


def queries(setting: Setting) -> Section:
    """1,000 queries for 10 neighbours in one batch, against 1,000 calls of `most_similar`; and single queries."""
    section = Section()
    _, binary = _tables(setting)
    options = {"path": binary, "queries": 1000, "singles": 51}
    turns = [(run_job("lexloom_queries", **options), run_job("gensim_queries", **options)) for _ in range(setting.rounds)]
    section.runs += [run for turn in turns for run in turn]
    ours, peer = ([turn[side].result for turn in turns] for side in (0, 1))
    answers = [result.pop("first") for result in (*ours, *peer)]
    if any(answer != answers[0] for answer in answers):
        raise RuntimeError("lexloom and gensim return different nearest neighbours")
    shape = "{:,} x {}".format(*setting.table)
    section.ratio(f"1,000 queries on {shape}", "s", [r["seconds"] for r in ours], [r["seconds"] for r in peer], "gensim", 5)
    section.ratio(f"one query on {shape}", "ms", [1e3 * r["single"] for r in ours], [1e3 * r["single"] for r in peer], "gensim", 1)
    return section


def loading(setting: Setting) -> Section:
    """Loading word2vec files, text and binary, each in a process of its own; imports are not timed."""
    section = Section()
    shape = "{:,} x {}".format(*setting.table)
    for path, kind, least in zip(_tables(setting), ("text", "binary"), (5, 2), strict=True):
        ours, peer = [], []
        for _ in range(setting.rounds + 1):
            ours.append(run_job("lexloom_load", path=path))
            peer.append(run_job("gensim_load", path=path, binary=kind == "binary"))
        section.runs += [*ours, *peer]
        mine, theirs = ([run.result["seconds"] for run in runs] for runs in (ours, peer))
        section.ratio(f"loading {kind}, {shape}", "s", mine, theirs, "gensim", least)
    return section


def _tables(setting: Setting) -> tuple[Path, Path]:
    """Return files of random vectors in word2vec's text and binary formats; they are written once."""
    size, dim = setting.table
    text, binary = WORK / f"random-{size}-{dim}.txt", WORK / f"random-{size}-{dim}.bin"
    if not (text.exists() and binary.exists()):
        WORK.mkdir(parents=True, exist_ok=True)
        run_job("write_tables", text=text, binary=binary, size=size, dim=dim)
    return text, binary


def torch(setting: Setting) -> Section:
    """Skip-gram in PyTorch (`--engine torch`) beside the kernels on the Penn Treebank, if torch is installed: loss, speed, quality."""
    section, corpus = Section(), setting.treebank("train")
    if find_spec("torch") is None:
        return section
    options = ("--tokenizer", "whitespace", "--min-count", 1 if setting.quick else 10)
    kernels: dict[str, Sequence[object]] = {
        "kernels, 5 epochs": (),
        "kernels, 25 epochs": ("--epochs", 25),
    }
    found: dict[str, _Arm] = {}
    for seed in setting.seeds:
        for arm, chosen in {**kernels, _TORCH: ("--engine", "torch")}.items():
            run, records = _train(setting, corpus, *options, *chosen, "--seed", seed, name="ptb-skipgram")
            scored = run_job("evaluate", vectors=WORK / "ptb-skipgram", similarity=setting.similarity_files, analogy=setting.analogy_file)
            near = run_job("nearest", vectors=WORK / "ptb-skipgram", word="chip", k=5)
            section.runs += [run, scored, near]
            print(f"  {arm}, neighbours of chip: {', '.join(near.result['words'])}")
            found.setdefault(arm, _Arm()).add(records, scored.result["scores"], near.result["words"])
    torch = found.pop(_TORCH)
    section.amount("engine torch: loss of the 5th epoch", "nats", torch.losses, at_most=0.41)
    section.amount("engine torch: intel or microprocessor among the 5 neighbours of chip", "share of seeds", torch.sensible, at_least=1)
    for arm, kernel in found.items():
        section.ratio(arm, "raw words/s", kernel.speeds, torch.speeds, _TORCH)
    for arm, kernel in found.items():
        for file, theirs in torch.scores.items():
            section.amount(f"{arm}: {file}", "score", kernel.scores[file], peer=theirs, peer_name=_TORCH)
    return section


_TORCH = "engine torch, 5 epochs"


@dataclass
class _Arm:
    """The results of one way of training, a value per seed."""

    losses: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    sensible: list[float] = field(default_factory=list)
    """1 if intel or microprocessor is among the neighbours of chip, else 0."""

    def add(self, records: list[dict[str, Any]], scores: dict[str, float], near_chip: list[str]) -> None:
        """Add the results of a seed: the records of its epochs, its scores by file, the neighbours of chip."""
        self.losses.append(records[-1]["loss"])
        self.speeds.append(_speed(records))
        for file in scores:
            self.scores.setdefault(file, []).append(scores[file])
        self.sensible.append(not {"intel", "microprocessor"}.isdisjoint(near_chip))


SECTIONS: dict[str, Callable[[Setting], Section]] = {
    "speed": speed,
    "road": road,
    "memory": memory,
    "queries": queries,
    "loading": loading,
    "fasttext": fasttext,
    "torch": torch,
}
