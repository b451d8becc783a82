import bz2
import gzip
import io
import json
import lzma
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from lexloom.cli import main
from lexloom.models.loading import load_model
from lexloom.report.comparison import plot_arms
from lexloom.text.corpus import iterable_corpus
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

LEXLOOM = [sys.executable, "-m", "lexloom"]
SMALL = ("--embedding-dim", 8, "--threads", 1, "--accelerator", "cpu", "--learning-rate", 0.05, "--batch-size", 8)
TELLING = {"neg": ["bad", "awful", "dull"], "pos": ["good", "fine", "lovely"]}
REST = ["the", "film", "was", "a", "plot", "and", "actor"]
WORDS = [*TELLING["neg"], *TELLING["pos"], *REST]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny models are quickest on one thread, and other tests may run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("lexloom.training.run.plot_curves", lambda _records, out, **_options: Path(out).touch())


def reviews(number, seed=1):
    """Pairs of label and text."""
    draw = random.Random(seed)
    for place in range(number):
        label = ("neg", "pos")[place % 2]
        yield label, " ".join(draw.choices(REST, k=draw.randint(1, 5)) + draw.choices(TELLING[label], k=2))


def topics(number, seed=1):
    """Pairs of labels, none of which is the only one of all its documents, and text."""
    draw = random.Random(seed)
    for _ in range(number):
        chosen = draw.choice([["sea"], ["sky"], ["sea", "sky"], ["land"]])
        yield chosen, " ".join([*chosen, *draw.choices(REST, k=3)])


def tabbed(pairs):
    return "".join(f"{label}\t{text}\n" for label, text in pairs)


def csv_of(pairs):
    return "title,verdict\n" + "".join(f'"{text}",{label}\n' for label, text in pairs)


REVIEWS, TOPICS = list(reviews(60)), list(topics(80))
TEXTS = [text for _, text in REVIEWS]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A model of one label a document, one of several, and a linear one; and the text of the first."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "one.txt").write_text(tabbed(REVIEWS))
    (folder / "several.txt").write_text(tabbed((",".join(labels), text) for labels, text in TOPICS))
    linear = ("--encoder", "linear", "--threads", 1, "--embedding-dim", 8)
    for name, source, options in [
        ("one", "one.txt", SMALL),
        ("several", "several.txt", ("--separator", ",", *SMALL)),
        ("linear", "one.txt", linear),
    ]:
        with pytest.raises(SystemExit) as end:
            main([str(part) for part in ("classifier", "train", folder / source, "--out", folder / name, "--epochs", 10, *options)])
        assert not end.value.code
    return folder


@pytest.fixture
def text(models):
    return models / "one.txt"


@pytest.fixture
def one(models):
    return models / "one"


@pytest.fixture
def several(models):
    return models / "several"


def train(run, source, *options, epochs=1, out="out"):
    return run("classifier", "train", source, "--out", out, *SMALL, "--epochs", epochs, *options)


def corpus_of(folder):
    return json.loads((Path(folder) / "lexloom.json").read_text())["corpus"]


def piped(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def complaint(outcome):
    """The one line of a command that failed after it had begun to tell."""
    assert outcome.status == 2
    assert outcome.err.startswith("lexloom: error: ")
    assert outcome.err.count("\n") == 1
    return outcome.err.removeprefix("lexloom: error: ")


# ---- train ---------------------------------------------------------------------------------------------------------------------------


def test_training_reports_its_progress(run, text):
    outcome = train(run, text, epochs=2)
    lines = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    assert lines[0].startswith("54 documents to train on, ") and lines[0].endswith(" tokens; 2 labels: neg 27, pos 27")
    assert lines[1] == "vocabulary: 15 tokens"
    assert lines[2] == "validation: 6 documents, held out from each label"
    assert re.fullmatch(r"model: [\d,]+ parameters", lines[3])
    assert [line.split("  ")[0] for line in lines[4:6]] == ["epoch 1", "epoch 2"]
    records = [json.loads(line) for line in Path("out/training.jsonl").read_text().splitlines()]
    for record, line in zip(records, lines[4:6], strict=True):
        assert f"validation: loss {record['valid_loss']:.4f}  accuracy {record['valid_accuracy']:.2%}" in line
    assert lines[6].startswith("best epoch: ") and " of 2, validation loss " in lines[6]
    assert lines[7].startswith("saved a model of ") and lines[7].endswith(" in out")


def test_training_without_validation_says_so(run, text):
    outcome = train(run, text, "--held-out", 0)
    assert "no validation documents: the last epoch is kept" in outcome.out
    assert "  validation: " not in outcome.out and "best epoch" not in outcome.out


def test_training_with_validation_and_test_files(run, text):
    Path("valid.txt").write_text(tabbed(reviews(8, seed=2)))
    Path("test.txt").write_text(tabbed(reviews(5, seed=3)))
    outcome = train(run, text, "--valid", "valid.txt", "--test", "test.txt")
    score = json.loads(run("classifier", "evaluate", "out", "test.txt", "--json").out)
    assert "validation: 8 documents\n" in outcome.out
    assert f"test: documents 5, accuracy {score['accuracy']:.2%}, macro f1 {score['macro_f1']:.4g}, " in outcome.out


def written_records(pairs, kind):
    """Write pairs of a label, or a list of them, and a text as a file of records."""
    rows = [{"title": text, "verdict": label} for label, text in pairs]
    path = Path(f"data.{kind}")
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pl.DataFrame(rows).write_csv(path, separator="\t" if kind == "tsv" else ",")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_records_train_the_same_as_lines(run, text, kind):
    path = written_records(REVIEWS, kind)
    assert train(run, path, "--text-field", "title", "--label-field", "verdict").status == 0
    train(run, text, out="lines")
    assert Path("out/model.safetensors").read_bytes() == Path("lines/model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_records_may_have_a_list_of_labels(run, models, kind):
    path = written_records(TOPICS, kind)
    assert train(run, path, "--text-field", "title", "--label-field", "verdict").status == 0
    train(run, models / "several.txt", "--separator", ",", out="lines")
    assert Path("out/model.safetensors").read_bytes() == Path("lines/model.safetensors").read_bytes()


def test_marked_lines_train_the_same_as_tabbed_ones(run, text):
    Path("marked.txt").write_text("".join(f"__label__{label} {line}\n" for label, line in REVIEWS))
    assert train(run, "marked.txt").status == 0
    train(run, text, out="lines")
    assert Path("out/model.safetensors").read_bytes() == Path("lines/model.safetensors").read_bytes()


def test_a_file_named_tsv_holds_labels_and_texts_where_no_field_is_named(run, text):
    Path("data.tsv").write_bytes(text.read_bytes())
    assert train(run, "data.tsv").status == 0
    assert corpus_of("out")["labels"] == {"neg": 27, "pos": 27}


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_training_reads_compressed_files(run, text, suffix, pack):
    Path(f"data.txt.{suffix}").write_bytes(pack(text.read_bytes()))
    assert train(run, f"data.txt.{suffix}").status == 0
    assert corpus_of("out")["documents"] == 54


def test_training_reads_standard_input(run, text, monkeypatch):
    piped(monkeypatch, text.read_bytes())
    assert train(run, "-").status == 0
    assert corpus_of("out")["documents"] == 54


def test_training_reads_several_files(run, text):
    Path("more.txt").write_text("other\tsomething else\n" * 5)
    assert run("classifier", "train", text, "more.txt", "--out", "out", *SMALL, "--epochs", 1).status == 0
    assert corpus_of("out")["labels"].keys() == {"neg", "other", "pos"}


def test_a_label_may_have_spaces_and_any_letters(run):
    Path("data.txt").write_text("so so\tthe film\nÄrger 猫\tthe plot\n" * 10)
    train(run, "data.txt", epochs=5)
    Path("new.txt").write_text("film\n")
    assert run("classifier", "predict", "out", "new.txt").out in ("so so\n", "Ärger 猫\n")
    assert corpus_of("out")["labels"].keys() == {"so so", "Ärger 猫"}


def test_a_separator_parts_labels(run):
    Path("data.txt").write_text("a|b\tthe film\nb\tthe plot\n" * 10)
    train(run, "data.txt", out="whole")
    train(run, "data.txt", "--separator", "|")
    assert corpus_of("whole")["labels"].keys() == {"a|b", "b"}
    assert corpus_of("out")["labels"].keys() == {"a", "b"}


def test_blank_lines_are_skipped_and_bad_rows_are_reported(run):
    rows = "".join(f"\n{label}\t{line}\n" for label, line in REVIEWS)
    Path("data.txt").write_text(rows + "no tab here\n\tno label\n")
    outcome = train(run, "data.txt")
    reason = "data.txt:121: expected 2 tab-separated fields (label, text), found 1"
    assert outcome.err == f"lexloom: warning: 2 bad records were left out; the first: {reason}\n"
    assert corpus_of("out")["documents"] == 54


def test_broken_text_is_warned_of(run, text):
    for name in ("train", "valid"):
        Path(f"{name}.txt").write_bytes(text.read_bytes() + b"pos\tthe \xff film\n")
    outcome = train(run, "train.txt", "--valid", "valid.txt")
    problem = "61: not valid UTF-8; 1 broken places in all were replaced by U+FFFD"
    assert outcome.err.splitlines() == [f"lexloom: warning: {name}.txt:{problem}" for name in ("train", "valid")]


def test_options_come_from_a_file(run, text):
    lines = ['encoder = "rnn"', "hidden_size = 7", 'pooling = "last"', "held_out = 0.5", "bidirectional = false", "epochs = 9"]
    Path("small.toml").write_text("\n".join(lines))
    outcome = run("classifier", "train", text, "--out", "out", "--config", "small.toml", "--epochs", 1, "--threads", 1)
    assert (outcome.status, outcome.err) == (0, "")
    found = json.loads(run("info", "out", "--json").out)
    model, recurrent = found["options"]["model"], found["options"]["recurrent"]
    assert (model["encoder"], model["pooling"], model["bidirectional"], recurrent["hidden_size"]) == ("rnn", "last", False, 7)
    assert (found["corpus"]["valid_documents"], found["epochs"]) == (30, 1)


def test_training_from_vectors_reports_their_coverage_and_movement(run, text, vectors):
    outcome = train(run, text, "--vectors", vectors)
    assert "vectors: 0 of 13 words of the vocabulary, 0.0% of the text" in outcome.out
    assert "\nvectors: moved 0." in outcome.out
    assert "lexloom: warning: only " in outcome.err


def test_finished_folders_are_left_alone_resumed_or_overwritten(run, fails, text):
    train(run, text)
    weights = Path("out/model.safetensors").read_bytes()
    message = "out: holds a finished result; give --overwrite to replace it, or another --out"
    assert message in fails("classifier", "train", text, "--out", "out")
    assert train(run, text, "--resume").status == 0
    assert Path("out/model.safetensors").read_bytes() == weights
    assert "cannot resume with other options (dropout was 0.5, now 0.7)" in complaint(train(run, text, "--resume", "--dropout", 0.7))
    assert train(run, text, "--overwrite", "--seed", 2).status == 0
    assert Path("out/model.safetensors").read_bytes() != weights


@pytest.mark.parametrize("encoder", ["cnn", "rnn", "linear"])
def test_every_encoder_trains(run, text, encoder):
    some = SMALL[:4] if encoder == "linear" else SMALL
    outcome = run("classifier", "train", text, "--out", "out", *some, "--encoder", encoder, "--epochs", 2)
    assert (outcome.status, outcome.err) == (0, "")
    assert set(run("classifier", "predict", "out", text).out.split()) <= {"neg", "pos"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "transformer"], 'Invalid value "transformer" for --encoder'),
        (["--encoder", "cnn", "--pooling", "mean"], "pooling is 'mean', which the cnn encoder does not have: expected one of max"),
        (["--encoder", "linear", "--vectors", "vec.txt", "--freeze"], "freeze is True, which the linear encoder does not have"),
        (["--encoder", "linear", "--dropout", "0.1"], "dropout is 0.1, which the linear encoder does not have"),
        (["--dropout", "1"], "dropout is 1.0: expected a share"),
        (["--threshold", "-0.1"], "threshold is -0.1: expected a share"),
        (["--label-smoothing", "1"], "label_smoothing is 1.0: expected a share"),
        (["--held-out", "1"], "held_out is 1.0: expected a share"),
        (["--max-tokens", "0"], "max_tokens is 0: expected a whole number of at least 1"),
        (["--widths", "0", "2"], "widths is 0: expected a whole number of at least 1"),
        (["--filters", "-1"], "filters is -1"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--batch-tokens", "0"], "batch_tokens is 0"),
        (["--hidden-size", "1.5"], "--hidden-size: 1.5 is not a whole number"),
        (["--class-weights", "heavy"], 'Invalid value "heavy" for --class-weights'),
        (["--best-by", "f1"], 'Invalid value "f1" for --best-by'),
        (["--learning-rate", "-1"], "learning_rate is -1.0"),
        (["--epochs", "0"], "epochs is 0"),
        (["--threads", "0"], "threads is 0"),
        (["--freeze"], "freeze is set but there is nothing to freeze"),
        (["--vectors", "gone.vec"], "gone.vec: no such file"),
        (["--valid", "gone.txt"], "gone.txt: no such file"),
        (["--test", "gone.txt"], "gone.txt: no such file"),
        (["--separator", ""], "separator is empty: give what separates two labels, or leave it out"),
        (["--text-field", "title"], "text_field is given and label_field is not: records need both"),
        (["--label-field", "verdict"], "label_field is given and text_field is not: records need both"),
        (["--resume", "--overwrite"], "resume and overwrite are both set"),
        (["--config", "gone.toml"], "gone.toml: no such file"),
        (["--config", "wrong.toml"], "wrong.toml: unknown option 'encodr'; did you mean encoder?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_is_one_line(fails, text, options, message):
    Path("wrong.toml").write_text('encodr = "cnn"\n')
    assert message in fails("classifier", "train", text, "--out", "out", *options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.txt: no token in 0 documents"),
        (b"\n\n \n", "data.txt: no token in 0 documents"),
        (b"pos\tgood\n" * 5, "data.txt: all 5 documents have a single label, 'pos'; a classifier needs at least two different ones"),
        (b"good\nbad\n", "data.txt:1: expected 2 tab-separated fields (label, text), found 1"),
        (b"__label__a one\n__label__a two\n", "all 2 documents have a single label, 'a'"),
        (None, "data.txt: no such file"),
    ],
    ids=str,
)
def test_documents_that_cannot_be_used_are_one_line(fails, content, message):
    if content is not None:
        Path("data.txt").write_bytes(content)
    assert message in fails("classifier", "train", "data.txt", "--out", "out")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("fields", [("titel", "verdict"), ("title", "verdikt")])
def test_a_field_that_is_not_there_is_one_line(fails, kind, fields):
    path = written_records(REVIEWS, kind)
    line = fails("classifier", "train", path, "--out", "out", "--text-field", fields[0], "--label-field", fields[1])
    wrong = next(name for name in fields if name not in ("title", "verdict"))
    assert str(path) in line and wrong in line and "title" in line


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_records_without_fields_are_one_line(fails, kind):
    path = written_records(REVIEWS, kind)
    message = f"data.{kind}: holds records; say with --text-field and --label-field which fields to read"
    assert message in fails("classifier", "train", path, "--out", "out")


def test_several_labels_where_one_is_allowed_are_one_line(fails, models):
    line = fails("classifier", "train", models / "several.txt", "--out", "out", "--separator", ",", "--no-multi-label")
    assert "has several labels (sea, sky); give --multi-label, or one label per document" in line


# ---- predict -------------------------------------------------------------------------------------------------------------------------


def answers(folder, texts, several=False):
    """Probabilities and labels, from Python."""
    model = load_model(folder)
    found = np.concatenate(list(model.predict_blocks(iterable_corpus(texts).blocks())))
    names = np.array(model.labels.names)
    return found, ["\t".join(names[row >= model.thresholds]) if several else names[row.argmax()] for row in found]


ODD = ["good film", "", "unheard of", "bad bad", "   ", "the"]


@pytest.mark.parametrize("kind", ["one", "linear"])
@pytest.mark.parametrize("source", ["file", "-", "none"])
def test_predict_answers_every_line_in_order(run, models, monkeypatch, kind, source):
    data = "\n".join(ODD) + "\n"
    Path("new.txt").write_text(data)
    piped(monkeypatch, data.encode())
    outcome = run("classifier", "predict", models / kind, *{"file": ["new.txt"], "-": ["-"], "none": []}[source])
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.split("\n") == [*answers(models / kind, ODD)[1], ""]
    assert (outcome.out.split("\n")[0], outcome.out.split("\n")[3]) == ("pos", "neg")


def test_predict_gives_no_line_for_no_line(run, one):
    Path("empty.txt").touch()
    outcome = run("classifier", "predict", one, "empty.txt")
    assert (outcome.status, outcome.out) == (0, "")


def test_predict_counts_a_last_line_without_an_end_and_one_of_windows(run, one):
    Path("new.txt").write_bytes(b"good\r\n\r\nbad")
    assert len(run("classifier", "predict", one, "new.txt").out.splitlines()) == 3


def test_predict_prints_probabilities_the_likeliest_first(run, one):
    Path("new.txt").write_text("\n".join(ODD) + "\n")
    expected, best = answers(one, ODD)
    lines = run("classifier", "predict", one, "new.txt", "--probabilities").out.splitlines()
    assert len(lines) == len(ODD)
    for line, row, label in zip(lines, expected, best, strict=True):
        fields = line.split("\t")
        values = [float(value) for value in fields[1::2]]
        assert fields[0] == label and set(fields[::2]) == {"neg", "pos"}
        assert values == sorted(values, reverse=True) and sum(values) == pytest.approx(1, abs=1e-5)
        assert values == pytest.approx(sorted(row.tolist(), reverse=True), abs=1e-6)


def test_predict_prints_so_many_labels_a_line(run, several):
    Path("new.txt").write_text("sea sky\nland\n")
    for number, fields in ((1, 2), (2, 4), (9, 6)):
        lines = run("classifier", "predict", several, "new.txt", "--probabilities", "-k", number).out.splitlines()
        assert [len(line.split("\t")) for line in lines] == [fields, fields]


def test_predict_prints_json(run, one):
    Path("new.txt").write_text("\n".join(ODD) + "\n")
    expected, best = answers(one, ODD)
    found = [json.loads(line) for line in run("classifier", "predict", one, "new.txt", "--json").out.splitlines()]
    assert [document["labels"] for document in found] == [[label] for label in best]
    for document, row in zip(found, expected, strict=True):
        assert document["probabilities"] == pytest.approx({"neg": float(row[0]), "pos": float(row[1])}, abs=1e-6)
    cut = [json.loads(line) for line in run("classifier", "predict", one, "new.txt", "--json", "-k", 1).out.splitlines()]
    assert [list(document["probabilities"]) for document in cut] == [[label] for label in best]


def test_predict_parts_several_labels_by_tabs(run, several):
    texts = ["sea the film", "sea sky", "", "sky sky", "land"]
    Path("new.txt").write_text("\n".join(texts) + "\n")
    lines = run("classifier", "predict", several, "new.txt").out.split("\n")
    assert lines == [*answers(several, texts, several=True)[1], ""]
    assert (lines[1], lines[4]) == ("sea\tsky", "land")
    found = [json.loads(line)["labels"] for line in run("classifier", "predict", several, "new.txt", "--json").out.splitlines()]
    assert [set(labels) for labels in found] == [set(line.split("\t")) - {""} for line in lines[:-1]]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_predict_reads_records(run, one, kind):
    path = written_records(REVIEWS, kind)
    assert run("classifier", "predict", one, path, "--text-field", "title").out.splitlines() == answers(one, TEXTS)[1]


def test_predict_warns_of_what_it_could_not_read(run, one):
    Path("new.txt").write_bytes(b"good \xff\n\xfe\n")
    outcome = run("classifier", "predict", one, "new.txt")
    assert len(outcome.out.splitlines()) == 2
    assert outcome.err == "lexloom: warning: new.txt:1: not valid UTF-8; 2 broken places in all were replaced by U+FFFD\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.txt"], "gone.txt: no such file"),
        (["data.csv"], "data.csv"),
        (["data.csv", "--text-field", "titel"], "titel"),
        (["data.csv", "--text-field", "title", "--threads", "0"], "threads is 0"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_predicted_is_one_line(fails, one, arguments, message):
    written_records(REVIEWS, "csv")
    assert message in fails("classifier", "predict", one, *arguments)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_the_linear_encoder_takes_no_accelerator_but_the_cpu(run, fails, models, text, command):
    assert "accelerator is gpu, but the linear encoder works on the CPU; leave it out" in fails(
        "classifier", command, models / "linear", text, "--accelerator", "gpu"
    )
    assert run("classifier", command, models / "linear", text, "--accelerator", "auto").status == 0


# ---- evaluate ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one", "linear"])
def test_evaluate_gives_the_score(run, models, kind):
    pairs = list(reviews(31, seed=5))
    Path("new.txt").write_text(tabbed(pairs))
    score = json.loads(run("classifier", "evaluate", models / kind, "new.txt", "--json").out)
    assert {"accuracy", "macro_f1", "micro_f1", "per_class", "confusion", "calibration_error", "unseen_labels"} <= set(score)
    _, best = answers(models / kind, [text for _, text in pairs])
    assert score["documents"] == 31
    assert score["accuracy"] == pytest.approx(np.mean([label == found for (label, _), found in zip(pairs, best, strict=True)]))
    assert {name: label["support"] for name, label in score["per_class"].items()} == {"neg": 16, "pos": 15}


def test_evaluate_shows_a_table_and_the_mistakes(run, one):
    Path("new.txt").write_text("neg\tgood lovely film\npos\tgood\nneg\tbad\n")
    lines = run("classifier", "evaluate", one, "new.txt").out.splitlines()
    assert lines[0].startswith("3 documents  accuracy 0.6667  macro F1 ")
    assert lines[1].split() == ["label", "precision", "recall", "F1", "documents"]
    assert [line.split()[0] for line in lines[2:4]] == ["neg", "pos"]
    assert lines[4] == "most confident mistakes:"
    assert lines[6].split()[0] == "1" and lines[6].split()[2:] == ["neg", "pos", "good", "lovely", "film"]
    assert len(run("classifier", "evaluate", one, "new.txt", "--mistakes", 0).out.splitlines()) == 4


def test_labels_that_do_not_occur_in_training_are_reported_and_count_as_errors(run, one):
    Path("new.txt").write_text("new\tgood\nnewer\tbad\nnew\tthe\npos\tgood\n")
    outcome = run("classifier", "evaluate", one, "new.txt", "--json")
    score = json.loads(outcome.out)
    message = "labels that do not occur in training count as errors (number of documents): 'new' (2), 'newer' (1)"
    assert outcome.err == f"lexloom: warning: {message}\n"
    assert (score["accuracy"], score["unseen_labels"]) == (0.25, {"new": 2, "newer": 1})


def test_evaluate_judges_several_labels(run, several):
    Path("new.txt").write_text("sea,sky\tsea sky\nland\tland\n")
    score = json.loads(run("classifier", "evaluate", several, "new.txt", "--separator", ",", "--json").out)
    assert (score["accuracy"], score["confusion"]) == (1.0, None)
    assert "2 documents  accuracy 1.0000" in run("classifier", "evaluate", several, "new.txt", "--separator", ",").out


def test_evaluate_reads_records_and_warns_of_bad_ones(run, one):
    Path("new.jsonl").write_text('{"title": "good", "verdict": "pos"}\n{"title": 3, "verdict": "pos"}\n{"title": "bad", "verdict": null}\n')
    outcome = run("classifier", "evaluate", one, "new.jsonl", "--text-field", "title", "--label-field", "verdict", "--json")
    assert json.loads(outcome.out)["documents"] == 1
    assert outcome.err.startswith("lexloom: warning: 2 bad records were left out; the first: new.jsonl:2: field 'title' is int")


def test_evaluate_draws_a_picture(run, one, text):
    outcome = run("classifier", "evaluate", one, text, "--picture", "confusion.png")
    assert (outcome.status, outcome.err) == (0, "")
    assert Path("confusion.png").read_bytes()[:4] == b"\x89PNG"


def test_there_is_no_picture_of_several_labels(fails, several):
    Path("new.txt").write_text("sea\tsea\n")
    line = fails("classifier", "evaluate", several, "new.txt", "--picture", "confusion.png")
    assert "there is no confusion matrix to draw" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "new.txt: no document with a label"), ("good\n", "new.txt:1: expected 2 tab-separated fields"), (None, "new.txt: no such file")],
)
def test_what_cannot_be_evaluated_is_one_line(fails, one, content, message):
    if content is not None:
        Path("new.txt").write_text(content)
    assert message in fails("classifier", "evaluate", one, "new.txt")


@pytest.mark.parametrize("content", ["", "good\n", None])
@pytest.mark.parametrize("option", ["--test", "--valid"])
@pytest.mark.parametrize("encoder", ["average", "linear"])
def test_documents_to_judge_on_are_looked_at_before_a_training(run, text, encoder, option, content):
    if content is not None:
        Path("new.txt").write_text(content)
    outcome = run("classifier", "train", text, "--out", "out", "--encoder", encoder, "--threads", 1, option, "new.txt")
    assert complaint(outcome).startswith("new.txt: no " + ("such file" if content is None else "document with a label"))
    assert outcome.out == "" and list(Path("out").iterdir()) == []


@pytest.mark.parametrize(
    ("encoder", "options", "message"),
    [
        ("average", ["--filters", 5], "filters is 5, which only the cnn encoder has"),
        ("cnn", ["--hidden-size", 5], "hidden_size is 5, which only the rnn encoder has"),
        ("linear", ["--cell", "gru"], "cell is 'gru', which only the rnn encoder has"),
        ("rnn", ["--word-ngrams", 3], "word_ngrams is 3, which only the linear encoder has"),
        ("average", ["--min-count", 1000], "no token occurs 1000 times; give a lower min_count"),
    ],
)
def test_options_that_would_change_nothing_are_refused(run, text, encoder, options, message):
    assert message in complaint(run("classifier", "train", text, "--out", "out", "--encoder", encoder, "--threads", 1, *options))


def test_a_comparison_takes_the_options_of_any_of_its_encoders(fails, text, vectors):
    command = ("classifier", "compare", text, "--out", "out", "--vectors", vectors, "--encoders", "average", "linear")
    assert "filters is 5, which only the cnn encoder has" in fails(*command, "--filters", 5)
    assert "seeds is 0" in fails(*command, "--word-ngrams", 3, "--seeds", 0)


def test_a_comparison_refuses_an_encoder_that_it_does_not_train(fails, text, vectors):
    command = ("classifier", "compare", text, "--out", "out", "--vectors", vectors, "--encoders", "average", "linear")
    assert "encoder is 'cnn', but the comparison is of average, linear; leave out --encoder" in fails(*command, "--encoder", "cnn")


def test_labels_of_validation_documents_that_training_never_saw_are_named(run, text):
    Path("valid.txt").write_text("new\tgood\npos\tgood\nnew\tbad\n")
    outcome = train(run, text, "--valid", "valid.txt")
    assert (
        "lexloom: warning: valid.txt: labels that do not occur in training count as errors (number of documents): 'new' (2)" in outcome.err
    )


def test_of_many_fields_some_are_named(fails, one):
    Path("wide.csv").write_text(",".join(f"field{number}{'x' * 100}" for number in range(50)) + "\n")
    line = fails("classifier", "predict", one, "wide.csv")
    assert "--text-field" in line and line.count("field") < 30 and line.endswith("...)\n") and len(line) < 1200


@pytest.mark.parametrize("source", ["input", "valid"])
def test_standard_input_is_refused_in_several_processes(fails, text, source):
    files = {"input": ["-"], "valid": [text, "--valid", "-"]}[source]
    line = fails("classifier", "train", *files, "--out", "out", "--devices", 2, "--accelerator", "cpu")
    assert "standard input can be read only once, but 2 processes read it; give a file" in line


@pytest.mark.parametrize("encoder", ["average", "linear"])
def test_with_several_labels_a_document_may_have_none(run, encoder):
    words = {"sea": "wave", "sky": "cloud"}
    rows = [([label] if place % 3 else [], words[label] if place % 3 else "stone") for place in range(90) for label in words]
    Path("data.jsonl").write_text("".join(json.dumps({"text": text, "label": labels}) + "\n" for labels, text in rows))
    fields = ("--text-field", "text", "--label-field", "label")
    small = ("--encoder", encoder, "--epochs", 20, "--threads", 1, "--embedding-dim", 8, "--multi-label", "--threshold", 0.5)
    rate = ("--learning-rate", 0.05) if encoder == "average" else ()
    outcome = run("classifier", "train", "data.jsonl", *fields, *small, *rate, "--out", "out", "--test", "data.jsonl")
    assert (outcome.status, outcome.err) == (0, "")
    assert json.loads(run("classifier", "evaluate", "out", "data.jsonl", *fields, "--json").out)["accuracy"] == 1.0
    Path("new.txt").write_text("stone\nwave\n")
    assert run("classifier", "predict", "out", "new.txt").out == "\nsea\n"


def test_a_record_that_cannot_be_read_has_a_line_too(run, one):
    Path("new.jsonl").write_text('{"title": "good"}\n{"title": 3}\nnothing\n{"title": "bad"}\n')
    outcome = run("classifier", "predict", one, "new.jsonl", "--text-field", "title")
    assert [outcome.out.splitlines()[line] for line in (0, 3)] == ["pos", "neg"] and len(outcome.out.splitlines()) == 4
    assert outcome.err.startswith("lexloom: warning: 2 bad records were read as empty texts; the first: new.jsonl:2: field 'title' is int")


def test_a_number_of_labels_that_are_not_printed_is_refused(fails, one):
    Path("new.txt").write_text("good\n")
    assert "k is 2, but only the labels are printed" in fails("classifier", "predict", one, "new.txt", "-k", 2)


# ---- explain -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one", "linear"])
def test_explain_shows_the_words_for_and_against(run, models, kind):
    outcome = run("classifier", "explain", models / kind, "good film bad lovely good", "--label", "pos")
    found = load_model(models / kind).explain("good film bad lovely good", "pos")
    lines = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    assert lines[0] == f"pos: {found.probability:.4f}"
    assert lines[1] == "words for it" and lines[3].split()[0] in ("good", "lovely")
    against = lines[lines.index("words against it") + 2 :]
    assert against[0].split()[0] == "bad"


def test_explain_prints_json_of_the_likeliest_label(run, one):
    found = json.loads(run("classifier", "explain", one, "bad film", "--json").out)
    assert (found["label"], found["tokens"]) == ("neg", ["bad", "film"])
    assert len(found["scores"]) == 2 and found["scores"][0] > abs(found["scores"][1])


def test_explain_reads_standard_input(run, one, monkeypatch):
    piped(monkeypatch, b"bad film\n")
    assert json.loads(run("classifier", "explain", one, "-", "--json").out)["tokens"] == ["bad", "film"]


def test_explain_writes_a_page(run, one):
    run("classifier", "explain", one, "bad <b>film</b> & plot", "--html", "page.html")
    page = Path("page.html").read_text()
    assert ">bad</span>" in page and "<b>" not in page and "&amp;" in page


@pytest.mark.parametrize("kind", ["one", "linear"])
@pytest.mark.parametrize("document", ["", " ", "unheard"])
def test_explain_says_if_no_word_counts(run, models, kind, document):
    outcome = run("classifier", "explain", models / kind, document)
    assert (outcome.status, outcome.err) == (0, "")
    assert document == "unheard" or "no word of the text counts" in outcome.out


@pytest.mark.parametrize(("label", "rest"), [("poz", "did you mean 'pos'?"), ("?", "expected one of neg, pos")])
@pytest.mark.parametrize("kind", ["one", "linear"])
def test_an_unknown_label_is_one_line(fails, models, kind, label, rest):
    line = fails("classifier", "explain", models / kind, "good", "--label", label)
    assert f"label {label!r} is unknown to the classifier; {rest}" in line


# ---- info, export and other folders --------------------------------------------------------------------------------------------------


def test_info_says_what_a_model_is(run, one):
    found = json.loads(run("info", one, "--json").out)
    assert (found["kind"], found["vocabulary"], found["options"]["labels"]["names"]) == ("classifier", 15, ["neg", "pos"])
    assert re.search(r"^kind +classifier$", run("info", one).out, re.MULTILINE)


def test_info_says_what_a_linear_model_is_without_torch(models):
    found = loaded(["info", models / "linear", "--json"], ("torch", "lightning"))
    assert json.loads(found.stdout)["kind"] == "linear-classifier"
    assert found.stderr == "[]\n"


def test_info_says_what_an_unfinished_run_is(run, fails, text):
    train(run, text, epochs=2)
    Path("out/lexloom.json").unlink()
    found = json.loads(run("info", "out", "--json").out)
    assert (found["kind"], found["epochs_done"], found["options"]["model"]["encoder"]) == ("unfinished run", 2, "average")
    assert "out: holds an unfinished" in fails("classifier", "predict", "out", text)


@pytest.mark.parametrize("kind", ["one", "several"])
def test_export_writes_onnx_that_can_check_itself(run, models, kind):
    outcome = run("classifier", "export", models / kind, "--to", "onnx", "--out", "onnx")
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split(":")[0] for line in outcome.out.splitlines()[:2]] == ["onnx/model.onnx", "onnx/model.int8.onnx"]
    assert "100.0% of 64 examples" in outcome.out.splitlines()[0]
    assert outcome.out.splitlines()[2].endswith("python onnx/check.py")
    done = subprocess.run([sys.executable, "onnx/check.py"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("model.onnx: probabilities differ by at most ")


def test_the_linear_encoder_is_not_exported(fails, models):
    assert "the linear encoder cannot be exported" in fails("classifier", "export", models / "linear", "--to", "onnx", "--out", "onnx")


def test_a_format_that_is_not_written_is_one_line(fails, one):
    assert 'Invalid value "tflite" for --to' in fails("classifier", "export", one, "--to", "tflite")


@pytest.fixture(scope="session")
def language_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text("the cat sat on the mat\n" * 20)
    small = ("--hidden-size", 4, "--batch-size", 2, "--bptt", 5, "--epochs", 1, "--threads", 1, "--accelerator", "cpu")
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in ("lm", "train", folder / "text.txt", "--out", folder / "lm", *small)])
    assert not end.value.code
    return folder / "lm"


COMMANDS = {
    "predict": ["new.txt"],
    "evaluate": ["new.txt"],
    "explain": ["good"],
    "export": ["--to", "onnx"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_something_else_is_one_line(fails, command, language_model, vectors):
    Path("new.txt").write_text("pos\tgood\n")
    Path("empty").mkdir()
    for folder in (language_model, vectors, "empty", "gone", "new.txt"):
        assert Path(folder).name in fails("classifier", command, folder, *COMMANDS[command])


def test_a_language_model_is_named_as_what_it_is(fails, language_model):
    assert "holds a language-model, expected a classifier" in fails("classifier", "explain", language_model, "good")


def change_byte(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["one", "several", "linear"])
@pytest.mark.parametrize("damage", [change_byte, Path.unlink, lambda path: path.write_bytes(b"")], ids=["changed", "gone", "empty"])
@pytest.mark.parametrize("file", ["model.safetensors", "vocabulary.json", "tokenizer.json"])
def test_a_damaged_folder_is_one_line(fails, models, kind, file, damage):
    Path("copy").mkdir()
    for path in (models / kind).iterdir():
        Path("copy", path.name).write_bytes(path.read_bytes())
    damage(Path("copy") / file)
    assert f"copy/{file}" in fails("info", "copy")


# ---- compare -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def compare(run, text, monkeypatch):
    """Compares what vectors are worth, to the linear encoder unless told otherwise, with small options."""
    write_folder(Vectors(WORDS, np.random.default_rng(1).normal(size=(len(WORDS), 8)).astype(np.float32)), "vectors")
    Path("test.txt").write_text(tabbed(reviews(20, seed=2)))
    monkeypatch.setattr("lexloom.cli.answers.plot_arms", lambda _accuracies, out, **_options: Path(out).touch())

    def call(*options, source=text, vectors="vectors", encoder="linear"):
        small = ("--encoders", encoder, "--epochs", 3, "--threads", 1, "--embedding-dim", 8)
        return run("classifier", "compare", source, "--test", "test.txt", "--vectors", vectors, "--out", "out", *small, *options)

    return call


def comparison():
    return json.loads(Path("out/comparison.json").read_text())


def test_compare_reports_each_run_and_each_difference(compare, monkeypatch):
    monkeypatch.setattr("lexloom.cli.answers.plot_arms", plot_arms)
    outcome = compare("--seeds", 3, "--seed", 5)
    assert (outcome.status, outcome.err) == (0, "")
    lines, found = outcome.out.splitlines(), comparison()
    for line, one in zip(lines[:6], found["trials"], strict=True):
        assert line.startswith(f"linear, {one['arm']}, seed {one['seed']}: accuracy {one['score']:.4f}  ")
    assert [(one["arm"], one["seed"]) for one in found["trials"]] == [(arm, seed) for arm in ("random", "fine-tuned") for seed in (5, 6, 7)]
    assert lines[6].split() == ["model", "rows", "accuracy", "spread", "lowest", "highest", "seeds"]
    for line, arm in zip(lines[7:9], ("random", "fine-tuned"), strict=True):
        values = [one["score"] for one in found["trials"] if one["arm"] == arm]
        numbers = [np.mean(values), np.std(values, ddof=1), min(values), max(values)]
        assert line.split() == ["linear", arm, *(f"{number:.4f}" for number in numbers), "3"]
    (difference,) = found["differences"]
    verdict = "larger than" if difference["larger"] else "not larger than"
    said = f"{difference['mean']:+.4f}, {verdict} its spread, {difference['spread']:.4f}"
    assert lines[9:] == [f"linear: fine-tuned minus random is {said}", "wrote out/comparison.json and out/comparison.png"]
    assert Path("out/comparison.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("seeds", [1, 2])
def test_compare_with_few_seeds_reports_no_difference(compare, seeds):
    outcome = compare("--seeds", seeds)
    assert (outcome.status, " minus " in outcome.out) == (0, False)
    assert "with fewer than 3 seeds differences cannot be compared with their spread" in outcome.out
    assert Path("out/comparison.png").exists()


def test_compare_leaves_a_folder_with_other_files_alone(compare):
    Path("out").mkdir()
    Path("out/letter.txt").write_text("dear")
    assert "out: holds other files (letter.txt); give an empty or new --out" in complaint(compare("--seeds", 1))


def test_a_comparison_is_left_alone_resumed_or_replaced(compare):
    compare("--seeds", 1)
    assert "out: holds a comparison; give --resume to continue it" in complaint(compare("--seeds", 2))
    outcome = compare("--seeds", 2, "--resume")
    told = [line.split(":")[0] for line in outcome.out.splitlines() if ", seed " in line]
    assert told == ["linear, random, seed 2", "linear, fine-tuned, seed 2"]
    assert len(comparison()["trials"]) == 4
    assert "cannot resume with other options" in complaint(compare("--seeds", 2, "--resume", "--word-ngrams", 1))
    assert compare("--seeds", 1, "--overwrite").status == 0
    assert len(comparison()["trials"]) == 2


def test_compare_warns_once_of_what_it_could_not_read(compare):
    Path("train.txt").write_text(tabbed(REVIEWS) + "no tab here\n")
    Path("test.txt").write_text(tabbed(reviews(20, seed=2)) + "none here\n")
    outcome = compare("--seeds", 2, source="train.txt")
    bad = "lexloom: warning: 1 bad record was left out; the first: {}: expected 2 tab-separated fields (label, text), found 1"
    assert outcome.err.splitlines() == [bad.format("train.txt:61"), bad.format("test.txt:21")]


def test_compare_warns_once_of_vectors_that_hardly_know_the_text(compare, vectors):
    outcome = compare("--seeds", 1, "--accelerator", "cpu", vectors=vectors, encoder="average")
    assert outcome.status == 0
    assert outcome.err.startswith("lexloom: warning: only 0.0% of the tokens of the text have a vector")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "vectors is missing: a comparison needs vectors; give --vectors"),
        (["--vectors", "gone.vec"], "gone.vec: no such file"),
        (["--vectors", "vec.txt", "--freeze"], "freeze is set, but one arm of a comparison freezes the vectors anyway"),
        (["--vectors", "vec.txt", "--held-out", "0"], "there is nothing to compare on"),
        (["--vectors", "vec.txt", "--seeds", "0"], "seeds is 0"),
        (["--vectors", "vec.txt", "--devices", "2"], "a comparison trains in one process"),
        (["--vectors", "vec.txt", "--resume", "--overwrite"], "resume and overwrite are both set"),
        (["--vectors", "vec.txt", "--encoders", "transformer"], 'Invalid value "transformer" for --encoders'),
        (["--vectors", "vec.txt", "--encoders", "average", "linear", "--dropout", "0.1"], "dropout is 0.1, which the linear encoder"),
        (["--vectors", "vec.txt", "--test", "gone.txt"], "gone.txt: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_comparison_is_one_line(fails, text, options, message):
    Path("vec.txt").write_text("good 1 2\nbad 3 4\n")
    assert message in fails("classifier", "compare", text, "--out", "out", *options)


# ---- starting ------------------------------------------------------------------------------------------------------------------------

LOADED = """
import sys
from lexloom.cli import main
try:
    main({arguments})
except SystemExit:
    pass
print([name for name in {names} if name in sys.modules], file=sys.stderr)
"""


def loaded(arguments, names):
    script = LOADED.format(arguments=[str(part) for part in arguments], names=names)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["evaluate"], ["compare"], ["export"]], ids=" ".join)
def test_help_needs_no_torch(command):
    done = loaded(["classifier", *command, "--help"], ("torch", "lightning", "polars", "numba", "matplotlib", "tokenizers", "sklearn"))
    assert done.stderr == "[]\n"
    assert "lexloom classifier" in done.stdout


def test_predicting_needs_no_lightning(one, text):
    assert loaded(["classifier", "predict", one, text], ("lightning",)).stderr == "[]\n"


def test_a_linear_model_needs_no_torch(models, text):
    assert loaded(["classifier", "predict", models / "linear", text], ("torch", "lightning")).stderr == "[]\n"


def test_a_reader_that_leaves_early_is_no_error(one, tmp_path):
    (tmp_path / "long.txt").write_text("good film\n" * 200_000)
    script = f"{sys.executable} -m lexloom classifier predict {one} {tmp_path / 'long.txt'} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("pos\n", "", 0)


def test_an_interrupted_run_says_how_to_resume_it(run, tmp_path):
    (tmp_path / "long.txt").write_text(tabbed(reviews(2000)))

    def command(out):
        return [str(part) for part in ("classifier", "train", tmp_path / "long.txt", "--out", out, *SMALL, "--epochs", 6)]

    process = subprocess.Popen([*LEXLOOM, *command("out"), "--checkpoint-seconds", "0"], stdout=-1, stderr=-1, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 2"):
                break
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told.startswith("lexloom: error: interrupted in epoch ")
    assert told.endswith(": its checkpoint is kept; the same command with --resume continues\n")
    resumed = run(*command("out"), "--resume").out
    assert "epoch 1 " not in resumed
    assert "epoch 6 " in resumed
    run(*command("whole"))
    assert Path("out/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
