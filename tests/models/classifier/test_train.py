"""Training a text classifier, as a program does it: from labelled files to a folder."""

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from lexloom.errors import ConfigError, DivergedRun, FormatError, InputError, InterruptedRun
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierRecurrentConfig,
    ClassifierTrainingConfig,
    DocumentConfig,
)
from lexloom.models.classifier.scores import evaluate_classifier
from lexloom.models.classifier.train import run_classifier, train_classifier
from lexloom.models.loading import load_model
from lexloom.run_folder import RunConfig
from lexloom.text.corpus import iterable_corpus
from lexloom.text.documents import encode_documents
from lexloom.text.examples import column_blocks
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.reporter import Reporter
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

GOOD, BAD, REST = ["good", "fine", "lovely"], ["bad", "awful", "dull"], ["the", "film", "was", "a", "plot", "and", "actor"]
TRAINING = ClassifierTrainingConfig(epochs=3, threads=1, accelerator="cpu", learning_rate=0.05)
BATCHES = DocumentConfig(batch_size=8)
WHITESPACE = TokenizerConfig(tokenizer="whitespace")
RESULT = ["curves.png", "lexloom.json", "model.safetensors", "run.json", "tokenizer.json", "training.jsonl", "vocabulary.json"]
ENCODERS = {
    "average": {"encoder": "average"},
    "cnn": {"encoder": "cnn", "widths": (2, 3), "filters": 8},
    "rnn": {"encoder": "rnn"},
}


def reviews(number, seed=1):
    """Lines of label<TAB>text, neg and pos by turns, of which two words in five show the label."""
    draw = random.Random(seed)
    kinds = (("neg", BAD), ("pos", GOOD))
    for place in range(number):
        label, telling = kinds[place % 2]
        words = draw.choices(REST, k=draw.randint(1, 6)) + draw.choices(telling, k=2)
        draw.shuffle(words)
        yield f"{label}\t{' '.join(words)}"


def topics(number, seed=1):
    """Documents of none, one or both of two topics, beside a label that most have."""
    draw = random.Random(seed)
    for _ in range(number):
        chosen = [(name, word) for name, word in (("sea", "ship"), ("sky", "bird")) if draw.random() < 0.4]
        labels = [name for name, _ in chosen] + (["any"] if not chosen or draw.random() < 0.7 else [])
        words = [word for _, word in chosen] + draw.choices(REST, k=3)
        yield f"{','.join(labels)}\t{' '.join(words)}"


def corpus(lines, path, **how):
    path.write_text("".join(f"{line}\n" for line in lines))
    return open_labelled(path, **how)


@pytest.fixture
def files(tmp_path):
    """Makes a corpus of lines of label<TAB>text."""

    def write(lines, name="train.txt", **how):
        return corpus(lines, tmp_path / name, **how)

    return write


@pytest.fixture
def reviewed(files):
    return files(reviews(60))


@pytest.fixture
def topical(files):
    return files(topics(80), separator=",")


def options(**parts):
    embedding = {"embedding_dim": 8} | parts.get("embedding", {})
    if "vectors" in embedding:
        del embedding["embedding_dim"]
    return ClassifierOptions(
        ClassifierConfig(**parts.get("model", {})),
        ClassifierEmbeddingConfig(**embedding),
        ClassifierRecurrentConfig(**{"hidden_size": 6} | parts.get("recurrent", {})),
        batches=BATCHES,
        training=TRAINING,
        tokenizer=WHITESPACE,
    )


def train(source, chosen=None, *, valid=None, test=None, reporter=None, keep=None, resume=False, overwrite=False, **changes):
    """Train with small options; `changes` are the parts batches, tokenizer and vocabulary, and options of the training."""
    chosen = chosen or options()
    parts = {name: changes.pop(name) for name in ("batches", "tokenizer", "vocabulary") if name in changes}
    chosen = dataclasses.replace(chosen, training=dataclasses.replace(chosen.training, **changes), **parts)
    return train_classifier(source, chosen, valid=valid, test=test, run=RunConfig(keep, resume, overwrite), reporter=reporter)


def facts_of(*arguments, **rest):
    """What the reporter is told of the data before the training, and the records of the epochs."""
    told, records = [], []
    train(*arguments, **rest, reporter=Reporter(prepared=told.append, epoch=records.append))
    return told[0]["corpus"] | {"problems": told[0]["problems"]}, records


def log_of(folder):
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def described(folder):
    return json.loads((folder / "lexloom.json").read_text())


def interrupting(epoch):
    def working(now):
        if now.epoch == epoch and now.fraction > 0.3:
            raise KeyboardInterrupt

    return Reporter(working=working)


def probabilities(model, texts):
    return np.concatenate(list(model.predict_blocks(iterable_corpus(texts).blocks())))


def same_bits(first, second):
    return all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder that was trained with all defaults of this file, beside its text."""
    folder = tmp_path_factory.mktemp("finished")
    train(corpus(reviews(60), folder / "train.txt"), test=corpus(reviews(9, seed=2), folder / "test.txt"), keep=folder / "out")
    return folder / "out"


def text_of(finished):
    return open_labelled(finished.parent / "train.txt")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Half the time of so small a training is the drawing of its curves; only `finished` has them."""
    monkeypatch.setattr("lexloom.training.run.plot_curves", lambda _records, out, **_options: Path(out).touch())


# ---- the folder ----------------------------------------------------------------------------------------------------------------------


def test_a_folder_holds_the_result_and_no_checkpoint(finished):
    assert sorted(path.name for path in finished.iterdir()) == RESULT
    assert (finished / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_log_has_a_record_of_each_epoch(finished):
    records = log_of(finished)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    for record in records:
        assert {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "documents_per_second", "learning_rate"} <= set(record)
        assert record["documents"] == 54
    assert records[2]["train_loss"] < records[0]["train_loss"] < 1


def test_the_description_says_what_was_trained_on_what(finished):
    facts = described(finished)
    assert (facts["kind"], facts["epochs"], facts["options"]["training"]["learning_rate"]) == ("classifier", 3, 0.05)
    assert facts["options"]["labels"] == {"names": ["neg", "pos"], "multi_label": False, "thresholds": [0.5, 0.5]}
    assert facts["options"]["model"]["pooling"] == "mean"  # the default is filled in
    counted = {
        "documents": 54,
        "valid_documents": 6,
        "held_out": True,
        "tokens": int(load_model(finished).vocabulary.counts.sum()),
        "labels": {"neg": 27, "pos": 27},
    }
    assert facts["corpus"] == {"name": str(finished.parent / "train.txt"), **counted}
    assert facts["scores"] == log_of(finished)[facts["best_epoch"] - 1]
    assert facts["coverage"] is None and "movement" not in facts


def test_the_test_documents_are_scored_as_evaluate_scores_them(finished):
    score = evaluate_classifier(load_model(finished, "classifier"), open_labelled(finished.parent / "test.txt"))
    assert described(finished)["test"] == json.loads(json.dumps(score.as_dict()))
    assert score.documents == 9


def test_the_kept_model_has_the_validation_score_of_its_best_epoch(files, tmp_path):
    valid = files(reviews(30, seed=3), "valid.txt")
    model = train(files(reviews(20)), valid=valid, keep=tmp_path / "out", epochs=6, learning_rate=0.01)
    scores = described(tmp_path / "out")["scores"]
    assert evaluate_classifier(model, valid).accuracy == pytest.approx(scores["valid_accuracy"])
    assert not model.training


def test_nothing_is_kept_without_a_folder(reviewed, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert not train(reviewed, epochs=1).training
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
def test_every_encoder_learns_and_comes_back_from_its_folder(reviewed, files, tmp_path, model):
    trained = train(reviewed, options(model=model), keep=tmp_path / "out", epochs=8)
    loaded = load_model(tmp_path / "out", "classifier")
    assert same_bits(trained, loaded)
    assert evaluate_classifier(loaded, files(reviews(50, seed=7), "new.txt")).accuracy > 0.9


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
def test_the_same_seed_trains_the_same_bits(reviewed, model):
    chosen = options(model={"input_dropout": 0.1, **model}, embedding={"word_dropout": 0.1})
    models = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        models.append(train(reviewed, chosen, seed=seed, epochs=2))
    assert same_bits(models[0], models[1])
    assert not torch.equal(models[0].output.weight, models[2].output.weight)


def test_the_facts_of_a_run_are_those_of_its_folder(reviewed, tmp_path):
    trained = run_classifier(reviewed, options(), run=RunConfig(tmp_path / "out"))
    facts = json.loads(json.dumps(trained.facts))
    assert {name: described(tmp_path / "out")[name] for name in facts} == facts
    again = run_classifier(reviewed, options(), run=RunConfig(tmp_path / "out", resume=True))
    assert again.facts == described(tmp_path / "out")
    assert same_bits(again.result, trained.result)


# ---- what is held out ----------------------------------------------------------------------------------------------------------------


def unique_words(labels):
    """A document a label, each with a word of its own."""
    return [f"{label}\tsame w{place}" for place, label in enumerate(labels)]


def test_of_each_label_a_tenth_is_held_out(files):
    facts, records = facts_of(files(unique_words("a" * 50 + "b" * 20 + "c")), epochs=1)
    assert (facts["held_out"], facts["documents"], facts["valid_documents"]) == (True, 64, 7)
    assert facts["labels"] == {"a": 45, "b": 18, "c": 1}
    assert records[0]["valid_loss"] is not None


def test_words_of_held_out_documents_get_no_number(files):
    model = train(files(unique_words("ab" * 30)), epochs=1)
    assert "same" in model.vocabulary
    assert sum(f"w{place}" in model.vocabulary for place in range(60)) == 54


def test_the_seed_chooses_what_is_held_out(files):
    text = files(unique_words("ab" * 30))
    words = [set(train(text, epochs=1, seed=seed).vocabulary.tokens) for seed in (1, 1, 2)]
    assert words[0] == words[1] != words[2]


def test_the_share_that_is_held_out_is_chosen(files):
    facts, _ = facts_of(files(unique_words("ab" * 30)), batches=dataclasses.replace(BATCHES, held_out=0.5), epochs=1)
    assert (facts["documents"], facts["valid_documents"]) == (30, 30)


def test_without_validation_the_last_epoch_is_kept(reviewed, tmp_path):
    batches = dataclasses.replace(BATCHES, held_out=0.0)
    train(reviewed, batches=batches, keep=tmp_path / "out")
    facts = described(tmp_path / "out")
    assert (facts["best_epoch"], facts["scores"]["epoch"], facts["scores"]["valid_accuracy"]) == (None, 3, None)
    assert (facts["corpus"]["documents"], facts["corpus"]["valid_documents"], facts["corpus"]["held_out"]) == (60, 0, False)


def test_nothing_is_held_out_where_labels_have_a_single_document(files):
    facts, records = facts_of(files(["a\tone", "b\ttwo"]), epochs=1)
    assert (facts["held_out"], facts["documents"], facts["valid_documents"]) == (False, 2, 0)
    assert records[0]["valid_loss"] is None


def test_other_documents_validate_and_nothing_is_held_out(reviewed, files):
    facts, records = facts_of(reviewed, valid=files(["pos\tgood zebra", "neg\tbad"], "valid.txt"), epochs=6)
    assert (facts["held_out"], facts["documents"], facts["valid_documents"]) == (False, 60, 2)
    assert records[-1]["valid_accuracy"] == 1.0


def test_words_and_labels_of_validation_documents_are_not_learnt(reviewed, files):
    model = train(reviewed, valid=files(["so so\tzebra", "neg\tbad"], "valid.txt"), epochs=1)
    assert "zebra" not in model.vocabulary
    assert model.labels.names == ("neg", "pos")


@pytest.mark.parametrize("multi_label", [False, True])
def test_labels_that_training_never_saw_count_in_validation(files, multi_label):
    text = files(topics(80), separator=",") if multi_label else files(reviews(60))
    valid = files(["new\tthe film", "newer\tthe plot"], "valid.txt")
    _, records = facts_of(text, valid=valid, epochs=2)
    assert multi_label or [record["valid_accuracy"] for record in records] == [0.0, 0.0]
    assert all(np.isfinite(record["valid_loss"]) and record["valid_loss"] > 0 for record in records)


def test_broken_text_of_validation_documents_is_reported(reviewed, tmp_path):
    (tmp_path / "valid.txt").write_bytes(b"pos\tgood \xff\nno tab\nneg\tbad\n")
    facts, _ = facts_of(reviewed, valid=open_labelled(tmp_path / "valid.txt"), epochs=1)
    assert facts["valid_documents"] == 2
    assert len(facts["problems"]) == 2
    assert any("valid.txt:2: expected 2 tab-separated fields (label, text), found 1" in problem for problem in facts["problems"])


def best_epoch_of(records, best_by):
    """The first of the best, by accuracy and then by loss, or by loss alone."""

    def cost(record):
        return (-record["valid_accuracy"] if best_by == "accuracy" else 0.0, record["valid_loss"])

    return min(records, key=cost)["epoch"]


def swapped(line):
    label, text = line.split("\t")
    return f"{'pos' if label == 'neg' else 'neg'}\t{text}"


@pytest.mark.parametrize("best_by", ["accuracy", "loss"])
def test_the_best_epoch_is_the_one_by_what_was_asked(files, tmp_path, best_by):
    wrong = [swapped(line) for line in reviews(36, seed=4)]  # nearly half of the labels: whoever learns is surer, and pays for it
    valid = files([*wrong, *reviews(44, seed=5)], "valid.txt")
    rest = {"valid": valid, "best_by": best_by, "epochs": 6, "learning_rate": 0.02}
    shape = options(model={"dropout": 0.0}, embedding={"initialization_scale": 0.1})
    train(files(reviews(60)), shape, keep=tmp_path / best_by, **rest)
    records = log_of(tmp_path / best_by)
    assert described(tmp_path / best_by)["best_epoch"] == best_epoch_of(records, best_by)
    assert best_epoch_of(records, "accuracy") != best_epoch_of(records, "loss")


# ---- several labels ------------------------------------------------------------------------------------------------------------------


def test_several_labels_are_found_where_documents_have_them(topical):
    assert train(topical, epochs=1).labels.multi_label


def test_documents_of_one_label_may_be_told_to_have_several(reviewed):
    model = train(reviewed, options(model={"multi_label": True}), epochs=1)
    assert model.labels.multi_label
    assert probabilities(model, ["good"]).sum() != pytest.approx(1, abs=1e-6)


def f1_of(found, true):
    return 2 * (found & true).sum() / max(1, found.sum() + true.sum())


def test_thresholds_have_the_highest_f1_on_validation_documents(topical, files):
    valid = files(topics(60, seed=2), "valid.txt", separator=",")
    model = train(topical, valid=valid, epochs=2, learning_rate=0.01)
    found = model.predictor()(encode_documents(column_blocks(valid, "text", len), model.tokenizer, model.vocabulary))
    true = model.labels.encode(pl.concat(valid.blocks())["labels"]).matrix(3)
    assert not np.allclose(model.thresholds, 0.5)
    for label in range(3):
        best = max(f1_of(found[:, label] >= threshold, true[:, label]) for threshold in found[:, label])
        assert f1_of(found[:, label] >= model.thresholds[label], true[:, label]) == pytest.approx(best)


def test_thresholds_are_a_half_without_validation(topical):
    model = train(topical, batches=dataclasses.replace(BATCHES, held_out=0.0), epochs=1)
    assert model.thresholds.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("threshold", [0.25, 0.75])
def test_a_threshold_that_is_given_is_kept(topical, tmp_path, threshold):
    model = train(topical, options(model={"threshold": threshold}), keep=tmp_path / "out", epochs=1)
    assert model.thresholds.tolist() == [threshold] * 3
    assert described(tmp_path / "out")["options"]["labels"]["thresholds"] == [threshold] * 3


def test_the_validation_accuracy_of_the_result_is_that_with_its_thresholds(topical, files, tmp_path):
    valid = files(topics(60, seed=2), "valid.txt", separator=",")
    model = train(topical, valid=valid, keep=tmp_path / "out", epochs=2, learning_rate=0.01)
    facts, records = described(tmp_path / "out"), log_of(tmp_path / "out")
    assert facts["scores"]["valid_accuracy"] == pytest.approx(evaluate_classifier(model, valid).accuracy)
    assert facts["scores"]["valid_accuracy"] != records[facts["best_epoch"] - 1]["valid_accuracy"]  # which has thresholds of one half


def test_thresholds_come_back_from_the_folder(topical, tmp_path):
    model = train(topical, keep=tmp_path / "out")
    assert np.array_equal(load_model(tmp_path / "out", "classifier").thresholds, model.thresholds)


def test_topics_are_learnt(topical, files):
    model = train(topical, options(embedding={"initialization_scale": 0.1}), epochs=20)
    score = evaluate_classifier(model, files(topics(60, seed=3), "new.txt", separator=","))
    assert min(score.per_class[name].f1 for name in ("sea", "sky")) > 0.95


# ---- options -------------------------------------------------------------------------------------------------------------------------


def test_balanced_weights_lift_the_recall_of_a_rare_label(files):
    draw = random.Random(1)
    lines = [f"{'rare' if place % 12 == 0 else 'usual'}\t{' '.join(draw.choices(REST, k=4))}" for place in range(120)]
    noise = files([line + (" hint" if line.startswith("rare") or draw.random() < 0.2 else "") for line in lines])
    recalls = []
    for weights in ("none", "balanced"):
        model = train(noise, options(model={"class_weights": weights, "dropout": 0.0}), batches=DocumentConfig(8, held_out=0.0), epochs=6)
        recalls.append(evaluate_classifier(model, noise).per_class["rare"].recall)
    assert recalls[1] > recalls[0] + 0.3


def test_balanced_weights_count_for_several_labels(files):
    draw = random.Random(1)
    lines = [f"usual{',rare' if place % 10 == 0 else ''}\t{' '.join(draw.choices(REST, k=3))}" for place in range(80)]
    text = files([*lines, "other\tthe", "other\ta"], separator=",")
    chances = []
    for weights in ("none", "balanced"):
        model = train(text, options(model={"class_weights": weights, "dropout": 0.0, "threshold": 0.5}))
        chances.append(probabilities(model, ["the film"])[0, model.labels.names.index("rare")])
    assert chances[1] > chances[0] + 0.15


def test_weights_and_smoothing_are_not_in_the_validation_loss(files, tmp_path):
    text, valid = files(reviews(41)), files(reviews(21, seed=2), "valid.txt")
    chosen = options(model={"class_weights": "balanced", "label_smoothing": 0.3})
    model = train(text, chosen, valid=valid, keep=tmp_path / "out")
    found = model.predictor()(encode_documents(column_blocks(valid, "text", len), model.tokenizer, model.vocabulary))
    single = model.labels.encode(pl.concat(valid.blocks())["labels"]).single
    loss = -np.log(found[np.arange(21), single]).mean()
    assert described(tmp_path / "out")["scores"]["valid_loss"] == pytest.approx(loss, rel=1e-4)


def test_smoothed_labels_make_a_model_less_sure(reviewed):
    texts = [line.split("\t")[1] for line in reviews(60)]
    sure = [
        probabilities(train(reviewed, options(model={"label_smoothing": share, "dropout": 0.0}), epochs=20), texts).max(1).mean()
        for share in (0.0, 0.3)
    ]
    assert sure[0] > 0.98
    assert sure[1] < 0.93


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
def test_what_stands_after_the_longest_beginning_has_no_say(files, model):
    late = [line.replace("\t", "\tthe film the film ") for line in reviews(40)]
    trained = train(files(late), options(model={"max_tokens": 4, **model}), epochs=2)
    first, other, cut = probabilities(trained, ["the film the film good good", "the film the film bad", "the film the film"])
    assert np.array_equal(first, other) and np.array_equal(first, cut)
    assert len(trained.explain("the film the film good good").tokens) == 4


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
def test_long_and_empty_documents_are_trained_on_and_judged(files, model):
    long = " ".join(random.Random(1).choices(REST, k=20_000))
    lines = [*reviews(20), f"pos\t{long}", "neg\t", "neg\t   ", "pos\t"]
    trained = train(files(lines), options(model={"bidirectional": False, **model}), epochs=1)
    found = probabilities(trained, [long, "", "good", "unheard of", " "])
    assert np.isfinite(found).all()
    assert found.sum(1) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.array_equal(found[1], found[4])


@pytest.mark.parametrize(
    "model",
    [*ENCODERS.values(), {"pooling": "max"}, {"pooling": "weighted"}, {"encoder": "rnn", "pooling": "last"}],
    ids=lambda model: "-".join(str(value) for value in model.values()),
)
@pytest.mark.parametrize("multi_label", [False, True])
def test_many_documents_together_are_judged_as_each_alone(files, model, multi_label):
    text = files(topics(80), separator=",") if multi_label else files(reviews(60))
    trained = train(text, options(model=model), epochs=2)
    documents = encode_documents(column_blocks(text, "text", len), trained.tokenizer, trained.vocabulary)
    together = trained.predictor()(documents)
    for number in range(len(documents)):
        ids, lengths = documents.rows(np.array([number]))
        keep = torch.arange(ids.shape[1])[None] < int(lengths[0])
        with torch.no_grad():
            alone = trained.probabilities(torch.from_numpy(ids), keep)[0].numpy()
        assert together[number] == pytest.approx(alone, abs=2e-6)


def test_batches_of_few_tokens_see_every_document(reviewed):
    _, records = facts_of(reviewed, batches=DocumentConfig(batch_size=50, batch_tokens=5), epochs=1)
    assert records[0]["documents"] == 54


def test_rare_words_become_unk_where_asked(files):
    model = train(files(["pos\tonce good", *reviews(40)]), vocabulary=VocabularyConfig(min_count=2), epochs=1)
    assert "once" not in model.vocabulary and "good" in model.vocabulary


@pytest.mark.parametrize(
    ("rest", "error", "message"),
    [
        ({"resume": True, "overwrite": True}, ConfigError, "resume and overwrite are both set"),
        ({"patience": 2, "batches": DocumentConfig(held_out=0.0)}, ConfigError, "patience needs validation documents; give --valid FILE"),
        ({"schedule": "plateau", "batches": DocumentConfig(held_out=0.0)}, ConfigError, "the plateau schedule needs validation documents"),
        ({"chosen": options(embedding={"sparse": True})}, ConfigError, "sparse gradients of the embedding go with --optimizer sgd"),
        (
            {"optimizer": "sgd", "learning_rate": 1e9, "clip": 0.0},
            DivergedRun,
            "the run diverged; give a lower --learning-rate, or --clip 1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_cannot_be_trained_with_are_refused(reviewed, rest, error, message):
    with pytest.raises(error, match=message):
        train(reviewed, **rest)


@pytest.mark.parametrize("role", ["corpus", "valid"])
def test_standard_input_is_refused_in_several_processes(reviewed, tmp_path, role):
    texts = {"corpus": reviewed, role: open_labelled("-")}
    with pytest.raises(ConfigError, match="can be read only once, but 2 processes read it; give a file"):
        train(texts.pop("corpus"), **texts, keep=tmp_path / "out", devices=2)
    assert not (tmp_path / "out").exists()


# ---- documents that cannot be used ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["pos\tgood", "pos\tfine"], r"all 2 documents have a single label, 'pos'; a classifier needs at least two different ones"),
        (["good", "pos\tfine"], r"the only document has a single label, 'pos'"),
        (["good", "bad", ""], r"train\.txt.*2 bad.*train\.txt:1: expected 2 tab-separated fields \(label, text\), found 1"),
        ([], r"train\.txt: no token in 0 documents"),
        (["", ""], r"train\.txt: no token in 0 documents"),
        (["a\t", "b\t "], r"train\.txt: no token in 2 documents"),
    ],
    ids=["one label", "one label and a bad row", "bad rows", "nothing", "blank lines", "empty texts"],
)
def test_documents_that_cannot_be_used_are_refused_before_the_training(files, tmp_path, lines, message):
    told = []
    with pytest.raises(InputError, match=message):
        train(files(lines), keep=tmp_path / "out", reporter=Reporter(working=told.append))
    assert told == []
    train(files(reviews(20)), keep=tmp_path / "out", epochs=1)  # the folder is as free as before


def test_several_labels_are_refused_where_there_may_be_one(files):
    text = files(["a\tone", "a,b\ttwo"], separator=",")
    with pytest.raises(InputError, match=r"document 2 has several labels \(a, b\); give --multi-label, or one label per document"):
        train(text, options(model={"multi_label": False}))


# ---- vectors -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of 6 numbers for all words but those of praise."""
    folder, words = tmp_path_factory.mktemp("vectors") / "vectors", REST + BAD
    rows = np.random.default_rng(1).normal(size=(len(words), 6)).astype(np.float32)
    write_folder(Vectors(words, rows, np.arange(len(words), 0, -1)), folder)
    return str(folder), dict(zip(words, rows, strict=True))


def rows_kept(model, rows):
    matrix = model.embedding.matrix.detach().numpy()
    return [word for word, row in rows.items() if np.array_equal(matrix[model.vocabulary.id_of(word)], row)]


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
def test_frozen_vectors_stay_as_they_are_to_the_last_bit(reviewed, tmp_path, vectors, model):
    source, rows = vectors
    train(reviewed, options(model=model, embedding={"vectors": source, "freeze": True}), keep=tmp_path / "out", weight_decay=0.1)
    facts = described(tmp_path / "out")
    assert rows_kept(load_model(tmp_path / "out", "classifier"), rows) == list(rows)
    assert (facts["coverage"]["known_types"], facts["options"]["embedding"]["embedding_dim"]) == (len(rows), 6)
    assert set(GOOD) <= {moved["word"] for moved in facts["movement"]["most"]}


def test_vectors_that_are_not_frozen_move(reviewed, tmp_path, vectors):
    source, rows = vectors
    model = train(reviewed, options(embedding={"vectors": source}), keep=tmp_path / "out")
    moved = described(tmp_path / "out")["movement"]
    assert rows_kept(model, rows) == []
    assert moved["rows"] == len(rows) + len(GOOD) + 2
    assert 0 < moved["mean_distance"] < moved["max_distance"]


@pytest.mark.parametrize(
    ("embedding", "deviation"),
    [
        ({}, 0.02),
        ({"initialization_scale": 0.3}, 0.3),
        ({"vectors_std": 0.7}, 0.7),
        ({"initialization_scale": 0.0}, None),
        ({"freeze": True}, None),
    ],
)
def test_vectors_are_scaled_to_the_spread_of_random_rows_unless_frozen(reviewed, vectors, embedding, deviation):
    source, rows = vectors
    model = train(reviewed, options(embedding={"vectors": source, **embedding}), epochs=1, learning_rate=1e-9)
    numbers = np.stack([model.embedding.matrix.detach().numpy()[model.vocabulary.id_of(word)] for word in rows])
    expected = np.stack(list(rows.values()))
    np.testing.assert_allclose(numbers, expected if deviation is None else expected * deviation / expected.std(), atol=1e-5)


@pytest.mark.parametrize(("epoch", "kept"), [(3, True), (2, False)])
def test_vectors_are_unfrozen_at_the_epoch_that_was_given(reviewed, vectors, epoch, kept):
    source, rows = vectors
    embedding = {"vectors": source, "freeze": True, "unfreeze_epoch": epoch}
    model = train(reviewed, options(embedding=embedding), batches=DocumentConfig(8, held_out=0.0), epochs=2)
    assert (rows_kept(model, rows) == list(rows)) is kept


def test_vectors_in_the_folder_to_overwrite_are_refused(reviewed, finished):
    with pytest.raises(ConfigError, match="is in the output folder that is to be overwritten; give another --out"):
        train(reviewed, options(embedding={"vectors": str(finished)}), keep=finished, overwrite=True)


# ---- resume and overwrite ------------------------------------------------------------------------------------------------------------


def numbers(folder):
    times = ("seconds", "minutes", "documents_per_second")
    return [{name: value for name, value in record.items() if name not in times} for record in log_of(folder)]


@pytest.mark.parametrize("model", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("epoch", [2, 4])
def test_a_resumed_run_is_the_one_that_was_not_interrupted(reviewed, tmp_path, model, epoch):
    chosen = options(model={"input_dropout": 0.1, **model}, embedding={"word_dropout": 0.1})
    rest = {"chosen": chosen, "epochs": 4, "checkpoint_seconds": 0.0}
    train(reviewed, keep=tmp_path / "whole", **rest)
    with pytest.raises(InterruptedRun, match=f"interrupted in epoch {epoch}: its checkpoint is kept"):
        train(reviewed, keep=tmp_path / "out", reporter=interrupting(epoch), **rest)
    with pytest.raises(FormatError, match=r"out: holds an unfinished .* --resume"):
        load_model(tmp_path / "out", "classifier")
    train(reviewed, keep=tmp_path / "out", resume=True, **rest)
    assert numbers(tmp_path / "out") == numbers(tmp_path / "whole")
    for name in ("model.safetensors", "vocabulary.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == RESULT


def test_a_resume_tunes_the_same_thresholds(topical, tmp_path):
    whole = train(topical)
    with pytest.raises(InterruptedRun):
        train(topical, keep=tmp_path / "out", checkpoint_seconds=0.0, reporter=interrupting(3))
    resumed = train(topical, keep=tmp_path / "out", resume=True)
    assert np.array_equal(resumed.thresholds, whole.thresholds)


@pytest.fixture
def unfinished(reviewed, tmp_path):
    """A folder with a training that was interrupted in its second epoch, beside its text."""
    with pytest.raises(InterruptedRun):
        train(reviewed, keep=tmp_path / "out", checkpoint_seconds=0.0, reporter=interrupting(2))
    return tmp_path / "out"


def test_nothing_is_saved_of_a_first_epoch_that_is_interrupted(reviewed, tmp_path):
    with pytest.raises(InterruptedRun, match="interrupted in epoch 1: nothing is saved"):
        train(reviewed, keep=tmp_path / "out", reporter=interrupting(1))
    whole = train(reviewed)
    assert same_bits(train(reviewed, keep=tmp_path / "out", resume=True), whole)


def test_an_unfinished_run_is_left_alone_unless_asked(reviewed, unfinished):
    with pytest.raises(InputError, match="holds an unfinished run; give --resume to continue it, or --overwrite to start over"):
        train(reviewed, keep=unfinished)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"seed": 2}, "seed was 1, now 2"),
        ({"best_by": "loss"}, "best_by was 'accuracy', now 'loss'"),
        ({"chosen": options(model={"encoder": "cnn"})}, "encoder was 'average', now 'cnn'"),
        ({"chosen": options(model={"label_smoothing": 0.1})}, "label_smoothing was 0.0, now 0.1"),
        ({"batches": DocumentConfig(9)}, "batch_size was 8, now 9"),
        ({"vocabulary": VocabularyConfig(min_count=2)}, "min_count was 1, now 2"),
        ({"tokenizer": TokenizerConfig()}, "tokenizer was 'whitespace', now 'words'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_resume_with_other_options_is_refused(reviewed, unfinished, rest, message):
    with pytest.raises(ConfigError, match=message):
        train(reviewed, keep=unfinished, resume=True, **rest)


def test_a_resume_with_other_validation_documents_is_refused(reviewed, files, unfinished):
    with pytest.raises(ConfigError, match=r"valid was None, now '.*valid\.txt'"):
        train(reviewed, keep=unfinished, resume=True, valid=files(reviews(4), "valid.txt"))


@pytest.mark.parametrize(
    "lines",
    [list(reviews(59)), list(reviews(60, seed=2)), [line.replace("neg", "other") if "dull" in line else line for line in reviews(60)]],
    ids=["a line less", "other words", "other labels"],
)
def test_a_resume_with_another_text_is_refused(files, unfinished, lines):
    with pytest.raises(ConfigError, match="is of another text; give the same text to resume, or --overwrite to start over"):
        train(files(lines), keep=unfinished, resume=True)


@pytest.mark.parametrize("rest", [{"learning_rate": 0.02}, {"clip": 0.5}, {"checkpoint_seconds": 5.0}], ids=str)
def test_a_resume_with_another_rate_or_clipping_is_allowed(reviewed, unfinished, rest):
    train(reviewed, keep=unfinished, resume=True, **rest)
    assert len(log_of(unfinished)) == 3


def test_a_resume_with_more_epochs_is_the_longer_run(reviewed, unfinished, tmp_path):
    train(reviewed, keep=unfinished, resume=True, epochs=5)
    train(reviewed, keep=tmp_path / "whole", epochs=5)
    assert numbers(unfinished) == numbers(tmp_path / "whole")
    assert (unfinished / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_overwriting_starts_over(reviewed, unfinished):
    train(reviewed, keep=unfinished, overwrite=True, epochs=1)
    assert [record["epoch"] for record in log_of(unfinished)] == [1]


def test_a_damaged_checkpoint_is_reported(reviewed, unfinished):
    (unfinished / "checkpoint.ckpt").write_bytes(b"rubbish")
    with pytest.raises(FormatError, match=r"checkpoint\.ckpt: damaged"):
        train(reviewed, keep=unfinished, resume=True)


def test_a_finished_folder_is_left_alone_unless_asked(finished):
    with pytest.raises(InputError, match="holds a finished result; give --overwrite to replace it, or another --out"):
        train(text_of(finished), keep=finished)


def test_resuming_a_finished_run_returns_its_model(finished):
    before = (finished / "model.safetensors").stat().st_mtime_ns
    model = train(text_of(finished), keep=finished, resume=True)
    assert (finished / "model.safetensors").stat().st_mtime_ns == before
    assert not model.training and model.labels.names == ("neg", "pos")


def test_a_folder_of_something_else_is_left_alone(reviewed, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    for rest in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match=r"out: holds other files \(letter\.txt\); give an empty or new --out"):
            train(reviewed, keep=tmp_path / "out", **rest)


@pytest.mark.parametrize("missing", ["valid", "test"])
def test_nothing_is_removed_for_documents_that_are_not_there(reviewed, tmp_path, missing):
    train(reviewed, keep=tmp_path / "out", epochs=1)
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        train(reviewed, keep=tmp_path / "out", overwrite=True, **{missing: open_labelled(tmp_path / "gone.txt")})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_resuming_an_empty_folder_starts_a_run(reviewed, tmp_path):
    train(reviewed, keep=tmp_path / "out", resume=True, epochs=1)
    assert len(log_of(tmp_path / "out")) == 1
