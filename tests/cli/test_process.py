"""What only a process of its own can show: start-up time, pipes, signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lexloom import load_vectors

LEXLOOM = [sys.executable, "-m", "lexloom"]


def processor_seconds(command: list[str]) -> float:
    """What a process takes of a processor, which other processes on a busy machine hardly change."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(("command", "limit"), [([*LEXLOOM, "--help"], 0.4), ([sys.executable, "-c", "import lexloom"], 0.3)])
def test_starting_is_quick(command, limit):
    assert min(processor_seconds(command) for _ in range(3)) < limit


def test_neighbors_in_a_pipe(vectors):
    done = subprocess.run([*LEXLOOM, "vectors", "neighbors", vectors, "king", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0]["word"] == "king"
    assert done.stderr == ""


def test_a_reader_that_leaves_early_is_no_error(vectors):
    words = " ".join(["king"] * 3000)  # much more output than a pipe holds
    script = f"{sys.executable} -m lexloom vectors neighbors {vectors} {words} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr, done.returncode) == (["king", "cosine"], "", 0)


def test_the_installed_command_fails_with_one_line_and_status_2():
    command = shutil.which("lexloom", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run([command, "info", "none.txt"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "lexloom: error: none.txt: no such file\n", 2)


def test_debug_ends_in_a_traceback():
    done = subprocess.run([*LEXLOOM, "info", "none.txt", "--debug"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.rstrip().endswith("InputError: none.txt: no such file")


def test_interrupted_training_says_how_to_go_on_and_does(corpus, tmp_path):
    long = tmp_path / "long.txt"
    long.write_text(corpus.read_text() * 100)
    options = ["--dim", "16", "--epochs", "30", "--threads", "1"]

    def command(out: str) -> list[str]:
        return [*LEXLOOM, "vectors", "train", str(long), "--out", str(tmp_path / out), *options]

    process = subprocess.Popen(command("out"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:  # an epoch is told when it is done, in a pipe too
            if line.startswith("epoch 2"):
                break
        os.kill(process.pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert complaint.startswith("lexloom: error: interrupted in epoch ")
    assert complaint.endswith("; the same command with --resume continues\n")
    assert complaint.count("\n") == 1
    resumed = subprocess.run([*command("out"), "--resume"], capture_output=True, text=True, check=True)
    assert resumed.stdout.startswith("reused ")
    assert "epoch 1 " not in resumed.stdout
    assert "epoch 30 " in resumed.stdout
    subprocess.run(command("whole"), capture_output=True, check=True)
    assert np.array_equal(load_vectors(tmp_path / "out").matrix, load_vectors(tmp_path / "whole").matrix)
