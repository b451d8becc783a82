"""Training as its user sees it: what comes out, what is kept, what happens when it is stopped."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import ConfigError, FormatError, InputError, InterruptedRun
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.vectors.evaluate import evaluate_analogy
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.negative_sampling import NegativeSampling
from lexloom.vectors.table import Vectors
from lexloom.vectors.train import VectorReporter, train_vectors
from tests.vectors.corpora import planted, planted_questions, zipf_file
from tests.vectors.options import options

RESULT_FILES = ["model.safetensors", "lexloom.json", "vocabulary.json", "tokenizer.json", "config.json", "modules.json", "README.md"]


def small(**changes):
    return options(**{"dim": 16, "epochs": 2, "threads": 1, **changes})


@pytest.fixture
def corpus(tmp_path):
    return zipf_file(tmp_path / "corpus.txt", 20_000)


def bits(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULT_FILES}


def begin_and_interrupt(corpus: Path, out: Path, *, in_epoch: int = 0, **changes) -> None:
    """Leave an unfinished training in a folder."""

    def working(now):
        if now.epoch == in_epoch + 1:
            raise KeyboardInterrupt

    def epoch(record):  # a short epoch may be over before its progress is reported
        if record["epoch"] == in_epoch:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRun, match=rf"epoch {in_epoch + 1}.*--resume"):
        train_vectors(corpus, *small(**changes), out=out, reporter=VectorReporter(working=working, epoch=epoch))


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "training.jsonl").read_text().splitlines()]


# ---- what is learnt -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_training_finds_planted_analogies(model, tmp_path):
    config = options(model=model, dim=32, epochs=10, sample=0, learning_rate=0.05, threads=2)
    vectors = train_vectors(planted(), *config)
    questions = tmp_path / "questions.txt"
    questions.write_text(": capitals\n" + "".join(" ".join(words) + "\n" for words in planted_questions()))
    assert evaluate_analogy(vectors, questions).total.accuracy > 0.9


def test_loss_falls_from_epoch_to_epoch(tmp_path):
    train_vectors(planted(2000), *options(dim=16, epochs=4, threads=1, sample=0), out=tmp_path / "out")
    found = losses(tmp_path / "out")
    assert found[0] < np.log(2) + 1e-6  # where every score is zero a term costs ln 2
    assert found == sorted(found, reverse=True)


def test_loss_of_the_first_words_is_ln_2(tmp_path):
    train_vectors([["a", "b"]] * 5, *options(dim=4, epochs=1, threads=1, sample=0, learning_rate=1e-4), out=tmp_path / "out")
    assert losses(tmp_path / "out")[0] == pytest.approx(np.log(2), rel=1e-3)


# ---- what comes out -----------------------------------------------------------------------------------------------------------------


def test_the_log_has_a_line_per_epoch(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    records = [json.loads(line) for line in (tmp_path / "out/training.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    for record in records:
        assert record["raw_words"] == 20_000
        assert 0 < record["effective_words"] < 20_000
        assert record["seconds"] > 0
    assert records[-1]["learning_rate"] == pytest.approx(1e-4)


def test_vectors_come_most_frequent_first_without_the_reserved_row(corpus, tmp_path):
    vectors = train_vectors(corpus, *small(), out=tmp_path / "out")
    assert "<unk>" not in vectors
    assert (np.diff(vectors.counts) <= 0).all()
    assert vectors.matrix.shape == (len(vectors), 16)
    assert not (tmp_path / "out/checkpoint.safetensors").exists()


def test_a_literal_unk_in_the_corpus_is_a_word(tmp_path):
    vectors = train_vectors(["<unk> b c a b c"] * 20, *small(), tokenizer=TokenizerConfig(tokenizer="whitespace"), out=tmp_path / "out")
    assert vectors.tokens == ["b", "c", "<unk>", "a"]
    assert vectors.counts.tolist() == [40, 40, 20, 20]
    assert np.linalg.norm(vectors["<unk>"]) > 0


def test_a_stray_unk_in_the_corpus_does_not_make_a_word_of_the_unknown_ones(tmp_path):
    vectors = train_vectors(["<unk> b c rare"] + ["b c a"] * 20, *small(), tokenizer=TokenizerConfig(tokenizer="whitespace"))
    assert vectors.tokens == ["b", "c", "a"]


def test_without_a_folder_nothing_stays_on_disk_and_the_result_is_the_same(corpus, tmp_path):
    kept = train_vectors(corpus, *small(), out=tmp_path / "out")
    free = train_vectors(corpus, *small())
    assert free.tokens == kept.tokens
    np.testing.assert_array_equal(free.matrix, kept.matrix)


def test_word_that_is_never_seen_with_another_keeps_its_start(tmp_path):
    vectors = train_vectors(["a"] * 10, *small())
    assert vectors.metadata["loss"] == [None, None]
    assert np.abs(vectors["a"]).max() <= 0.5 / 16


@pytest.mark.parametrize("tokenizer", ["characters", "bpe"])
def test_other_tokenizers_train_too(tokenizer, tmp_path):
    config = TokenizerConfig(tokenizer=tokenizer, vocab_size=60)
    vectors = train_vectors(["the cat sat on the mat", "a dog ran at a cat"] * 50, *small(), tokenizer=config, out=tmp_path / "out")
    assert len(vectors) > 5
    assert len(load_vectors(tmp_path / "out")) == len(vectors)


# ---- the same bits again ------------------------------------------------------------------------------------------------------------


def test_one_thread_and_one_seed_give_the_same_bits(corpus, tmp_path):
    for name in ("a", "b"):
        train_vectors(corpus, *small(), out=tmp_path / name)
    assert bits(tmp_path / "a") == bits(tmp_path / "b")


def test_another_seed_gives_other_bits(corpus):
    one, other = (train_vectors(corpus, *options(dim=16, epochs=1, threads=1, seed=seed)) for seed in (1, 2))
    assert (one.matrix != other.matrix).all(axis=1).any()


def test_interrupted_and_resumed_gives_the_same_bits(tmp_path):
    corpus = zipf_file(tmp_path / "corpus.txt", 400_000)
    train_vectors(corpus, *small(), out=tmp_path / "whole")
    begin_and_interrupt(corpus, tmp_path / "cut", in_epoch=1)
    train_vectors(corpus, *small(), out=tmp_path / "cut", resume=True)
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_an_interrupt_waits_for_the_jobs_under_way(corpus, monkeypatch):
    running = []

    def slow(self, work, epoch, number):
        running.append(number)
        time.sleep(0.3)
        running.remove(number)
        return 0.0, 1, 1

    monkeypatch.setattr(NegativeSampling, "train_job", slow)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))  # falls into the waiting for the thread

    def begin_timer(now):
        if timer.ident is None:
            timer.start()

    with pytest.raises(InterruptedRun):
        train_vectors(corpus, *small(), reporter=VectorReporter(working=begin_timer))
    assert not running


def test_a_resume_with_another_init_of_the_same_name_is_refused(corpus, tmp_path):
    """Its rows would come back under the wrong tokens."""
    init, extra = tmp_path / "init.txt", ["x1", "x2"]
    save_vectors(Vectors(extra, np.array([[1.0] * 16, [2.0] * 16], np.float32)), init)
    begin_and_interrupt(corpus, tmp_path / "out", in_epoch=1, init=str(init))
    for tokens, values in ((extra[::-1], (2.0, 1.0)), (extra, (3.0, 2.0)), (["x1", "x2", "x3"], (1.0, 2.0, 3.0))):
        save_vectors(Vectors(tokens, np.array([[value] * 16 for value in values], np.float32)), init, overwrite=True)
        with pytest.raises(ConfigError, match="other initial vectors"):
            train_vectors(corpus, *small(init=str(init)), out=tmp_path / "out", resume=True)
    save_vectors(Vectors(extra, np.array([[1.0] * 16, [2.0] * 16], np.float32)), init, overwrite=True)
    vectors = train_vectors(corpus, *small(init=str(init)), out=tmp_path / "out", resume=True)
    assert (vectors["x1"] == 1).all() and (vectors["x2"] == 2).all()


def test_killed_at_any_moment_and_resumed_gives_the_same_bits(tmp_path):
    corpus = zipf_file(tmp_path / "corpus.txt", 1_000_000)
    options = ["--dim", "16", "--epochs", "3", "--threads", "1", "--checkpoint-minutes", "0.0002"]
    command = [sys.executable, "-m", "lexloom", "vectors", "train", str(corpus), *options]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    for seconds in (0.4, 0.8, 1.2, 1.6):
        process = subprocess.Popen([*command, "--out", str(tmp_path / "cut"), "--resume"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = subprocess.run([*command, "--out", str(tmp_path / "cut"), "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == sorted(path.name for path in (tmp_path / "whole").iterdir())


# ---- the output folder --------------------------------------------------------------------------------------------------------------


def test_a_finished_folder_is_not_overwritten(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    before = bits(tmp_path / "out")
    with pytest.raises(InputError, match=r"finished.*--overwrite"):
        train_vectors(corpus, *small(), out=tmp_path / "out")
    train_vectors(corpus, *small(), out=tmp_path / "out", resume=True)
    assert bits(tmp_path / "out") == before


def test_overwrite_starts_again_and_reuses_the_store(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    reused = []
    reporter = VectorReporter(encoded=lambda store, again: reused.append(again))
    vectors = train_vectors(corpus, *options(dim=8, epochs=1, threads=1), out=tmp_path / "out", overwrite=True, reporter=reporter)
    assert vectors.dim == 8
    assert reused == [True]


def test_another_corpus_makes_another_store(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    other = zipf_file(tmp_path / "other.txt", 5_000, seed=5)
    train_vectors(other, *small(), out=tmp_path / "out", overwrite=True)
    assert json.loads((tmp_path / "out/training.jsonl").read_text().splitlines()[0])["raw_words"] == 5_000


def test_an_unfinished_folder_needs_resume_with_the_same_options(tmp_path):
    corpus = zipf_file(tmp_path / "corpus.txt", 400_000)
    begin_and_interrupt(corpus, tmp_path / "out")
    with pytest.raises(InputError, match=r"unfinished.*--resume"):
        train_vectors(corpus, *small(), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="dim was 16, now 17"):
        train_vectors(corpus, *options(dim=17, epochs=2), out=tmp_path / "out", resume=True)


def test_a_corpus_that_is_not_there_leaves_the_folder_free(corpus, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        train_vectors(tmp_path / "typo.txt", *small(), out=tmp_path / "out")
    assert len(train_vectors(corpus, *small(), out=tmp_path / "out")) > 0


def test_a_folder_with_other_files_is_refused(corpus, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"other files"):
        train_vectors(corpus, *small(), out=tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_damaged_checkpoint_is_refused(tmp_path):
    corpus = zipf_file(tmp_path / "corpus.txt", 400_000)
    begin_and_interrupt(corpus, tmp_path / "out")
    checkpoint = tmp_path / "out/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(FormatError, match="checkpoint"):
        train_vectors(corpus, *small(), out=tmp_path / "out", resume=True)


# ---- validation ---------------------------------------------------------------------------------------------------------------------


def test_held_out_text_is_measured_and_not_trained_on(tmp_path):
    train_vectors(planted(3000), *options(dim=16, epochs=3, threads=1, sample=0, valid=0.1), out=tmp_path / "out")
    records = [json.loads(line) for line in (tmp_path / "out/training.jsonl").read_text().splitlines()]
    assert all(record["raw_words"] == pytest.approx(21_000 * 0.9, rel=0.02) for record in records)
    assert records[2]["valid_loss"] < records[0]["valid_loss"] < np.log(2)


def test_a_file_can_be_held_out(corpus, tmp_path):
    held = zipf_file(tmp_path / "held.txt", 2_000, seed=9)
    train_vectors(corpus, *options(dim=16, epochs=1, threads=1, valid=str(held)), out=tmp_path / "out")
    record = json.loads((tmp_path / "out/training.jsonl").read_text())
    assert record["raw_words"] == 20_000
    assert record["valid_loss"] > 0


def test_patience_stops_and_keeps_the_best_epoch(tmp_path):
    corpus = zipf_file(tmp_path / "corpus.txt", 20_000)  # random words: nothing to learn, soon overfitted
    config = options(dim=64, epochs=60, threads=1, valid=0.2, patience=2, learning_rate=0.2)
    vectors = train_vectors(corpus, *config, out=tmp_path / "out")
    held = [json.loads(line)["valid_loss"] for line in (tmp_path / "out/training.jsonl").read_text().splitlines()]
    best = int(np.argmin(held))
    assert len(held) == best + 3 < 60
    assert vectors.metadata["best_epoch"] == best + 1


# ---- starting from vectors ----------------------------------------------------------------------------------------------------------


def test_init_keeps_old_words_and_adds_new_ones(tmp_path):
    old = Vectors(["b", "gone"], np.ones((2, 16), np.float32), np.array([3, 2]))
    save_vectors(old, tmp_path / "old.txt")
    config = options(dim=16, epochs=1, threads=1, init=str(tmp_path / "old.txt"), freeze_init=True)
    vectors = train_vectors(["a b c"] * 50, *config, out=tmp_path / "out")
    assert sorted(vectors.tokens) == ["a", "b", "c", "gone"]
    assert (vectors["b"] == 1).all()
    assert (vectors["gone"] == 1).all()
    assert (vectors["a"] != 1).all()


def test_init_takes_the_output_matrix_too(corpus, tmp_path):
    config = options(dim=16, epochs=1, threads=1, keep_output=True)
    first = train_vectors(corpus, *config, out=tmp_path / "first")
    assert first.output is not None
    again = options(dim=16, epochs=1, threads=1, init=str(tmp_path / "first"))
    train_vectors(corpus, *again, out=tmp_path / "second")
    assert losses(tmp_path / "second")[0] < losses(tmp_path / "first")[0]


def test_init_of_another_dimension_is_refused(corpus, tmp_path):
    save_vectors(Vectors(["b"], np.ones((1, 8), np.float32)), tmp_path / "old.txt")
    with pytest.raises(ConfigError, match="8 dimensions"):
        train_vectors(corpus, *options(dim=16, init=str(tmp_path / "old.txt")))


# ---- what is refused ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dim": 0}, "dim is 0"),
        ({"sample": float("nan")}, "sample is nan"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"min_learning_rate": 1.0, "learning_rate": 0.5}, "min_learning_rate is 1.0"),
        ({"patience": 2}, "no validation text"),
        ({"freeze_init": True}, "without vectors to freeze"),
        ({"valid": 1.5}, "valid is 1.5"),
        ({"model": "glove"}, "expected one of skipgram, cbow"),
        ({"window": 10**12}, "window is 1000000000000: expected at most"),
        ({"negative": 10**9}, "negative is 1000000000: expected at most"),
        ({"threads": 10**6}, "threads is 1000000: expected at most"),
    ],
)
def test_options_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        options(**given)


def test_a_corpus_without_a_frequent_word_is_refused():
    with pytest.raises(InputError, match="min_count"):
        train_vectors(["every word here is rare"], *small(), vocabulary=VocabularyConfig(min_count=5))


def test_a_training_that_diverges_is_refused(corpus):
    with pytest.raises(ConfigError, match=r"diverged in epoch 1.*learning_rate below 1e"):
        train_vectors(corpus, *small(learning_rate=1e30))


def test_held_out_text_of_unknown_words_is_refused(corpus, tmp_path):
    (tmp_path / "held.txt").write_text("nobody knows this\n")
    with pytest.raises(InputError, match="no two known words"):
        train_vectors(corpus, *small(valid=str(tmp_path / "held.txt")))


def test_init_with_nan_is_refused(corpus, tmp_path):
    save_vectors(Vectors(["good", "bad"], np.array([[1.0] * 16, [np.nan] * 16], np.float32)), tmp_path / "old.txt")
    with pytest.raises(FormatError, match="'bad' holds NaN"):
        train_vectors(corpus, *small(init=str(tmp_path / "old.txt")))


def test_matrices_that_do_not_fit_into_memory_are_refused(corpus):
    with pytest.raises(ConfigError, match="GB, more than this machine has"):
        train_vectors(corpus, *small(dim=10**12))


def test_a_refused_folder_keeps_its_hidden_files(corpus, tmp_path):
    kept = [tmp_path / "home" / name for name in (".profile.old", ".notes.tmp")]
    kept[0].parent.mkdir()
    for path in kept:
        path.write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        train_vectors(corpus, *small(), out=tmp_path / "home")
    assert all(path.exists() for path in kept)


def test_what_a_killed_run_was_writing_is_removed(corpus, tmp_path):
    leftover = tmp_path / "out" / ".store.0123456789abcdef.tmp"
    leftover.mkdir(parents=True)
    train_vectors(corpus, *small(), out=tmp_path / "out")
    assert not leftover.exists()


def test_a_folder_in_which_another_process_trains_is_refused(corpus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)  # a lock belongs to the opened folder, so that one process can hold it against itself
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(InputError, match="another process is writing there"):
            train_vectors(corpus, *small(), out=out)
    finally:
        os.close(handle)
    train_vectors(corpus, *small(), out=out)


def test_an_overwriting_that_stopped_while_encoding_can_be_resumed(corpus, tmp_path):
    out, other = tmp_path / "out", small(seed=2)
    train_vectors(corpus, *small(), out=out)

    def stop(size):
        raise KeyboardInterrupt

    longer = zipf_file(tmp_path / "longer.txt", 30_000)
    with pytest.raises(KeyboardInterrupt):
        train_vectors(longer, *other, out=out, overwrite=True, reporter=VectorReporter(encoding=stop))
    with pytest.raises(FormatError):  # neither the old result nor half a new one
        load_vectors(out)
    resumed = train_vectors(longer, *other, out=out, resume=True)
    np.testing.assert_array_equal(resumed.matrix, train_vectors(longer, *other).matrix)


def test_overwriting_with_a_corpus_that_is_not_there_leaves_the_old_result(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    before = bits(tmp_path / "out")
    with pytest.raises(InputError, match="no such file"):
        train_vectors(tmp_path / "typo.txt", *small(), out=tmp_path / "out", overwrite=True)
    assert bits(tmp_path / "out") == before


def test_a_result_is_not_overwritten_by_what_starts_from_it(corpus, tmp_path):
    train_vectors(corpus, *small(), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="in the output folder"):
        train_vectors(corpus, *small(init=str(tmp_path / "out")), out=tmp_path / "out", overwrite=True)
    load_vectors(tmp_path / "out")


def test_a_corpus_folder_may_hold_the_output_folder(tmp_path):
    zipf_file(tmp_path / "corpus.txt", 20_000)
    first = train_vectors(tmp_path, *small(), out=tmp_path / "out")
    again = train_vectors(tmp_path, *small(), out=tmp_path / "again")
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert first.metadata["corpus"]["fingerprint"] == again.metadata["corpus"]["fingerprint"]
