"""Vectors trained with PyTorch, as their user sees it: the folder that `train_vectors` writes, and its rules."""

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.vectors.corpora import planted, planted_questions, zipf_file
from tests.vectors.options import options

from lexloom.cli import main
from lexloom.errors import ConfigError, DivergedRun, InputError, InterruptedRun
from lexloom.models.skipgram.options import SkipGramConfig, SkipGramOptions, skipgram_training
from lexloom.models.skipgram.train import train_skipgram
from lexloom.run_folder import RunConfig
from lexloom.text.corpus import open_corpus
from lexloom.text.store import build_store
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.reporter import Reporter
from lexloom.vectors.evaluate import evaluate_analogy
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.train import train_vectors

RESULT_FILES = ["model.safetensors", "lexloom.json", "vocabulary.json", "tokenizer.json", "config.json", "modules.json", "README.md"]


def small(**changes):
    return options(**{"dim": 8, "epochs": 2, "threads": 1, **changes})


def train(corpus, vectors, training, batches=SkipGramConfig(), *, out=None, resume=False, overwrite=False, reporter=None, **parts):
    """Train with the options of the kernels."""
    chosen = SkipGramOptions(vectors, batches, skipgram_training(training), **parts)
    return train_skipgram(corpus, chosen, run=RunConfig(out, resume, overwrite), reporter=reporter)


@pytest.fixture
def corpus(tmp_path):
    return zipf_file(tmp_path / "corpus.txt", 5000)


def bits(folder):
    return {name: (folder / name).read_bytes() for name in RESULT_FILES}


def begin_and_interrupt(corpus, out, *, in_epoch=2):
    """Leave an unfinished training in a folder."""

    def interrupt(now):
        if now.epoch == in_epoch:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRun, match=f"interrupted in epoch {in_epoch}: "):
        train(corpus, *small(), out=out, reporter=Reporter(working=interrupt))


# ---- what is learnt, and what comes out ---------------------------------------------------------------------------------------------


def test_training_finds_planted_analogies(tmp_path):
    config = options(dim=32, epochs=4, sample=0, learning_rate=0.01, threads=1)
    vectors = train(planted(2000), *config, SkipGramConfig(batch_size=128))
    questions = tmp_path / "questions.txt"
    questions.write_text(": capitals\n" + "".join(" ".join(words) + "\n" for words in planted_questions()))
    assert evaluate_analogy(vectors, questions).total.accuracy > 0.9
    assert vectors.metadata["loss"] == sorted(vectors.metadata["loss"], reverse=True)


def test_the_folder_is_the_one_that_the_kernels_write(corpus, tmp_path):
    config = small(keep_output=True)
    slow = train(corpus, *config, out=tmp_path / "torch")
    fast = train_vectors(corpus, *config, out=tmp_path / "kernels")
    names = [{path.name for path in (tmp_path / engine).iterdir()} for engine in ("torch", "kernels")]
    assert names[0] == names[1] | {"curves.png"}
    assert (slow.tokens, slow.counts.tolist(), slow.tokenizer) == (fast.tokens, fast.counts.tolist(), fast.tokenizer)
    assert slow.matrix.shape == slow.output.shape == fast.output.shape
    assert slow.metadata["corpus"] == fast.metadata["corpus"]
    assert set(slow.metadata) == set(fast.metadata)
    assert slow.metadata["options"]["run"] == {"kind": "vectors", "engine": "torch"}
    assert slow.metadata["options"]["batches"] == {"batch_size": 512}


def test_log_has_what_the_kernels_write_of_an_epoch(corpus, tmp_path):
    vectors = train(corpus, *small(), out=tmp_path / "out")
    records = [json.loads(line) for line in (tmp_path / "out/training.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert [record["loss"] for record in records] == vectors.metadata["loss"]
    for record in records:
        assert 0 < record["effective_words"] < record["raw_words"] == 5000
        assert record["seconds"] > 0
        assert record["learning_rate"] == 0.002


def test_a_literal_unk_is_a_word_and_the_unknown_are_none():
    whitespace, config = TokenizerConfig(tokenizer="whitespace"), small(sample=0)
    vectors = train(["<unk> b c a b c"] * 20, *config, tokenizer=whitespace)
    assert (vectors.tokens, vectors.counts.tolist()) == (["b", "c", "<unk>", "a"], [40, 40, 20, 20])
    stray = train(["<unk> b c rare", *["b c a"] * 20], *config, tokenizer=whitespace)
    assert stray.tokens == ["b", "c", "a"]


def test_a_store_or_lists_of_tokens_train_too(corpus, tmp_path):
    store = build_store(open_corpus(corpus), tmp_path / "store")
    lists = [line.split() for line in corpus.read_text().splitlines()]
    found = [train(source, *small()) for source in (corpus, store, lists)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].matrix, other.matrix)


# ---- the same bits again ------------------------------------------------------------------------------------------------------------


def test_one_thread_and_one_seed_give_the_same_bits(corpus, tmp_path):
    for name in ("a", "b"):
        train(corpus, *small(), out=tmp_path / name)
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    np.testing.assert_array_equal(train(corpus, *small()).matrix, load_vectors(tmp_path / "a").matrix)


@pytest.mark.parametrize("seed", [2, 2**62])
def test_another_seed_gives_other_bits(corpus, seed):
    one, other = (train(corpus, *small(epochs=1, seed=number)) for number in (1, seed))
    assert (one.matrix != other.matrix).all(axis=1).all()


def test_interrupted_and_resumed_gives_the_same_bits(corpus, tmp_path):
    train(corpus, *small(), out=tmp_path / "whole")
    begin_and_interrupt(corpus, tmp_path / "cut")
    assert (tmp_path / "cut/checkpoint.ckpt").exists()
    train(corpus, *small(), out=tmp_path / "cut", resume=True)
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
    assert not (tmp_path / "cut/checkpoint.ckpt").exists()


def test_killed_before_the_result_was_written_needs_no_more_training(corpus, tmp_path, monkeypatch):
    train(corpus, *small(), out=tmp_path / "whole")

    def kill(vectors, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lexloom.models.skipgram.train.write_folder", kill)
        with pytest.raises(InterruptedRun, match="checkpoint is kept"):
            train(corpus, *small(), out=tmp_path / "cut")
    epochs = []
    train(corpus, *small(), out=tmp_path / "cut", resume=True, reporter=Reporter(epoch=epochs.append))
    assert epochs == []
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")


def test_interrupted_before_the_first_checkpoint_begins_anew(corpus, tmp_path):
    begin_and_interrupt(corpus, tmp_path / "cut", in_epoch=1)
    resumed = train(corpus, *small(), out=tmp_path / "cut", resume=True)
    np.testing.assert_array_equal(resumed.matrix, train(corpus, *small()).matrix)


# ---- what is refused ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("model is cbow", {"model": "cbow"}),
        ("min_learning_rate is 0.0", {"min_learning_rate": 0.0}),
        ("cbow_mean is False", {"cbow_mean": False}),
        ("valid is 0.1", {"valid": 0.1}),
        ("init is other", {"init": "other"}),
        ("checkpoint_minutes is 1.0", {"checkpoint_minutes": 1.0}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_options_that_only_the_kernels_know_are_refused_by_name(name, given, tmp_path):
    with pytest.raises(ConfigError, match=name):
        train(["a b"] * 9, *options(**given), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_batch_of_none_is_refused():
    with pytest.raises(ConfigError, match="batch_size is 0"):
        SkipGramConfig(batch_size=0)


def test_a_finished_folder_is_left_alone_unless_asked(corpus, tmp_path):
    out = tmp_path / "out"
    train(corpus, *small(), out=out)
    before = bits(out)
    with pytest.raises(InputError, match="give --overwrite"):
        train(corpus, *small(), out=out)
    train(corpus, *small(), out=out, resume=True)
    assert bits(out) == before
    assert train(corpus, *small(dim=4), out=out, overwrite=True).dim == 4


def test_a_resume_with_another_learning_rate_is_allowed(corpus, tmp_path):
    begin_and_interrupt(corpus, tmp_path / "out")
    train(corpus, *small(learning_rate=0.001), out=tmp_path / "out", resume=True)
    records = [json.loads(line) for line in (tmp_path / "out/training.jsonl").read_text().splitlines()]
    assert [record["learning_rate"] for record in records] == [0.002, 0.001]


def test_a_resume_with_other_options_is_refused(corpus, tmp_path):
    begin_and_interrupt(corpus, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"cannot resume with other options \(dim was 8, now 9\)"):
        train(corpus, *small(dim=9), out=tmp_path / "out", resume=True)
    with pytest.raises(ConfigError, match="batch_size was 512, now 64"):
        train(corpus, *small(), SkipGramConfig(batch_size=64), out=tmp_path / "out", resume=True)


def test_a_resume_with_another_text_is_refused(corpus, tmp_path):
    begin_and_interrupt(corpus, tmp_path / "out")
    other = zipf_file(tmp_path / "other.txt", 5000, seed=1)
    with pytest.raises(ConfigError, match="is of another text"):
        train(other, *small(), out=tmp_path / "out", resume=True)


def test_neither_engine_goes_on_with_what_the_other_began(corpus, tmp_path):
    begin_and_interrupt(corpus, tmp_path / "out")
    same_rate = small(learning_rate=0.002)
    with pytest.raises(ConfigError, match="engine was 'torch', now 'kernels'"):
        train_vectors(corpus, *same_rate, out=tmp_path / "out", resume=True)
    train_vectors(corpus, *same_rate, out=tmp_path / "fast")
    with pytest.raises(ConfigError, match="engine was 'kernels', now 'torch'"):
        train(corpus, *same_rate, out=tmp_path / "fast", resume=True)


def test_a_text_with_nothing_to_train_on_is_refused(tmp_path):
    with pytest.raises(InputError, match="no two words side by side"):
        train(["a"] * 10, *small(), out=tmp_path / "out")
    with pytest.raises(InputError, match="no word occurs 5 times"):
        train(["a b c"], *small())


def test_a_diverging_training_stops(corpus, tmp_path):
    with pytest.raises(DivergedRun, match="epoch"):
        train(corpus, *small(learning_rate=1e38), out=tmp_path / "out")


# ---- the command line ---------------------------------------------------------------------------------------------------------------


def run(*arguments) -> int:
    try:
        main(["vectors", "train", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_trains_with_torch_when_asked(corpus, tmp_path, capfd):
    out = tmp_path / "out"
    assert run(corpus, "--out", out, "--engine", "torch", "--batch-size", 64, "--dim", 8, "--epochs", 2, "--threads", 1) == 0
    said, complaint = capfd.readouterr()
    vectors = load_vectors(out)
    assert complaint == ""
    assert said.splitlines()[0].startswith("encoded 5,000 tokens")
    assert said.splitlines()[1] == f"model: {2 * 8 * (len(vectors) + 1):,} parameters"  # <unk> has rows too
    assert [line.split("  ")[:2] for line in said.splitlines()[2:4]] == [
        [f"epoch {number}", f"loss {loss:.4f}"] for number, loss in enumerate(vectors.metadata["loss"], 1)
    ]
    assert said.splitlines()[4] == f"saved {len(vectors):,} vectors of 8 dimensions in {out}"
    np.testing.assert_array_equal(vectors.matrix, train(corpus, *small(), SkipGramConfig(batch_size=64)).matrix)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--batch-size", 64), "batch_size is 64: the kernels have no batches"),
        (("--engine", "torch", "--model", "cbow"), "model is cbow, which the torch engine does not have"),
    ],
)
def test_options_of_the_other_engine_are_one_line(corpus, tmp_path, capfd, options, line):
    assert run(corpus, "--out", tmp_path / "out", *options) == 2
    said, complaint = capfd.readouterr()
    assert (said, complaint.count("\n")) == ("", 1)
    assert complaint.startswith(f"lexloom: error: {line}")


def test_the_kernels_are_trained_with_without_torch():
    code = "import sys, lexloom.cli.vectors\nsys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
