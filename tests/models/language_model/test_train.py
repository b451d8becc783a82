"""Training a language model, as a program does it: from a text to a folder."""

import dataclasses
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from lexloom.errors import ConfigError, DivergedRun, FormatError, InputError, InterruptedRun
from lexloom.models.language_model.options import LanguageModelConfig, LanguageModelOptions, LanguageTokenizerConfig, WindowConfig
from lexloom.models.language_model.scores import evaluate_language_model
from lexloom.models.language_model.train import train_language_model
from lexloom.models.loading import load_model
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent import has_bfloat16
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.run_folder import RunConfig
from lexloom.text.corpus import iterable_corpus
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import TrainingConfig
from lexloom.training.reporter import Reporter
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

WORDS = ["the", "cat", "dog", "sat", "ran", "on", "a", "mat", "by", "red", "old", "man", "with", "hat"]
SMALL = LanguageModelOptions(recurrent=RecurrentConfig(hidden_size=12))
TRAINING = TrainingConfig(epochs=3, threads=1, accelerator="cpu", learning_rate=0.01)
WINDOWS = WindowConfig(batch_size=4, bptt=8)
RESULT = ["curves.png", "lexloom.json", "model.safetensors", "run.json", "store", "tokenizer.json", "training.jsonl", "vocabulary.json"]


def sentences(number: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 9))) for _ in range(number)]


LINES = sentences(40)
TOKENS = sum(len(line.split()) + 1 for line in LINES)


def options(**parts):
    groups = {"model": LanguageModelConfig, "embedding": EmbeddingConfig, "recurrent": RecurrentConfig}
    given = {"recurrent": {"hidden_size": 12}} | parts
    return LanguageModelOptions(**{name: groups[name](**values) for name, values in given.items()})


def train(corpus=LINES, chosen=SMALL, windows=WINDOWS, *, keep=None, resume=False, overwrite=False, **rest):
    """Train with the small options; an option of the training, the tokenizer or the vocabulary may be given by its name."""
    names = {field.name for field in dataclasses.fields(TrainingConfig)}
    training = dataclasses.replace(TRAINING, **{name: rest.pop(name) for name in list(rest) if name in names})
    parts = {name: rest.pop(name) for name in ("tokenizer", "vocabulary") if name in rest}
    given = dataclasses.replace(chosen, windows=windows, training=training, **parts)
    return train_language_model(corpus, given, run=RunConfig(keep, resume, overwrite), **rest)


def facts_of(*arguments, **rest):
    """What is reported before the training, and the records of its epochs."""
    prepared, records = [], []
    train(*arguments, **rest, reporter=Reporter(prepared=prepared.append, epoch=records.append))
    return prepared[0], records


def log_of(folder):
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def described(folder):
    return json.loads((folder / "lexloom.json").read_text())


def interrupting(epoch):
    def working(now):
        if now.epoch == epoch and now.fraction > 0.3:
            raise KeyboardInterrupt

    return Reporter(working=working)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder that was trained with all defaults of this file."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    train(keep=folder, test=sentences(5, seed=2))
    return folder


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Half the time of so small a training is the drawing of its curves; only `finished` has them."""
    monkeypatch.setattr("lexloom.training.run.plot_curves", lambda _records, out, **_options: Path(out).touch())


# ---- the folder ----------------------------------------------------------------------------------------------------------------------


def test_a_folder_holds_the_result_and_no_checkpoint(finished):
    assert sorted(path.name for path in finished.iterdir()) == RESULT
    assert (finished / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_log_has_what_was_promised(finished):
    records = log_of(finished)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    for record in records:
        assert {"train_loss", "valid_loss", "tokens_per_second", "bits_per_character", "bits_per_byte", "learning_rate"} <= set(record)
        assert record["valid_perplexity"] == pytest.approx(math.exp(record["valid_loss"]))
        assert record["train_perplexity"] == pytest.approx(math.exp(record["train_loss"]))
    assert records[2]["train_loss"] < records[0]["train_loss"] < math.log(16) + 0.2


def test_the_description_names_the_best_epoch_and_its_scores(finished):
    facts, records = described(finished), log_of(finished)
    best = min(records, key=lambda record: record["valid_loss"])
    assert facts["best_epoch"] == best["epoch"]
    assert facts["scores"] == best
    assert facts["epochs"] == 3
    assert facts["options"]["training"]["learning_rate"] == 0.01
    assert facts["corpus"]["held_out"] is True


def test_the_test_text_is_scored_as_evaluate_scores_it(finished):
    score = evaluate_language_model(load_model(finished, "language-model"), iterable_corpus(sentences(5, seed=2)))
    test = described(finished)["test"]
    assert test["loss"] == pytest.approx(score.loss, rel=1e-6)
    assert (test["tokens"], test["characters"]) == (score.tokens, score.characters)


def test_the_kept_model_has_the_validation_loss_of_its_best_epoch(tmp_path):
    valid = sentences(12, seed=3)
    model = train(keep=tmp_path / "out", valid=valid, epochs=6, learning_rate=0.3, optimizer="adam")
    records = log_of(tmp_path / "out")
    best = min(records, key=lambda record: record["valid_loss"])
    assert best["epoch"] < 6  # a rate at which the last epoch is not the best
    rows = min(10, sum(len(line.split()) + 1 for line in valid) // WINDOWS.bptt)
    score = evaluate_language_model(model, iterable_corpus(valid), batch_size=rows)
    assert score.loss == pytest.approx(best["valid_loss"], rel=1e-4)


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not train().training
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_trains_the_same_bits(tmp_path):
    chosen = options(model={"dropout": 0.3}, embedding={"word_dropout": 0.1}, recurrent={"hidden_size": 12, "weight_drop": 0.2})
    weights = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        weights.append(train(chosen=chosen, seed=seed).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["embedding.weight"], weights[2]["embedding.weight"])


# ---- the text ------------------------------------------------------------------------------------------------------------------------


def test_a_tenth_is_held_out_unless_told_otherwise():
    facts, records = facts_of(epochs=1)
    assert [facts["corpus"][name] for name in ("held_out", "tokens", "valid_tokens")] == [True, TOKENS - TOKENS // 10, TOKENS // 10]
    assert records[0]["valid_loss"] is not None


def test_nothing_is_held_out_where_there_is_a_validation_text():
    facts, records = facts_of(epochs=1, valid=["the cat", "the dog sat"])
    assert [facts["corpus"][name] for name in ("held_out", "tokens", "valid_tokens")] == [False, TOKENS, 7]
    assert records[0]["valid_loss"] is not None


def test_everything_is_trained_on_without_validation():
    facts, records = facts_of(epochs=1, valid="none")
    assert [facts["corpus"][name] for name in ("held_out", "tokens", "valid_tokens")] == [False, TOKENS, 0]
    assert (records[0]["valid_loss"], records[0]["valid_perplexity"]) == (None, None)


TARGETS_OF_A_ROW = {
    "at an offset": ({}, lambda size: (TOKENS - 7) // size),  # the offset is below bptt
    "without an offset": ({"random_offset": False}, lambda size: (TOKENS - 1) // size),
    "random windows": ({"windows": "random"}, lambda size: (TOKENS - 1) // 7 // size * 7),
}


@pytest.mark.parametrize(("how", "targets"), TARGETS_OF_A_ROW.values(), ids=TARGETS_OF_A_ROW)
@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_tokens_of_an_epoch_and_those_left_over_are_reported(how, targets, size):
    facts, records = facts_of(windows=WindowConfig(batch_size=size, bptt=7, **how), epochs=1, valid="none")
    read = size * targets(size)
    assert records[0]["tokens"] == read
    assert facts["corpus"]["left_over"] == TOKENS - 1 - read
    over = f"; {TOKENS - 1 - read} tokens fill no batch" if read < TOKENS - 1 else ""
    assert facts["about"][-1] == f"an epoch: {-(-targets(size) // 7)} windows, {read} tokens{over}"


def test_bits_are_those_of_the_validation_text(tmp_path):
    valid = ["das Käsebrot ☃", "猫"]
    _, records = facts_of([*LINES, *valid], epochs=1, valid=valid)
    total = records[0]["valid_loss"] * 6 / math.log(2)  # five tokens with the ends of lines, and the words of one line are three
    text = "\n".join(valid) + "\n"
    tokens = sum(len(line.split()) + 1 for line in valid)
    assert tokens == 6
    assert records[0]["bits_per_character"] == pytest.approx(total / len(text))
    assert records[0]["bits_per_byte"] == pytest.approx(total / len(text.encode()))


def test_words_of_the_validation_text_that_training_lacks_are_unk():
    model = train(valid=["zebra zebra"], epochs=1)
    assert "zebra" not in model.vocabulary


@pytest.mark.parametrize("level", ["character", "word", "subword"])
def test_every_level_trains(level):
    records = []
    tokenizer = LanguageTokenizerConfig(vocab_size=40)
    model = train(chosen=options(model={"level": level}), epochs=1, tokenizer=tokenizer, reporter=Reporter(epoch=records.append))
    assert records[0]["valid_loss"] < math.log(len(model.vocabulary))
    assert records[0]["bits_per_character"] > 0


def test_rare_words_become_unk_where_asked():
    model = train(["once upon", *LINES], epochs=1, vocabulary=VocabularyConfig(min_count=2))
    assert "once" not in model.vocabulary
    assert evaluate_language_model(model, iterable_corpus(["once"])).unknown_trained


@pytest.mark.parametrize(
    ("corpus", "rest", "message"),
    [
        ([], {}, "the iterable is empty"),
        (["", ""], {}, "the iterable is empty"),
        (["the cat"], {}, "3 tokens are too few to hold out a tenth; give --valid FILE or --valid none"),
        (
            ["the cat"],
            {"valid": "none"},
            "the text has 3 tokens: too short for one window",
        ),
        (LINES, {"valid": []}, "the iterable is empty"),
        (LINES, {"valid": [""]}, "the iterable is empty"),
        ("gone.txt", {}, "gone.txt: no such file"),
        (LINES, {"valid": "gone.txt"}, "gone.txt: no such file"),
        (LINES, {"test": "gone.txt"}, "gone.txt: no such file"),
    ],
)
def test_texts_that_cannot_be_used_are_refused_before_the_training(tmp_path, corpus, rest, message):
    told = []
    with pytest.raises(InputError, match=message):
        train(corpus, keep=tmp_path / "out", reporter=Reporter(working=told.append), **rest)
    assert told == []
    train(keep=tmp_path / "out", epochs=1)  # the folder is as free as before


# ---- options -------------------------------------------------------------------------------------------------------------------------

SHAPES = {
    "tied": {"model": {"softmax": "tied"}},
    "adaptive": {"model": {"softmax": "adaptive", "cutoffs": (3, 9), "div_value": 2.0}},
    "sampled": {"model": {"softmax": "tied", "num_sampled": 4}},
    "one-hot": {"embedding": {"embedding": "one-hot"}},
    "max-norm": {"embedding": {"max_norm": 1.0}},
    "frequency": {"embedding": {"scale_grad_by_freq": True}},
    "dropouts": {
        "model": {"dropout": 0.2},
        "embedding": {"word_dropout": 0.2, "embedding_dropout": 0.2},
        "recurrent": {"hidden_size": 12, "num_layers": 2, "weight_drop": 0.2},
    },
    "penalties": {"model": {"activation_penalty": 2.0, "temporal_penalty": 1.0}},
    "scratch": {"recurrent": {"hidden_size": 12, "implementation": "scratch", "cell": "gru"}},
}


@pytest.mark.parametrize("parts", SHAPES.values(), ids=SHAPES)
def test_every_shape_learns_and_comes_back_from_its_folder(tmp_path, parts):
    model = train(chosen=options(**parts), keep=tmp_path / "out", optimizer="adam")
    records = log_of(tmp_path / "out")
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    loaded = load_model(tmp_path / "out", "language-model")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize(
    "softmax",
    [{}, {"softmax": "tied"}, {"softmax": "tied", "num_sampled": 4}, {"softmax": "adaptive", "cutoffs": (3, 9), "div_value": 2.0}],
    ids=str,
)
def test_mixed_precision_learns_nearly_the_same(softmax):
    losses = [facts_of(chosen=options(model=softmax), precision=precision)[1][-1]["valid_loss"] for precision in ("32", "bf16-mixed")]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    assert (losses[0] != losses[1]) == has_bfloat16()


def test_a_processor_without_bfloat16_trains_in_32_bits_and_says_so(monkeypatch):
    monkeypatch.setattr("lexloom.training.processor.has_bfloat16", lambda: False)
    problems, losses = [], []
    for precision in ("32", "bf16-mixed", "16-mixed"):
        facts, records = facts_of(precision=precision, accelerator="cpu")
        assert facts["precision"] == "32"
        problems += facts["problems"]
        losses.append([record["valid_loss"] for record in records])
    assert problems == [f"this CPU cannot train in {precision}: training in 32 bits" for precision in ("bf16-mixed", "16-mixed")]
    assert losses[0] == losses[1] == losses[2]


def test_rows_are_as_short_as_they_may_be():
    model = train(chosen=options(embedding={"max_norm": 0.5}))
    assert model.embedding.matrix.norm(dim=1).max() <= 0.5 + 1e-5


def test_sparse_gradients_learn_the_same_as_dense_ones():
    losses = [facts_of(chosen=options(embedding={"sparse": sparse}), optimizer="sgd", learning_rate=1.0)[1] for sparse in (False, True)]
    assert [record["train_loss"] for record in losses[1]] == pytest.approx([record["train_loss"] for record in losses[0]], rel=1e-5)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"chosen": options(embedding={"sparse": True})}, "sparse gradients of the embedding go with --optimizer sgd"),
        ({"valid": "none", "patience": 2}, "patience needs a validation text"),
        ({"valid": "none", "schedule": "plateau"}, "the plateau schedule needs a validation text"),
        ({"devices": 3, "keep": "out"}, "batch_size is 4: 3 processes cannot share that evenly; give --batch-size 3"),
        ({"devices": 2}, "several processes need a folder that all of them see; give --out"),
        (
            {"chosen": options(model={"level": "character"}), "tokenizer": LanguageTokenizerConfig(tokenizer="words")},
            "tokenizer words does not fit level character; give --level word",
        ),
        ({"resume": True, "overwrite": True}, "resume and overwrite are both set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_do_not_fit_together_are_refused(tmp_path, monkeypatch, rest, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        train(**rest)


def test_the_sample_prompt_is_continued_every_so_many_epochs():
    samples = []
    windows = dataclasses.replace(WINDOWS, sample_prompt="the cat", sample_every=2)
    model = train(windows=windows, epochs=4, reporter=Reporter(sample=lambda epoch, text: samples.append((epoch, text))))
    assert [epoch for epoch, _ in samples] == [2, 4]
    assert all(text.startswith("the cat") and len(text) > 20 for _, text in samples)
    assert model.state_dict().keys()


def test_samples_change_nothing():
    chosen = options(model={"dropout": 0.3})
    plain = train(chosen=chosen)
    sampled = train(chosen=chosen, windows=dataclasses.replace(WINDOWS, sample_prompt="unheard of"))
    assert all(torch.equal(tensor, plain.state_dict()[name]) for name, tensor in sampled.state_dict().items())


def test_a_training_that_diverges_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(InterruptedRun):
        train(keep=tmp_path / "out", checkpoint_seconds=0.0, optimizer="sgd", learning_rate=1.0, clip=0.0, reporter=interrupting(2))
    with pytest.raises(
        DivergedRun, match=r"the (training|validation) loss is .* in epoch 2: the run diverged; give a lower --learning-rate"
    ):
        train(keep=tmp_path / "out", optimizer="sgd", learning_rate=1e6, clip=0.0, resume=True)
    assert (tmp_path / "out" / "checkpoint.ckpt").exists()
    train(keep=tmp_path / "out", optimizer="sgd", learning_rate=0.5, clip=1.0, resume=True)
    assert [record["learning_rate"] for record in log_of(tmp_path / "out")] == [1.0, 0.5, 0.5]


# ---- vectors -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of 6 numbers for all words but `hat` and `with`."""
    folder = tmp_path_factory.mktemp("vectors") / "vectors"
    rows = np.random.default_rng(1).normal(size=(len(WORDS) - 2, 6)).astype(np.float32)
    write_folder(Vectors(WORDS[:-2], rows, np.arange(len(WORDS) - 2, 0, -1)), folder)
    return str(folder), dict(zip(WORDS, rows, strict=False))


def rows_kept(folder, rows):
    """Which of the words have exactly the rows that they began with."""
    model = load_model(folder, "language-model")
    matrix = model.embedding.matrix.detach().numpy()
    return [word for word, row in rows.items() if np.array_equal(matrix[model.vocabulary.id_of(word)], row)]


@pytest.mark.parametrize("softmax", ["full", "tied"])
def test_frozen_vectors_stay_as_they_are_to_the_last_bit(tmp_path, vectors, softmax):
    source, rows = vectors
    chosen = options(embedding={"vectors": source, "freeze": True}, model={"softmax": softmax})
    train(chosen=chosen, keep=tmp_path / "out", weight_decay=0.1)
    facts = described(tmp_path / "out")
    assert rows_kept(tmp_path / "out", rows) == list(rows)
    assert facts["movement"]["unmoved"] == len(rows)
    assert {moved["word"] for moved in facts["movement"]["most"]} == {"hat", "with", "<eos>", "<unk>"}
    assert facts["coverage"]["known_types"] == len(rows)


def test_vectors_that_may_learn_move(tmp_path, vectors):
    source, rows = vectors
    train(chosen=options(embedding={"vectors": source}), keep=tmp_path / "out")
    moved = described(tmp_path / "out")["movement"]
    assert rows_kept(tmp_path / "out", rows) == []
    assert moved["rows"] == len(rows) + 4
    assert 0 < moved["mean_distance"] < moved["max_distance"]
    assert 0 < moved["mean_cosine"] < 1
    assert [row["distance"] for row in moved["most"]] == sorted((row["distance"] for row in moved["most"]), reverse=True)


@pytest.mark.parametrize(("epoch", "kept"), [(3, True), (2, False), (1, False)])
def test_vectors_learn_from_the_epoch_on_that_was_given(tmp_path, vectors, epoch, kept):
    source, rows = vectors
    train(
        chosen=options(embedding={"vectors": source, "freeze": True, "unfreeze_epoch": epoch}),
        keep=tmp_path / "out",
        epochs=2,
        valid="none",
    )
    assert (rows_kept(tmp_path / "out", rows) == list(rows)) is kept


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_resume_knows_which_vectors_were_let_go(tmp_path, vectors, epoch):
    chosen = options(embedding={"vectors": vectors[0], "freeze": True, "unfreeze_epoch": 2})
    whole = train(chosen=chosen, keep=tmp_path / "whole")
    with pytest.raises(InterruptedRun):
        train(chosen=chosen, keep=tmp_path / "out", checkpoint_seconds=0.0, reporter=interrupting(epoch))
    resumed = train(chosen=chosen, keep=tmp_path / "out", resume=True)
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in resumed.state_dict().items())
    assert described(tmp_path / "out")["movement"] == described(tmp_path / "whole")["movement"]


def test_unfreezing_does_not_go_with_averaging(vectors):
    chosen = options(embedding={"vectors": vectors[0], "freeze": True, "unfreeze_epoch": 2})
    with pytest.raises(ConfigError, match="asgd averages all rows from one epoch on"):
        train(chosen=chosen, optimizer="asgd")


# ---- resume and overwrite ------------------------------------------------------------------------------------------------------------


def numbers(folder):
    times = ("seconds", "minutes", "tokens_per_second")
    return [{name: value for name, value in record.items() if name not in times} for record in log_of(folder)]


@pytest.mark.parametrize("windows", ["sequential", "random"])
def test_a_resumed_training_is_the_one_that_was_not_interrupted(tmp_path, windows):
    chosen = options(model={"dropout": 0.3}, embedding={"word_dropout": 0.1}, recurrent={"hidden_size": 12, "weight_drop": 0.2})
    rest = {"chosen": chosen, "windows": dataclasses.replace(WINDOWS, windows=windows), "optimizer": "asgd", "nonmonotone": 1, "epochs": 4}
    train(keep=tmp_path / "whole", **rest)
    with pytest.raises(InterruptedRun):
        train(keep=tmp_path / "out", checkpoint_seconds=0.0, reporter=interrupting(3), **rest)
    with pytest.raises(FormatError, match="out: holds an unfinished run; the same command with --resume continues it"):
        load_model(tmp_path / "out", "language-model")
    train(keep=tmp_path / "out", resume=True, **rest)
    assert numbers(tmp_path / "out") == numbers(tmp_path / "whole")
    for name in ("model.safetensors", "vocabulary.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == RESULT


@pytest.fixture
def unfinished(tmp_path):
    """A folder with a training that was interrupted in its second epoch."""
    with pytest.raises(InterruptedRun):
        train(keep=tmp_path / "out", checkpoint_seconds=0.0, reporter=interrupting(2))
    return tmp_path / "out"


def test_an_unfinished_training_is_left_alone_unless_told_otherwise(unfinished):
    with pytest.raises(InputError, match="holds an unfinished run; give --resume to continue it, or --overwrite to start over"):
        train(keep=unfinished)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"chosen": options(recurrent={"hidden_size": 13})}, "hidden_size was 12, now 13"),
        ({"windows": dataclasses.replace(WINDOWS, bptt=9)}, "bptt was 8, now 9"),
        ({"valid": ["the cat"]}, "valid was None, now 'the iterable'"),
        ({"corpus": LINES[:-1]}, "is of another text; give the same text to resume, or --overwrite to start over"),
        ({"vocabulary": VocabularyConfig(min_count=2)}, "min_count was 1, now 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_resume_with_anything_else_is_refused(unfinished, rest, message, monkeypatch):
    if "corpus" in rest:  # an iterable has no fingerprint, and would be taken for the text that was read before
        text = unfinished.parent / "text.txt"
        text.write_text("\n".join(rest.pop("corpus")))
        rest["corpus"] = text
    with pytest.raises(ConfigError, match=message):
        train(keep=unfinished, resume=True, **rest)


@pytest.mark.parametrize("rest", [{"learning_rate": 0.02}, {"clip": 0.5}, {"embedding_learning_rate": 0.5}, {"tensorboard": True}], ids=str)
def test_a_resume_with_another_rate_or_clipping_is_allowed(unfinished, rest):
    train(keep=unfinished, resume=True, **rest)
    assert len(log_of(unfinished)) == 3


def test_overwriting_begins_anew(unfinished):
    train(keep=unfinished, overwrite=True, epochs=1)
    assert [record["epoch"] for record in log_of(unfinished)] == [1]


def test_a_damaged_checkpoint_is_told_of(unfinished):
    (unfinished / "checkpoint.ckpt").write_bytes(b"rubbish")
    with pytest.raises(FormatError, match=r"checkpoint\.ckpt: damaged"):
        train(keep=unfinished, resume=True)


def test_a_finished_folder_is_left_alone_unless_told_otherwise(finished):
    with pytest.raises(InputError, match="holds a finished result; give --overwrite to replace it, or another --out"):
        train(keep=finished)


def test_resuming_what_is_finished_gives_it_back(finished):
    before = (finished / "model.safetensors").stat().st_mtime_ns
    model = train(keep=finished, resume=True)
    assert (finished / "model.safetensors").stat().st_mtime_ns == before
    assert not model.training


@pytest.mark.parametrize("missing", ["corpus", "valid", "test"])
def test_nothing_is_removed_for_a_text_that_is_not_there(tmp_path, missing):
    train(keep=tmp_path / "out", epochs=1)
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        train(keep=tmp_path / "out", overwrite=True, **{missing: str(tmp_path / "gone.txt")})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_nothing_is_removed_for_vectors_that_are_not_there(tmp_path):
    train(keep=tmp_path / "out", epochs=1)
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(InputError, match=r"gone\.vec: no such file"):
        train(LINES, options(embedding={"vectors": str(tmp_path / "gone.vec")}), keep=tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_a_finished_run_is_whole_until_its_extension_begins(tmp_path):
    train(keep=tmp_path / "out", epochs=1, keep_checkpoint=True)
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        train(str(tmp_path / "gone.txt"), keep=tmp_path / "out", epochs=2, resume=True, keep_checkpoint=True)
    assert described(tmp_path / "out")["epochs"] == 1
    train(keep=tmp_path / "out", epochs=2, resume=True)
    assert described(tmp_path / "out")["epochs"] == 2


def test_a_finished_run_cannot_be_shortened(tmp_path):
    train(keep=tmp_path / "out", epochs=2, keep_checkpoint=True)
    with pytest.raises(ConfigError, match=r"can be extended, not shortened \(epochs was 2, now 1\)"):
        train(keep=tmp_path / "out", epochs=1, resume=True, keep_checkpoint=True)
    assert described(tmp_path / "out")["epochs"] == 2


def test_resuming_where_nothing_began_begins(tmp_path):
    train(keep=tmp_path / "out", resume=True, epochs=1)
    assert len(log_of(tmp_path / "out")) == 1


def test_an_encoded_text_serves_again(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(LINES))
    about = [facts_of(text, epochs=1, store=tmp_path / "store", keep=tmp_path / name)[0]["about"][0] for name in ("one", "two")]
    assert [line.split(":")[0] for line in about] == ["encoded text", "reused text"]
    assert not (tmp_path / "one" / "store").exists()


# ---- several processes: see test_processes.py too --------------------------------------------------------------------------------------


def test_a_later_process_has_nothing_to_do_where_all_is_finished(finished, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert not train(keep=finished, resume=True).training
