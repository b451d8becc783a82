"""The scripts that complete commands and options."""

import subprocess

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_knows_every_noun_and_the_options_of_commands(run, shell):
    outcome = run("completion", shell)
    assert (outcome.status, outcome.err) == (0, "")
    for word in ("vectors", "lm", "classifier", "info", "demo", "neighbors", "hidden-size", "sequential"):
        assert word in outcome.out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["ve"], ["vectors"]),
        (["lm", "tr"], ["train"]),
        (["lm", "train", "--hid"], ["--hidden-size"]),
        (["vectors", "train", "--model", ""], ["cbow", "skipgram"]),
    ],
    ids=" ".join,
)
def test_bash_completes(run, typed, completed):
    script = run("completion", "bash").out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    words = " ".join(f"'{word}'" for word in ["lexloom", *typed])
    ask = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _lexloom; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", script + ask], capture_output=True, text=True, check=True)
    assert sorted({line.strip() for line in done.stdout.splitlines()}) == completed


def test_an_unknown_shell_is_one_line(fails):
    assert 'Invalid value "tcsh" for SHELL' in fails("completion", "tcsh")
