"""What only processes of their own can show: a kill at any moment, Ctrl-C, and two that train together."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lexloom.cli import main
from lexloom.models.language_model.network import LanguageModel
from lexloom.models.loading import load_model
from lexloom.text.batches import LengthBuckets
from lexloom.text.corpus import iterable_corpus
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

WORDS = ["the", "cat", "dog", "sat", "ran", "on", "a", "mat", "by", "red", "old", "man", "with", "hat"]
SMALL = ["--hidden-size", "12", "--batch-size", "4", "--threads", "1", "--accelerator", "cpu", "--checkpoint-seconds", "0"]
TIMES = ("seconds", "minutes", "tokens_per_second", "documents_per_second")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    draw = random.Random(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(" ".join(draw.choices(WORDS, k=draw.randint(3, 9))) + "\n" for _ in range(60)))
    return path


def command(*arguments: object, noun: str = "lm") -> list[str]:
    return [sys.executable, "-m", "lexloom", noun, "train", *map(str, arguments)]


def train_here(*arguments: object, noun: str = "lm") -> int:
    """Train in this process; returns the exit status."""
    with pytest.raises(SystemExit) as end:
        main([noun, "train", *map(str, arguments)])
    return int(end.value.code or 0)


def log(folder: Path) -> list[dict[str, float]]:
    path = folder / "training.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{name: value for name, value in record.items() if name not in TIMES} for record in records]


def wait_for(folder: Path, epoch: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not (len(log(folder)) >= epoch and (folder / "checkpoint.ckpt").exists()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_killed_and_an_interrupted_training_go_on_as_if_nothing_had_happened(text, tmp_path, capfd, monkeypatch):
    rest = ["--epochs", 20, "--bptt", 8, "--schedule", "one-cycle", *SMALL, "--dropout", 0.2, "--word-dropout", 0.1, "--weight-drop", 0.1]
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = subprocess.Popen(command(text, "--out", broken, *rest), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(broken, 2, process)
    finally:
        process.kill()
    process.communicate()
    killed_after = len(log(broken))
    assert 2 <= killed_after < 20

    with monkeypatch.context() as patch:
        measure = LanguageModel.measure

        def interrupted(model, batch, state=None):
            if len(log(broken)) == killed_after + 2:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C is
            return measure(model, batch, state)

        patch.setattr(LanguageModel, "measure", interrupted)
        assert train_here(text, "--out", broken, *rest, "--resume") == 130
    told, complaint = capfd.readouterr()
    line = f"interrupted in epoch {killed_after + 3}: its checkpoint is kept; the same command with --resume continues"
    assert complaint == f"lexloom: error: {line}\n"
    assert told.startswith("reused text: ")
    assert "epoch 1 " not in told  # what was done is not done again

    assert train_here(text, "--out", broken, *rest, "--resume") == 0
    assert train_here(text, "--out", whole, *rest) == 0
    assert log(broken) == log(whole)
    for name in ("model.safetensors", "vocabulary.json", "tokenizer.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in broken.iterdir()) == sorted(path.name for path in whole.iterdir())


def test_two_processes_learn_what_one_does(text, tmp_path, capfd):
    """With an adaptive softmax whose rare words are in few windows, and vectors that are let go on the way."""
    write_folder(
        Vectors(WORDS[:9], np.random.default_rng(1).normal(size=(9, 12)).astype(np.float32), np.arange(9, 0, -1)), tmp_path / "vectors"
    )
    rest: list[object] = [*SMALL, "--epochs", 3, "--bptt", 2, "--softmax", "adaptive", "--cutoffs", 5, "--cutoffs", 15, "--div-value", 2]
    rest += ["--vectors", tmp_path / "vectors", "--freeze", "--unfreeze-epoch", 3, "--max-minutes", 30]
    together, alone = tmp_path / "together", tmp_path / "alone"
    both = ["--devices", 2, "--strategy", "ddp", "--store", tmp_path / "store"]
    done = subprocess.run(command(text, "--out", together, *rest, *both), capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert train_here(text, "--out", alone, *rest, "--store", tmp_path / "store") == 0
    one, other = log(alone), log(together)
    for name in ("train_loss", "valid_loss", "bits_per_character", "learning_rate", "tokens"):
        assert [record[name] for record in other] == pytest.approx([record[name] for record in one], rel=1e-5)
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[1:]] == [
        line.split("  ")[0].replace(str(alone), str(together)) for line in capfd.readouterr().out.splitlines()[1:]
    ]
    assert sorted(path.name for path in together.iterdir()) == sorted(path.name for path in alone.iterdir())
    facts = [json.loads((folder / "lexloom.json").read_text()) for folder in (alone, together)]
    assert facts[1]["movement"]["mean_distance"] == pytest.approx(facts[0]["movement"]["mean_distance"], rel=1e-3)


def opinions(number: int, seed: int) -> str:
    """Lines of label<TAB>text, as many of each label."""
    draw = random.Random(seed)
    telling = {"neg": ["bad", "dull"], "pos": ["good", "fine"]}
    pairs = [
        (label, draw.choices(WORDS, k=draw.randint(0, 5)) + draw.choices(telling[label], k=2)) for label in ["neg", "pos"] * (number // 2)
    ]
    return "".join(f"{label}\t{' '.join(words)}\n" for label, words in pairs)


def test_two_processes_train_the_classifier_that_one_does(tmp_path, capfd, monkeypatch):
    """One with batches of two of theirs. They leave out the odd batch of each epoch, and have too few validation documents to share."""
    for name, number in (("train", 40), ("valid", 6), ("test", 20)):
        (tmp_path / f"{name}.tsv").write_text(opinions(number, len(name)))
    rest: list[object] = [tmp_path / "train.tsv", "--valid", tmp_path / "valid.tsv", "--test", tmp_path / "test.tsv"]
    rest += ["--embedding-dim", 8, "--dropout", 0, "--learning-rate", 0.05, "--epochs", 3, "--batch-size", 8]
    rest += ["--threads", 1, "--accelerator", "cpu", "--checkpoint-seconds", 0]
    together, alone = tmp_path / "together", tmp_path / "alone"
    both = ["--devices", 2, "--strategy", "ddp"]
    arguments = command(*rest, "--out", together, *both, noun="classifier")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (0, "")

    epoch = LengthBuckets.epoch

    def pairs(buckets, number):
        batches = epoch(buckets, number)
        return [np.concatenate(two) for two in zip(batches[::2], batches[1::2], strict=False)] if len(batches) > 1 else batches

    monkeypatch.setattr(LengthBuckets, "epoch", pairs)
    assert train_here(*rest, "--out", alone, noun="classifier") == 0
    one, other = log(alone), log(together)
    assert len(one) == 3
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "learning_rate", "documents"):
        assert [record[name] for record in other] == pytest.approx([record[name] for record in one], rel=1e-5)
    assert other[0]["documents"] == 32
    assert [line.split("documents/s")[0].rsplit("  ", 1)[0] for line in done.stdout.splitlines()] == [
        line.split("documents/s")[0].rsplit("  ", 1)[0].replace(str(alone), str(together)) for line in capfd.readouterr().out.splitlines()
    ]
    assert sorted(path.name for path in together.iterdir()) == sorted(path.name for path in alone.iterdir())
    texts = [line.split("\t")[1] for line in (tmp_path / "test.tsv").read_text().splitlines()]
    found = [np.concatenate(list(load_model(folder).predict_blocks(iterable_corpus(texts).blocks()))) for folder in (alone, together)]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    assert len(set(found[0].argmax(1))) == 2


def test_an_error_of_the_first_process_ends_both_with_one_line(tmp_path):
    (tmp_path / "one.tsv").write_text("pos\tgood\npos\tfine\n")
    both = ["--devices", 2, "--strategy", "ddp", "--accelerator", "cpu", "--threads", 1]
    arguments = command(tmp_path / "one.tsv", "--out", tmp_path / "out", *both, noun="classifier")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2
    line, *more = done.stderr.splitlines()
    assert line.startswith("lexloom: error: ") and "single label" in line
    assert more == []


@pytest.mark.parametrize("noun", ["lm", "classifier"])
def test_standard_input_is_refused_where_several_processes_read(noun, tmp_path, capfd):
    assert train_here("-", "--out", tmp_path / "out", "--devices", 2, "--batch-size", 4, "--accelerator", "cpu", noun=noun) == 2
    assert "can be read only once, but 2 processes read it" in capfd.readouterr().err
