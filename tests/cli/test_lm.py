import io
import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.cli.damage import DAMAGES

from lexloom.cli import main
from lexloom.models.language_model.scores import evaluate_language_model
from lexloom.models.language_model.writing import next_tokens, write_text_from
from lexloom.models.loading import load_model
from lexloom.text.corpus import open_corpus

SENTENCES = ["the cat sat on the mat", "a dog ran by the red man", "the old man sat", "a cat and a dog ran"]
FITS = ("--batch-size", "4", "--bptt", "8")
SMALL = ("--hidden-size", 12, "--batch-size", 4, "--bptt", 8, "--threads", 1, "--accelerator", "cpu")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny models are quickest on one thread, and other tests may run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    draw = random.Random(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(draw.choice(SENTENCES) + "\n" for _ in range(60)))
    return path


@pytest.fixture(scope="session")
def trained(text, tmp_path_factory):
    """A model of words and one of characters."""
    folder = tmp_path_factory.mktemp("models")
    for level in ("word", "character"):
        arguments = ("lm", "train", text, "--out", folder / level, "--level", level, "--epochs", 2, "--optimizer", "adam", *SMALL)
        with pytest.raises(SystemExit) as end:
            main([*map(str, arguments), "--learning-rate", "0.03"])
        assert not end.value.code
    return folder


@pytest.fixture
def word(trained):
    return trained / "word"


@pytest.fixture
def character(trained):
    return trained / "character"


def train(run, text, *options, epochs=1):
    return run("lm", "train", text, *SMALL, "--epochs", epochs, *options)


def log(folder):
    return [json.loads(line) for line in Path(folder, "training.jsonl").read_text().splitlines()]


def complaint(outcome):
    """The one line of a command that failed after it had printed something."""
    assert outcome.status == 2
    assert outcome.err.startswith("lexloom: error: ")
    assert outcome.err.count("\n") == 1
    return outcome.err.removeprefix("lexloom: error: ")


# ---- train ---------------------------------------------------------------------------------------------------------------------------


def test_training_says_what_it_does(run, text):
    outcome = train(run, text, "--out", "out", "--windows", "random", epochs=2)
    lines = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    tokens = sum(len(line.split()) + 1 for line in text.read_text().splitlines())
    held_out = tokens // 10
    windows = (tokens - held_out - 1) // 8 // 4
    assert lines[:4] == [
        f"encoded text: {tokens - held_out} tokens to train on",
        "vocabulary: 15 tokens",
        f"validation: the last tenth of the text, {held_out} tokens",
        f"an epoch: {windows} windows, {windows * 8 * 4} tokens; {tokens - held_out - 1 - windows * 8 * 4} tokens fill no batch",
    ]
    parameters = json.loads(Path("out/lexloom.json").read_text())["parameters"]
    assert lines[4] == f"model: {parameters:,} parameters"
    assert [line.split("  ")[0] for line in lines[5:7]] == ["epoch 1", "epoch 2"]
    assert lines[7].startswith("best epoch: 2 of 2, validation perplexity ")
    assert lines[8:] == [f"saved a model of {parameters:,} parameters in out"]
    for record, line in zip(log("out"), lines[5:7], strict=True):
        assert f"perplexity {math.exp(record['train_loss']):.2f}  validation: perplexity {math.exp(record['valid_loss']):.2f}" in line


def test_training_without_validation_says_so(run, text):
    outcome = train(run, text, "--out", "out", "--valid", "none")
    assert "no validation: keeps the last epoch" in outcome.out
    assert "validation: perplexity" not in outcome.out and "best epoch" not in outcome.out


def test_training_with_validation_and_test_texts(run, text):
    Path("valid.txt").write_text("the cat sat\n" * 5)
    Path("test.txt").write_text("a dog ran\n" * 3)
    outcome = train(run, text, "--out", "out", "--valid", "valid.txt", "--test", "test.txt")
    assert "validation: 20 tokens\n" in outcome.out
    score = json.loads(run("lm", "evaluate", "out", "test.txt", "--json").out)
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("test: ")]
    assert f"perplexity {score['perplexity']:.4g}, bits per character {score['bits_per_character']:.4g}, " in line
    assert "tokens 12, unknown tokens 0" in line


def test_training_from_vectors_says_what_became_of_them(run, text, vectors):
    outcome = train(run, text, "--out", "out", "--vectors", vectors)
    assert "vectors: 1 of 13 words of the vocabulary, " in outcome.out
    assert "\nvectors: moved 0." in outcome.out
    assert "lexloom: warning: only " in outcome.err


def test_the_sample_prompt_is_printed(run, text):
    outcome = train(run, text, "--out", "out", "--sample-prompt", "the cat", "--sample-every", 2, epochs=3)
    assert sum(line.startswith("  the cat") for line in outcome.out.splitlines()) == 1


def test_options_come_from_a_file(run, text):
    lines = ["hidden_size = 7", 'level = "character"', 'valid = "none"', 'softmax = "adaptive"', "cutoffs = [3, 9]", "div_value = 1.5"]
    Path("small.toml").write_text("\n".join(lines))
    outcome = run("lm", "train", text, "--out", "out", "--config", "small.toml", "--epochs", 1, "--threads", 1)
    assert (outcome.status, outcome.err) == (0, "")
    options = json.loads(Path("out/lexloom.json").read_text())["options"]
    assert (options["recurrent"]["hidden_size"], options["model"]["level"], options["model"]["cutoffs"]) == (7, "character", [3, 9])


def test_epochs_begin_at_a_random_offset_unless_switched_off(run, text):
    weights = {}
    for name, options in {"default": (), "again": ("--random-offset",), "off": ("--no-random-offset",)}.items():
        assert train(run, text, "--out", name, *options).status == 0
        weights[name] = Path(name, "model.safetensors").read_bytes()
    assert weights["default"] == weights["again"] != weights["off"]


def test_batches_that_accumulate_are_one_larger_batch(run, text):
    """Of random windows, of which both batch sizes leave out the same ones."""
    losses = []
    for name, options in {"small": ("--batch-size", 4, "--accumulate", 2), "large": ("--batch-size", 8)}.items():
        rest = ("--windows", "random", "--bptt", 11, "--optimizer", "sgd", "--threads", 1, "--accelerator", "cpu", "--epochs", 3)
        assert run("lm", "train", text, "--out", name, "--hidden-size", 12, *options, *rest).status == 0
        losses.append([record["train_loss"] for record in log(name)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][2] < losses[0][0]


def test_training_reads_standard_input(run, text, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.read_bytes())))
    assert train(run, "-", "--out", "piped").status == 0
    assert train(run, text, "--out", "named").status == 0
    assert Path("piped/model.safetensors").read_bytes() == Path("named/model.safetensors").read_bytes()


def test_broken_text_is_warned_of_wherever_it_is(run, text):
    for name in ("train", "valid", "test"):
        Path(f"{name}.txt").write_bytes(text.read_bytes() + b"the \xff cat\n")
    outcome = train(run, "train.txt", "--out", "out", "--valid", "valid.txt", "--test", "test.txt")
    problem = "61: not valid UTF-8; 1 broken places in all were replaced by U+FFFD"
    assert outcome.err.splitlines() == [f"lexloom: warning: {name}.txt:{problem}" for name in ("train", "valid", "test")]


def test_finished_and_unfinished_folders_follow_the_rules_of_vectors(run, fails, text):
    train(run, text, "--out", "out")
    assert "out: holds a finished result; give --overwrite to replace it, or another --out" in fails("lm", "train", text, "--out", "out")
    weights = Path("out/model.safetensors").read_bytes()
    assert train(run, text, "--out", "out", "--resume").status == 0
    assert Path("out/model.safetensors").read_bytes() == weights
    assert "cannot resume with other options (hidden_size was 12, now 13)" in complaint(
        run("lm", "train", text, "--out", "out", "--resume", *SMALL[2:], "--epochs", 1, "--hidden-size", 13)
    )
    line = complaint(run("vectors", "train", text, "--out", "out", "--resume", "--engine", "torch"))
    assert line.startswith("out: cannot resume with other options (kind was 'language-model', now 'vectors'; ")
    assert train(run, text, "--out", "out", "--overwrite", "--seed", 2).status == 0
    assert Path("out/model.safetensors").read_bytes() != weights


def test_a_training_that_diverges_is_one_line(run, text):
    outcome = train(run, text, "--out", "out", "--optimizer", "sgd", "--learning-rate", "1e6", "--clip", 0)
    assert "in epoch 1: the run diverged; give a lower --learning-rate, or --clip 1\n" in complaint(outcome)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "character", "--tokenizer", "words"], "tokenizer words does not fit level character; give --level word"),
        (["--level", "sentence"], 'Invalid value "sentence" for --level'),
        (["--tokenizer", "gone.json"], "tokenizer 'gone.json': neither a file nor one of words"),
        (["--hidden-size", "0"], "hidden_size is 0: expected a whole number of at least 1"),
        (["--hidden-size", "1.5"], "--hidden-size: 1.5 is not a whole number"),
        (["--bptt", "-3"], "bptt is -3"),
        (["--dropout", "1"], "dropout is 1.0: expected a share"),
        (["--learning-rate", "-1"], "learning_rate is -1.0"),
        (["--learning-rate", "fast"], "fast"),
        (["--epochs", "0"], "epochs is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--threads", "0"], "threads is 0"),
        (["--devices", "3", "--batch-size", "4"], "batch_size is 4: 3 processes cannot share that evenly; give --batch-size 3"),
        (["--devices", "2", "--sparse", "--optimizer", "sgd"], "sparse is True, but it does not work in 2 processes; leave out --sparse"),
        (["--devices", "2", "--max-norm", "1"], "max_norm is 1.0, but it does not work in 2 processes; leave out --max-norm"),
        (["--accumulate", "2", "--scale-grad-by-freq"], "scale_grad_by_freq counts tokens per batch"),
        (["--devices", "2", "--scale-grad-by-freq"], "scale_grad_by_freq is True, but it does not work in 2 processes"),
        (["--valid", "none", "--patience", "2"], "patience needs a validation text"),
        (["--freeze"], "freeze is set but there is nothing to freeze"),
        (["--vectors", "gone.vec", *FITS], "gone.vec: no such file"),
        (["--valid", "gone.txt"], "gone.txt: no such file"),
        (["--test", "gone.txt"], "gone.txt: no such file"),
        (["--valid", "empty.txt"], "empty.txt is empty: no token in 0 lines"),
        (["--valid", "blank.txt"], "blank.txt is empty: no token in 2 lines"),
        (["--test", "empty.txt", *FITS], "empty.txt is empty"),
        (["--batch-size", "500"], "too short for one window, which takes batch_size * bptt + 1"),
        (["--config", "gone.toml"], "gone.toml: no such file"),
        (["--config", "wrong.toml"], "wrong.toml: unknown option 'hidden_sise'; did you mean hidden_size?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_is_one_line(fails, text, options, message):
    Path("empty.txt").touch()
    Path("blank.txt").write_text("\n\n")
    Path("wrong.toml").write_text("hidden_sise = 3\n")
    assert message in fails("lm", "train", text, "--out", "out", *options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "words.txt is empty"),
        ("\n\n", "words.txt is empty"),
        ("the cat\n", "3 tokens are too few to hold out a tenth"),
        (None, "no such file"),
    ],
)
def test_a_text_that_is_too_short_is_one_line(fails, content, message):
    if content is not None:
        Path("words.txt").write_text(content)
    assert message in fails("lm", "train", "words.txt", "--out", "out")


# ---- evaluate ------------------------------------------------------------------------------------------------------------------------


def test_evaluate_gives_the_score(run, word, text):
    score = evaluate_language_model(load_model(word, "language-model"), open_corpus(text)).as_dict()
    found = json.loads(run("lm", "evaluate", word, text, "--json").out)
    assert {"perplexity", "bits_per_character", "bits_per_byte", "tokens", "unknown_tokens", "tokens_per_second"} <= set(found)
    for name in set(score) - {"tokens_per_second"}:
        assert found[name] == pytest.approx(score[name], rel=1e-5)
    assert found["characters"] == len(text.read_text())
    lines = dict(line.split(maxsplit=1) for line in run("lm", "evaluate", word, text).out.splitlines())
    assert float(lines["perplexity"]) == pytest.approx(found["perplexity"], rel=1e-4)


def test_evaluate_warns_of_words_that_training_never_had(run, word):
    Path("new.txt").write_text("the zebra sat\n")
    outcome = run("lm", "evaluate", word, "new.txt", "--json")
    assert json.loads(outcome.out)["unknown_tokens"] == 1
    assert outcome.err == (
        "lexloom: warning: 1 tokens are out of vocabulary, but <unk> was never trained; train with --min-count 2 or more\n"
    )


def test_evaluate_reads_records_and_rows_side_by_side(run, word):
    Path("text.csv").write_text("id,title\n" + "1,the cat sat\n" * 9)
    Path("text.txt").write_text("the cat sat\n" * 9)
    records, lines = (
        json.loads(run("lm", "evaluate", word, *file, "--json").out) for file in (["text.csv", "--field", "title"], ["text.txt"])
    )
    assert records["loss"] == lines["loss"]
    fast = json.loads(run("lm", "evaluate", word, "text.txt", "--batch-size", 3, "--json").out)
    assert fast["tokens"] == lines["tokens"] and fast["loss"] != lines["loss"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.txt"], "gone.txt: no such file"),
        (["empty.txt"], "empty.txt is empty: no token in 0 lines"),
        (["text.txt", "--batch-size", "0"], "batch_size is 0"),
        (["text.txt", "--threads", "-1"], "threads is -1"),
    ],
    ids=str,
)
def test_what_cannot_be_evaluated_is_one_line(fails, word, arguments, message):
    Path("empty.txt").touch()
    Path("text.txt").write_text("the cat\n")
    assert message in fails("lm", "evaluate", word, *arguments)


# ---- generate and next ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "prompt"), [("word", "the cat"), ("character", "the c"), ("word", "the cat\nthe"), ("character", "")])
def test_generate_prints_the_prompt_and_its_continuation(run, trained, level, prompt):
    model = load_model(trained / level, "language-model")
    expected = prompt + "".join(write_text_from(model, prompt, length=25)) + "\n"
    outcome = run("lm", "generate", trained / level, "--prompt", prompt, "--length", 25)
    assert (outcome.status, outcome.out, outcome.err) == (0, expected, "")


def test_generate_takes_all_ways_of_drawing(run, character):
    def written(*options):
        return run("lm", "generate", character, "--prompt", "the ", "--length", 40, *options).out

    assert written("--seed", 3) == written("--seed", 3) != written("--seed", 4)
    assert written("--temperature", 0) == written("--top-k", 1) == written("--top-p", "1e-9") == written("--temperature", 0, "--seed", 9)
    assert written("--temperature", 5) != written()


def test_generate_stops_at_the_stop(run, character):
    whole = run("lm", "generate", character, "--prompt", "the ", "--length", 400).out
    cut = run("lm", "generate", character, "--prompt", "the ", "--length", 400, "--stop", "\n").out
    assert cut == whole[: whole.index("\n") + 1] + "\n"


def test_generate_reads_the_prompt_from_standard_input(run, word, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n")))
    piped = run("lm", "generate", word, "--prompt", "-", "--length", 5).out
    assert piped == run("lm", "generate", word, "--prompt", "the cat", "--length", 5).out


def test_a_prompt_that_is_no_utf_8_is_one_line(fails, word, monkeypatch):
    for command in ("generate", "next"):
        assert "the prompt is not valid UTF-8 from its character 5 on" in fails("lm", command, word, "--prompt", "the \udcff")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff the")))
    assert "the prompt is not valid UTF-8 from its character 1 on" in fails("lm", "generate", word, "--prompt", "-")


@pytest.mark.parametrize(("level", "prompt", "part"), [("word", "the zebra", "'zebra' (token 2)"), ("character", "the %", "'%' (token 5)")])
@pytest.mark.parametrize("command", ["generate", "next"])
def test_an_unknown_part_of_a_prompt_is_one_line(run, fails, trained, command, level, prompt, part):
    line = fails("lm", command, trained / level, "--prompt", prompt)
    assert f"the prompt has {part}, which is out of vocabulary; give --unknown replace" in line
    assert run("lm", command, trained / level, "--prompt", prompt, "--unknown", "replace").status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--length", "-1"], "length is -1"),
        (["--temperature", "-1"], "temperature is -1.0"),
        (["--top-k", "0"], "top_k is 0"),
        (["--top-p", "1.5"], "top_p is 1.5"),
        (["--seed", "-1"], "seed is -1"),
        (["--stop", ""], "stop is empty"),
        (["--length", "2.5"], "--length: 2.5 is not a whole number"),
    ],
    ids=str,
)
def test_what_cannot_be_generated_is_one_line(fails, word, options, message):
    assert message in fails("lm", "generate", word, "--prompt", "the", *options)


def test_next_lists_what_is_likely_to_come(run, word):
    expected = next_tokens(load_model(word, "language-model"), "the cat", 3)
    found = json.loads(run("lm", "next", word, "--prompt", "the cat", "-k", 3, "--json").out)
    assert found["prompt"] == "the cat"
    assert [token["token"] for token in found["next"]] == [token.token for token in expected]
    assert [token["probability"] for token in found["next"]] == pytest.approx([token.probability for token in expected])
    table = run("lm", "next", word, "--prompt", "the cat", "-k", 3).out.splitlines()
    assert table[0].split() == ["next", "probability"]
    assert [line.split()[0] for line in table[1:]] == [token.token for token in expected]
    assert "k is 0" in complaint(run("lm", "next", word, "--prompt", "the", "-k", 0))


# ---- damaged folders -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_folder_is_one_line(fails, word, file, damage, message):
    shutil.copytree(word, "copy")
    damage(Path("copy") / file)
    line = fails("lm", "next", "copy", "--prompt", "the")
    assert message in line and "copy" in line


def test_what_is_no_model_is_one_line(fails, vectors, text):
    Path("empty").mkdir()
    for folder, problem in (
        ("gone", "gone: no such folder"),
        (text, "not a folder"),
        ("empty", "empty: holds no model: lexloom.json is missing"),
        (vectors, "expected 'lexloom model'"),
    ):
        assert problem in fails("lm", "generate", folder, "--prompt", "the")


# ---- starting ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["lm", "--help"], ["lm", "train", "--help"], ["lm", "generate", "--help"]], ids=" ".join)
def test_help_needs_no_torch(run, arguments):
    show = f"""
import sys
from lexloom.cli import main
try:
    main({arguments})
except SystemExit:
    pass
print([name for name in ("torch", "lightning", "polars", "numba", "matplotlib", "tokenizers") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "--prompt" in done.stdout or "train" in done.stdout


def test_predicting_needs_no_lightning(word):
    show = f"""
import sys
from lexloom.cli import main
try:
    main(["lm", "next", {str(word)!r}, "--prompt", "the"])
except SystemExit:
    pass
print("lightning" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"
