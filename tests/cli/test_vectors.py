import io
import json
import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from lexloom import load_vectors


def train(run, corpus, *options: object):
    small = ("--dim", 8, "--epochs", 2, "--threads", 1)
    return run("vectors", "train", corpus, *(small if "--dim" not in options else small[2:]), *options)


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


# ---- train -----------------------------------------------------------------------------------------------------------------------------


def test_training_tells_every_epoch_and_what_it_saved(run, corpus):
    outcome = train(run, corpus, "--out", "out")
    lines = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    assert lines[0].startswith("encoded 3,")
    assert [line.split("  ")[0] for line in lines[1:3]] == ["epoch 1", "epoch 2"]
    assert lines[3] == f"saved {len(load_vectors('out')):,} vectors of 8 dimensions in out"
    losses = [json.loads(line)["loss"] for line in Path("out/training.jsonl").read_text().splitlines()]
    assert [f"loss {loss:.4f}" in line for loss, line in zip(losses, lines[1:3], strict=True)] == [True, True]


def test_training_reads_standard_input(run, corpus, monkeypatch):
    stdin(monkeypatch, corpus.read_text())
    train(run, "-", "--out", "piped")
    train(run, corpus, "--out", "named")
    assert np.array_equal(load_vectors("piped").matrix, load_vectors("named").matrix)


def test_training_reads_several_files(run, corpus):
    shutil.copy(corpus, "a.txt")
    shutil.copy(corpus, "b.txt")
    assert run("vectors", "train", "a.txt", "b.txt", "--out", "out", "--dim", 8, "--epochs", 1).status == 0
    assert load_vectors("out").metadata["corpus"]["documents"] == 600


def test_training_warns_where_nothing_can_be_trained(run):
    Path("lonely.txt").write_text("a\n" * 9)
    outcome = train(run, "lonely.txt", "--out", "out")
    assert outcome.status == 0
    assert "loss none" in outcome.out
    assert outcome.err.startswith("lexloom: warning: nothing to train on")


def test_training_warns_of_broken_text(run):
    Path("broken.txt").write_bytes(b"a word a word a word\n" * 9 + b"a \xff word\n")
    outcome = train(run, "broken.txt", "--out", "out", "--sample", 0)
    assert outcome.status == 0
    assert outcome.err == "lexloom: warning: broken.txt:10: not valid UTF-8; 1 broken places in all were replaced by U+FFFD\n"


def test_a_finished_folder_is_not_overwritten_unless_asked(run, fails, corpus):
    train(run, corpus, "--out", "out")
    assert "give --overwrite" in fails("vectors", "train", corpus, "--out", "out")
    assert train(run, corpus, "--out", "out", "--dim", 4, "--overwrite").status == 0
    assert load_vectors("out").dim == 4


def test_resume_leaves_a_finished_result_as_it_is(run, corpus):
    train(run, corpus, "--out", "out")
    before = Path("out/model.safetensors").read_bytes()
    assert train(run, corpus, "--out", "out", "--resume").status == 0
    assert Path("out/model.safetensors").read_bytes() == before


def test_resume_with_other_options_is_refused(run, fails, corpus):
    train(run, corpus, "--out", "out")
    line = fails("vectors", "train", corpus, "--out", "out", "--resume", "--epochs", 2, "--dim", 9)
    assert "cannot resume with other options (dim was 8, now 9)" in line


def test_an_empty_corpus_is_one_line(fails):
    Path("empty.txt").touch()
    assert "empty.txt is empty" in fails("vectors", "train", "empty.txt", "--out", "out")


def test_a_missing_corpus_is_one_line(fails):
    assert "none.txt: no such file" in fails("vectors", "train", "none.txt", "--out", "out")


def test_a_glob_without_a_match_is_one_line(fails):
    assert "*.txt: no file matches" in fails("vectors", "train", "*.txt", "--out", "out")


def test_records_need_a_field(run, fails):
    Path("shop.csv").write_text("id,title\n" + "1,a red shoe\n" * 9)
    assert "--text-field (fields: id, title)" in fails("vectors", "train", "shop.csv", "--out", "out")
    assert train(run, "shop.csv", "--out", "vectors", "--field", "title").status == 0
    assert "shoe" in load_vectors("vectors")


def test_a_file_cannot_be_the_output_folder(fails, corpus):
    assert "cannot be the output folder" in fails("vectors", "train", corpus, "--out", corpus)


# ---- questions -------------------------------------------------------------------------------------------------------------------------


def test_neighbors_are_tables_or_json(run, vectors):
    found = json.loads(run("vectors", "neighbors", vectors, "king", "apple", "-k", 3, "--json").out)
    assert [entry["word"] for entry in found] == ["king", "apple"]
    assert [len(entry["neighbors"]) for entry in found] == [3, 3]
    table = run("vectors", "neighbors", vectors, "king", "apple", "-k", 3).out.splitlines()
    assert table[0].split() == ["king", "cosine"]
    first = found[0]["neighbors"][0]
    assert table[1].split() == [first["token"], f"{first['score']:.4f}"]


def test_neighbors_of_words_from_standard_input(run, vectors, monkeypatch):
    stdin(monkeypatch, "king\n\napple\n")
    assert [entry["word"] for entry in json.loads(run("vectors", "neighbors", vectors, "-", "--json").out)] == ["king", "apple"]


def test_words_after_two_hyphens_may_begin_with_one(run, vectors):
    outcome = run("vectors", "neighbors", vectors, "-k", 2, "--", "-dash", "king")
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split()[0] for line in outcome.out.splitlines() if line.endswith("cosine")] == ["-dash", "king"]


def test_similarity_is_the_cosine(run, vectors):
    table = load_vectors(vectors)
    a, b = table["king"].astype(float), table["queen"].astype(float)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    said = json.loads(run("vectors", "similarity", vectors, "king", "queen", "--json").out)
    assert (said["a"], said["b"]) == ("king", "queen")
    assert math.isclose(said["similarity"], cosine, abs_tol=1e-6)
    assert run("vectors", "similarity", vectors, "king", "queen").out == f"{cosine:.4f}\n"


def test_an_analogy_leaves_the_question_out(run, vectors):
    said = json.loads(run("vectors", "analogy", vectors, "king", "queen", "man", "-k", 99, "--json").out)
    assert {answer["token"] for answer in said["answers"]} == set(load_vectors(vectors).tokens) - {"king", "queen", "man"}
    assert run("vectors", "analogy", vectors, "king", "queen", "man").out.startswith("king : queen = man : ?")


def test_the_odd_one_out(run, vectors):
    said = json.loads(run("vectors", "odd-one-out", vectors, "king", "queen", "apple", "--json").out)
    assert said == {
        "words": ["king", "queen", "apple"],
        "odd": run("vectors", "odd-one-out", vectors, "king", "queen", "apple").out.strip(),
    }


def test_an_unknown_word_is_one_line_with_a_suggestion(fails, vectors):
    assert "unknown word 'qeen'" in fails("vectors", "neighbors", vectors, "qeen")
    assert "did you mean 'queen'" in fails("vectors", "similarity", vectors, "king", "qeen")


@pytest.mark.parametrize(
    ("options", "value"), [(["--unknown", "skip"], None), (["--unknown", "zero"], 0.0), (["--unknown", "zero", "--ignore-case"], 0.0)]
)
def test_the_policy_for_unknown_words(run, vectors, options, value):
    assert json.loads(run("vectors", "similarity", vectors, "king", "zzz", "--json", *options).out)["similarity"] == value


def test_ignore_case_folds(run, fails, vectors):
    assert "'River'" in fails("vectors", "neighbors", vectors, "river")
    assert run("vectors", "neighbors", vectors, "river", "--ignore-case").status == 0


@pytest.mark.parametrize(("k", "said"), [("-1", "k=-1: expected 0 or more"), ("1.5", "not a whole number"), ("x", "unable to convert")])
def test_a_wrong_k_is_one_line(fails, vectors, k, said):
    assert said in fails("vectors", "neighbors", vectors, "king", "-k", k)


# ---- evaluate --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def judgements(run) -> list[str]:
    Path("pairs.txt").write_text("king queen 9\nking apple 1\nman woman 8\nman zzz 5\n")
    Path("questions.txt").write_text(": family\nking queen man woman\nking queen boy zzz\n")
    return ["--similarity", "pairs.txt", "--analogy", "questions.txt"]


def test_evaluate_prints_one_json_value(run, vectors, judgements):
    outcome = run("vectors", "evaluate", vectors, *judgements, "--json")
    said = json.loads(outcome.out)
    assert said["names"] == [vectors]
    assert (said["similarity"][0][0]["pairs"], said["similarity"][0][0]["covered"]) == (4, 3)
    assert (said["analogy"][0][0]["total"]["questions"], said["analogy"][0][0]["total"]["covered"]) == (2, 1)


def test_evaluate_prints_tables_of_several_sets(run, vectors, judgements):
    run("vectors", "convert", vectors, "copy.txt")
    lines = run("vectors", "evaluate", vectors, "copy.txt", *judgements).out.splitlines()
    assert lines[0] == "similarity"
    assert [line.split()[1:4] for line in lines[2:4]] == [["pairs.txt", "3", "4"]] * 2
    assert lines[4].startswith("analogies: ")


def test_evaluate_names_the_line_at_fault(fails, vectors):
    Path("pairs.txt").write_text("king queen 9\nking apple\n")
    assert "pairs.txt:2: expected word, word, score," in fails("vectors", "evaluate", vectors, "--similarity", "pairs.txt")


# ---- convert, plot ---------------------------------------------------------------------------------------------------------------------

TARGETS = {
    "word2vec": "v.txt",
    "word2vec-binary": "v.bin",
    "glove": "v.glove",
    "fasttext-vec": "v.vec",
    "folder": "folder",
    "npy": "v.npy",
    "parquet": "v.parquet",
}


@pytest.mark.parametrize(("to", "target"), TARGETS.items())
def test_every_format_is_written_and_read_again(run, vectors, to, target):
    assert run("vectors", "convert", vectors, target, "--to", to).out == f"wrote 16 vectors of 8 dimensions to {target}\n"
    said = json.loads(run("info", target, "--json").out)
    assert (said["tokens"], said["dim"], said["format"]) == (16, 8, to)
    assert np.array_equal(load_vectors(target).matrix, load_vectors(vectors).matrix)


def test_a_projector_folder_is_written(run, vectors):
    assert run("vectors", "convert", vectors, "projector", "--to", "projector").status == 0
    assert len(Path("projector/tensors.tsv").read_text().splitlines()) == 16


def test_convert_keeps_what_is_asked_for(run, vectors):
    Path("words.txt").write_text("apple\nking\n")
    run("vectors", "convert", vectors, "few.txt.gz", "--to", "word2vec", "--only", "words.txt")
    assert set(load_vectors("few.txt.gz").tokens) == {"apple", "king"}
    run("vectors", "convert", vectors, "first.txt", "--limit", 3)
    assert load_vectors("first.txt").tokens == load_vectors(vectors).tokens[:3]


def test_convert_does_not_overwrite_unless_asked(run, fails, vectors):
    run("vectors", "convert", vectors, "v.txt")
    assert "v.txt: exists already" in fails("vectors", "convert", vectors, "v.txt")
    assert run("vectors", "convert", vectors, "v.txt", "--overwrite").status == 0


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("v.txt", ["--to", "wrod2vec"], "format 'wrod2vec' is unknown; choose from word2vec"),
        ("v.foo", [], "the suffix '.foo' belongs to no format"),
    ],
)
def test_a_wrong_target_is_one_line(fails, vectors, target, options, said):
    assert said in fails("vectors", "convert", vectors, target, *options)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("page.txt", b"<!DOCTYPE html><html>404</html>", "a web page"),
        ("model.bin", pickle.dumps({"a": 1}, 4), "a Python pickle, which lexloom never opens"),
        ("cc.en.bin", (793712314).to_bytes(4, "little") + bytes(60), "use the .vec file"),
        ("cut.txt", b"2 3\nking 1 2 3\nqueen 1", "cut.txt:3: expected a token and 3 numbers"),
        ("short.txt", b"3 2\nking 1 2\nqueen 1 2\n", "cut short: it ends after row 2 of the 3"),
        ("empty.txt", b"", "the file is empty"),
    ],
)
@pytest.mark.parametrize("command", ["neighbors", "convert"])
def test_what_is_no_vectors_is_named_in_one_line(fails, command, name, data, said):
    Path(name).write_bytes(data)
    more = {"neighbors": ["king"], "convert": ["x.txt"]}[command]
    line = fails("vectors", command, name, *more)
    assert name in line
    assert said in line


def test_a_damaged_folder_is_one_line(fails, vectors):
    shutil.copytree(vectors, "copy", ignore=shutil.ignore_patterns("store"))
    whole = Path("copy/model.safetensors").read_bytes()
    Path("copy/model.safetensors").write_bytes(whole[:-10])
    assert "model.safetensors" in fails("vectors", "neighbors", "copy", "king")


@pytest.mark.parametrize(("options", "drawn"), [(["--top", 5], 5), (["--words", "king", "queen", "apple"], 3)])
@pytest.mark.parametrize("name", ["words.png", "words.html"])
def test_plot_draws_a_picture(run, vectors, options, drawn, name):
    assert run("vectors", "plot", vectors, "--out", name, *options).out == f"drew {drawn} words in {name}\n"
    assert Path(name).stat().st_size > 1000


def test_plot_refuses_another_kind_of_file(fails, vectors):
    assert "must end in .png or .html" in fails("vectors", "plot", vectors, "--out", "words.gif")
