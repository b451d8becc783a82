"""The sections about language models: what runs, in which order, and with which bar.

As in `sections.py`, the bars were set before the code was written. lexloom trains through its command line, the peer is the plain PyTorch
loop in `bare.py`, and a `Loop` holds the options of both.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.loop import LAST, Loop
from benchmarks.processes import ROOT, Run, run_job, run_training
from benchmarks.report import Row, Section
from benchmarks.setting import WORK, Setting

BARE = "bare PyTorch loop"
RECIPES = ROOT / "recipes/language_model"
PROMPT = "time traveller"
CLIPPING_SEEDS = 5
VECTOR_DIM = 300
_RANDOM_STD = 0.1 / 3**0.5  # standard deviation of the recipe's random rows, uniform between -0.1 and 0.1

RNN = Loop("character", "rnn", 512, learning_rate=1.0, clip=1.0, batch_size=32, bptt=35, embedding="one-hot", epochs=16)
CHARACTERS = replace(RNN, cell="lstm", hidden_size=256, embedding="lookup")
WORDS = Loop("word", "lstm", 200, learning_rate=20.0, clip=0.25, batch_size=20, bptt=35, num_layers=2, epochs=7)


def time_machine(setting: Setting) -> Section:
    """A plain RNN on the first 10,000 characters of a book: its perplexity, its speed, a text it writes, and the effect of clipping."""
    section, text, recipe = Section(), setting.time_machine(10_000), RECIPES / "time-machine.toml"
    epochs = 3 if setting.quick else Loop.of_recipe(recipe).epochs
    for windows, most in (("sequential", 1.1), ("random", 1.5)):
        ours: dict[str, list[Run]] = {"torch": [], "scratch": []}
        peer: list[Run] = []
        for seed in range(1, setting.rounds + 1):
            options = ("--config", recipe, "--windows", windows, "--epochs", epochs, "--seed", seed)
            loop = replace(Loop.of_recipe(recipe), windows=windows, epochs=epochs, seed=seed)
            ours["torch"].append(_train(setting, text, *options, name=f"lm-{windows}-torch"))
            peer.append(_bare(setting, text, loop))
            ours["scratch"].append(_train(setting, text, *options, "--implementation", "scratch", name=f"lm-{windows}-scratch"))
            _require_same_model(ours["torch"][-1], peer[-1])
        section.runs += [*ours["torch"], *peer, *ours["scratch"]]
        for cells, runs in ours.items():
            what = f"Time Machine, {windows} windows, {cells} cells"
            ends, theirs = (_all(side, "train_perplexity") for side in (runs, peer))
            section.amount(
                f"{what}: training perplexity, last {LAST} epochs", "perplexity", ends, at_most=most, peer=theirs, peer_name=BARE
            )
            section.times(f"{what}: training", "s", _all(runs, "seconds"), _all(peer, "seconds"), BARE, 1.2)
            wall, their_wall = ([run.seconds for run in side] for side in (runs, peer))
            section.times(f"{what}: whole process", "s", wall, their_wall, BARE, 1.2)
            _continuation(setting, section, what, WORK / f"lm-{windows}-{cells}")
    _clipping(setting, section, text, epochs)
    return section


def _continuation(setting: Setting, section: Section, what: str, model: Path) -> None:
    """Continue the prompt greedily, and count how many of the words are in the book; the last word may be incomplete."""
    run = run_job("generate", model=model, prompt=PROMPT, length=50, temperature=0.0)
    section.runs.append(run)
    *words, last = run.result["text"].split()
    print(f"  {what}: {' '.join([*words, last])}")
    book = set(re.findall("[a-z]+", (setting.data / "lm/timemachine.txt").read_text(encoding="utf-8").lower()))
    found = sum(word in book for word in words) + any(word.startswith(last) for word in book)
    name = f"{what}: words of the book in “{' '.join([*words, last])}”"
    section.amount(name, "share of words", [found / (len(words) + 1)], at_least=1)


def _clipping(setting: Setting, section: Section, text: Path, epochs: int) -> None:
    """Train with and without clipping at the same learning rate, and count the seeds that diverge or end worse without it."""
    seeds = 1 if setting.quick else CLIPPING_SEEDS
    ends: dict[str, list[float]] = {"1": [], "0": []}  # perplexity by --clip; infinite if the run diverged
    for seed in range(1, seeds + 1):
        for clip, found in ends.items():
            options = ("--config", RECIPES / "time-machine.toml", "--clip", clip, "--epochs", epochs, "--seed", seed)
            run = _train(setting, text, *options, name="lm-clipping", allowed="the run diverged")
            section.runs.append(run)
            found.append(math.inf if run.status else run.result["train_perplexity"])
    diverged = sum(map(math.isinf, ends["0"]))
    worse = sum(clipped < without < math.inf for clipped, without in zip(ends["1"], ends["0"], strict=True))
    with_, without = ([end for end in side if math.isfinite(end)] for side in (ends["1"], ends["0"]))
    figure = f"of {seeds}, {diverged} diverged and {worse} ended worse"
    what, unit = f"Time Machine, {seeds} seeds: training perplexity with clipping, last {LAST} epochs", "median perplexity"
    bar, met = "most are worse or diverge without clipping", 2 * (diverged + worse) > seeds
    section.rows.append(Row(what, unit, with_, without, "without clipping, if not diverged", figure, bar, met))


def ptb_zaremba(setting: Setting) -> Section:
    """The small model of Zaremba et al. (2014) on the Penn Treebank."""
    section = Section()
    run = _recipe(setting, section, "zaremba-small.toml")
    section.amount("Penn Treebank, zaremba-small.toml: test perplexity", "perplexity", [run.result["test_perplexity"]], at_most=116)
    section.amount("Penn Treebank, zaremba-small.toml: whole process", "min", [run.seconds / 60])
    return section


def ptb_recipe(setting: Setting) -> Section:
    """lexloom's own recipe on the Penn Treebank."""
    section = Section()
    run = _recipe(setting, section, "penn-treebank.toml")
    section.amount("Penn Treebank, penn-treebank.toml: test perplexity", "perplexity", [run.result["test_perplexity"]], at_most=88)
    section.amount("Penn Treebank, penn-treebank.toml: whole process", "min", [run.seconds / 60], at_most=60)
    return section


def _recipe(setting: Setting, section: Section, name: str, *options: object, out: str = "lm-recipe") -> Run:
    """Train with a recipe on the Penn Treebank, and test the model."""
    files = ("--valid", setting.treebank("valid"), "--test", setting.treebank("test"))
    quick = ("--epochs", 1, "--hidden-size", 50) if setting.quick else ()
    run = _train(setting, setting.treebank("train"), "--config", RECIPES / name, *files, *options, *quick, name=out)
    section.runs.append(run)
    return run


def ptb_vectors(setting: Setting) -> Section:
    """Ten minutes of one model with random rows, with frozen vectors from Wikipedia, and with the same vectors fine-tuned."""
    section, vectors = Section(), WORK / "lm-vectors"
    minutes, dim = (0.1, 20) if setting.quick else (10, VECTOR_DIM)
    training = ("--dim", dim, "--epochs", 1 if setting.quick else 5, "--tokenizer", "whitespace", "--threads", setting.threads)
    section.runs.append(run_training("vectors", setting.treebank_like(), vectors, *training)[0])
    stretched = ("--vectors", vectors, "--vectors-std", _RANDOM_STD)
    arms: dict[str, Sequence[object]] = {
        "random": (),
        "pre-trained, frozen": (*stretched, "--freeze"),
        "pre-trained, fine-tuned": stretched,
    }
    same = ("--softmax", "full", "--embedding-dim", dim, "--max-minutes", minutes)
    runs = {arm: _recipe(setting, section, "penn-treebank.toml", *same, *options, out="lm-arm") for arm, options in arms.items()}
    coverage = runs["pre-trained, frozen"].result["coverage"]
    for part in ("types", "tokens"):
        share = 100 * coverage[f"known_{part}"] / coverage[part]
        section.amount(f"Penn Treebank, vectors of dim {dim} from Wikipedia: known {part}", "%", [share])
    for part, name in (("valid", "validation"), ("test", "test")):
        random, *others = ((arm, [run.result[f"{part}_perplexity"]]) for arm, run in runs.items())
        what = f"Penn Treebank, {minutes:g} minutes, {{}} embedding: {name} perplexity"
        section.amount(what.format(random[0]), "perplexity", random[1])
        for arm, perplexity in others:
            section.lower(what.format(arm), "perplexity", perplexity, random[1], "random", judged=False)
    return section


def lm_speed(setting: Setting) -> Section:
    """Speed of the training against the bare PyTorch loop: the same model, epochs in turn."""
    section = Section()
    for what, loop in {
        "characters, one-hot input, RNN of 512": RNN,
        "characters, LSTM of 256": CHARACTERS,
        "words, LSTM 2 x 200, full softmax": WORDS,
    }.items():
        text = setting.treebank_vocabulary() if loop.level == "word" else setting.time_machine()
        loop = replace(loop, epochs=2) if setting.quick else loop
        run = run_job("train_in_turns", text=text, loop=asdict(loop), threads=setting.threads)
        section.runs.append(run)
        section.pairs(what, "tokens/s", run.result["ours"], run.result["theirs"], f"{BARE}, float32", 0.95)
    return section


def lm_softmax(setting: Setting) -> Section:
    """The faster softmaxes at equal time: lexloom's minutes include its validation, those of the bare loop do not."""
    from lexloom.nn.recurrent import has_bfloat16

    section = Section()
    minutes = 0.1 if setting.quick else 4
    text, valid = setting.treebank("train"), setting.treebank("valid")
    kinds: dict[str, Sequence[object]] = {"adaptive softmax": ("--softmax", "adaptive"), "sampled softmax": ("--num-sampled", 2000)}
    if has_bfloat16():
        kinds["softmax in chunks, bf16-mixed"] = ("--precision", "bf16-mixed")
    ours: dict[str, list[Run]] = {kind: [] for kind in kinds}
    peer: list[Run] = []
    for seed in range(1, setting.rounds + 1):
        loop = replace(WORDS, epochs=1000, max_minutes=minutes, seed=seed)
        peer.append(_bare(setting, text, loop, valid=valid))
        for kind, options in kinds.items():
            ours[kind].append(_train(setting, text, *loop.options(), "--valid", valid, *options, name="lm-equal-time"))
    section.runs += [run for runs in (peer, *ours.values()) for run in runs]
    for kind, runs in ours.items():
        what, name = f"words, LSTM 2 x 200, {kind}", f"{BARE}, float32"
        section.ratio(what, "tokens/s", _all(runs, "tokens_per_second"), _all(peer, "tokens_per_second"), name, 1.5)
        after = f"{what}: validation after {minutes:g} minutes"
        section.lower(after, "perplexity", _all(runs, "valid_perplexity"), _all(peer, "valid_perplexity"), name, judged=True)
    return section


def lm_generate(setting: Setting) -> Section:
    """Speed of generation in characters per second on one core, by a model trained for one epoch."""
    section, length = Section(), 500 if setting.quick else 20_000
    shape = ("--level", "character", "--hidden-size", 512, "--epochs", 1, "--valid", "none")
    section.runs.append(_train(setting, setting.time_machine(), *shape, name="lm-generate"))
    speeds = []
    for _ in range(setting.rounds):
        run = run_job("generate", model=WORK / "lm-generate", prompt=PROMPT, length=length, temperature=1.0)
        section.runs.append(run)
        speeds.append(run.result["characters"] / run.result["seconds"])
    section.amount(f"generating {length:,} characters, LSTM of 512, one core", "characters/s", speeds, at_least=3000)
    return section


def lm_one_hot(setting: Setting) -> Section:
    """Embedding lookup against one-hot input, which multiplies by a matrix with a row per token of the vocabulary; the same LSTM of 200."""
    section = Section()
    for level, text in (("character", setting.time_machine()), ("word", setting.treebank_vocabulary())):
        loop = replace(WORDS, level=level, num_layers=1, epochs=2)
        speeds: dict[str, list[float]] = {"lookup": [], "one-hot": []}
        for _ in range(setting.rounds):
            for embedding, found in speeds.items():
                options = replace(loop, embedding=embedding).options()
                run = _train(setting, text, *options, "--valid", "none", name="lm-one-hot")
                section.runs.append(run)
                found.append(run.result["tokens_per_second"])
        what = f"lookup, {level}s, vocabulary of {_vocabulary_size(WORK / 'lm-one-hot'):,}, LSTM of 200"
        section.ratio(what, "tokens/s", speeds["lookup"], speeds["one-hot"], "lexloom, one-hot input")
    return section


# ---- runs ----------------------------------------------------------------------------------------------------------------------------


def _train(setting: Setting, text: Path, *options: object, name: str, allowed: str | None = None) -> Run:
    """Train with lexloom in a new folder; the result holds figures from its log and from lexloom.json."""
    where = ("--accelerator", "cpu", "--threads", setting.threads)
    run, epochs, facts = run_training("lm", text, WORK / name, *where, *options, allowed=allowed)
    return replace(run, result=_summary(epochs) | _facts(facts))


def _summary(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarize the records of a run; the speed leaves out the first epoch, as in the bare loop."""
    if not epochs:
        return {"epochs": 0}
    later = epochs[1:] or epochs
    last = {
        "train_perplexity": math.exp(fmean(epoch["train_loss"] for epoch in epochs[-LAST:])),
        "valid_perplexity": epochs[-1]["valid_perplexity"],
    }
    speed = sum(epoch["tokens"] for epoch in later) / sum(epoch["seconds"] for epoch in later)
    return {"epochs": len(epochs), "seconds": sum(epoch["seconds"] for epoch in epochs), "tokens_per_second": speed, **last}


def _facts(model: dict[str, Any]) -> dict[str, Any]:
    """Pick the facts that the figures need from lexloom.json; the scores are those of the best epoch."""
    if not model:
        return {}
    facts = {"parameters": model["parameters"], "coverage": model["coverage"]}
    if "test" in model:
        facts |= {"test_perplexity": model["test"]["perplexity"], "valid_perplexity": model["scores"]["valid_perplexity"]}
    return facts


def _bare(setting: Setting, text: Path, loop: Loop, valid: Path | None = None) -> Run:
    return run_job("bare_train", text=text, loop=asdict(loop), threads=setting.threads, valid=valid)


def _require_same_model(ours: Run, peer: Run) -> None:
    if ours.result["parameters"] != peer.result["parameters"]:
        raise RuntimeError(f"not the same model: {ours.result['parameters']} and {peer.result['parameters']} parameters")


def _all(runs: Sequence[Run], name: str) -> list[float]:
    return [run.result[name] for run in runs]


def _vocabulary_size(model: Path) -> int:
    from lexloom.artefact import VOCABULARY
    from lexloom.text.vocabulary import Vocabulary

    return len(Vocabulary.load(model / VOCABULARY))


SECTIONS: dict[str, Callable[[Setting], Section]] = {
    "time-machine": time_machine,
    "ptb-zaremba": ptb_zaremba,
    "ptb-recipe": ptb_recipe,
    "ptb-vectors": ptb_vectors,
    "lm-speed": lm_speed,
    "lm-softmax": lm_softmax,
    "lm-generate": lm_generate,
    "lm-one-hot": lm_one_hot,
}
