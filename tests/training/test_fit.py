"""What a training makes of its losses, whichever model it is."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.training.scripted import Scripted, rates, train

from lexloom.errors import ConfigError, DivergedRun, FormatError, InterruptedRun
from lexloom.run_folder import TORCH_CHECKPOINT
from lexloom.training.reporter import Reporter


def interrupting(epoch):
    """A reporter that is a Ctrl-C in some epoch."""

    def working(now):
        if now.epoch == epoch:
            raise KeyboardInterrupt

    return Reporter(working=working)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to; `pass_seconds` of it with each look."""
    clock = SimpleNamespace(now=0.0, pass_seconds=0.0)

    def monotonic():
        clock.now += clock.pass_seconds
        return clock.now

    monkeypatch.setattr("lexloom.training.callbacks.time", SimpleNamespace(monotonic=monotonic))
    return clock


# ---- epochs --------------------------------------------------------------------------------------------------------------------------


def test_every_epoch_goes_through_its_own_batches(tmp_path):
    model = Scripted()
    train(model, tmp_path, epochs=3)
    assert model.seen == [0, 1, 2, 100, 101, 102, 200, 201, 202]


@pytest.mark.parametrize("batches", [1, 7, 8, 9, 17])
def test_each_batch_is_a_step_however_many_lightning_is_given_at_a_time(tmp_path, batches):
    model, told = Scripted([1.0, 1.0]), []
    train(model, tmp_path, epochs=2, batches=batches, reporter=Reporter(working=lambda now: told.append((now.epoch, now.fraction))))
    assert model.seen == [100 * epoch + batch for epoch in range(2) for batch in range(batches)]
    assert model.validated == [-batches, -2 * batches]
    assert {(1, 1.0), (2, 1.0)} <= set(told)


def test_each_epoch_is_recorded_and_logged(tmp_path):
    told = []
    conductor = train(Scripted([3.0, 2.0]), tmp_path, epochs=2, reporter=Reporter(epoch=told.append))
    logged = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert logged == conductor.history.records == told
    assert [record["epoch"] for record in logged] == [1, 2]
    assert [record["valid_loss"] for record in logged] == [3.0, 2.0]
    assert [(record["train_loss"], record["tokens"]) for record in logged] == [(1.0, 3)] * 2
    assert all(record["tokens_per_second"] > 0 for record in logged)


def test_training_and_its_libraries_are_silent(tmp_path, capfd):
    train(Scripted([3.0, 2.0]), tmp_path, epochs=2)
    assert tuple(capfd.readouterr()) == ("", "")


def test_whatever_reports_hears_of_the_work(tmp_path):
    told = []
    train(Scripted(), tmp_path, epochs=2, reporter=Reporter(working=told.append))
    assert [(now.epoch, round(now.fraction, 3)) for now in told][-1] == (2, 1.0)
    assert [now.done for now in told] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])


def test_curves_are_written_for_tensorboard_too(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Scripted([3.0, 2.0, 2.5]), tmp_path, epochs=3, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("valid_loss")] == [(1, 3.0), (2, 2.0), (3, 2.5)]


# ---- validation ----------------------------------------------------------------------------------------------------------------------


def test_the_best_epoch_is_kept(tmp_path):
    model = Scripted([3.0, 1.0, 2.0, 1.5])
    conductor = train(model, tmp_path)
    assert conductor.history.best_epoch == 2
    assert conductor.best["weight"].tolist() == [-6.0, -6.0]  # three steps an epoch
    assert model.weight[0].item() == -12


def test_an_equal_loss_is_no_better(tmp_path):
    conductor = train(Scripted([2.0, 2.0, 2.0]), tmp_path, epochs=3, schedule="plateau")
    assert conductor.history.best_epoch == 1
    assert rates(conductor) == [1, 1, 0.5]


def test_without_validation_the_last_weights_stay(tmp_path):
    conductor = train(Scripted(), tmp_path)
    assert (conductor.best, conductor.history.best_epoch) == (None, None)
    assert [record["valid_loss"] for record in conductor.history.records] == [None] * 4


def test_plateau_halves_after_each_epoch_that_is_not_the_best_so_far(tmp_path):
    conductor = train(Scripted([3.0, 3.5, 3.2, 2.0, 2.5, 1.0]), tmp_path, epochs=6, schedule="plateau")
    assert rates(conductor) == [1, 1, 0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 5), (3, 6), (9, 8)])
def test_training_stops_when_patience_ends(tmp_path, patience, epochs):
    conductor = train(Scripted([3.0, 3.5, 2.0, 2.5, 2.1, 2.2, 1.0, 1.5]), tmp_path, epochs=8, patience=patience)
    assert len(conductor.history.records) == epochs


def test_validation_is_done_without_dropout_and_training_goes_on_with_it(tmp_path):
    model = Scripted([1.0, 1.0])
    train(model, tmp_path, epochs=2)
    assert (len(model.seen), len(model.validated)) == (6, 2)


# ---- steps ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clip", "length"), [(0.0, 70.7107), (1.0, 1.0), (0.25, 0.25), (1000.0, 70.7107)])
def test_gradients_are_clipped_to_the_norm_or_not_at_all(tmp_path, clip, length):
    model = Scripted(steepness=50.0)
    train(model, tmp_path, epochs=1, batches=1, clip=clip)
    assert model.weight.norm().item() == pytest.approx(length, rel=1e-4)


def test_cosine_goes_through_the_whole_training(tmp_path):
    told = []
    train(
        Scripted(), tmp_path, epochs=2, schedule="cosine", warmup=0.5, reporter=Reporter(working=lambda now: told.append(now.learning_rate))
    )
    expected = [1e-3, 1 / 3, 2 / 3, 1, 0.5 * (1 + math.cos(math.pi / 3)), 0.5 * (1 + math.cos(2 * math.pi / 3))]
    assert told == pytest.approx(expected)


def test_averaged_sgd_is_validated_and_kept_as_its_average(tmp_path):
    model = Scripted([3.0, 2.0, 4.0, 5.0, 1.0])
    conductor = train(model, tmp_path, optimizer="asgd", nonmonotone=1, epochs=5, batches=2)
    # it averages once a loss is above the best of more than one epoch ago: after epoch 3, from step 7 on, of which torch leaves out one
    assert model.validated == [-2, -4, -6, -8, (-8 - 9 - 10) / 3]
    assert conductor.history.best_epoch == 5
    assert conductor.best["weight"][0].item() == -9
    assert model.weight[0].item() == -10


def test_without_validation_averaged_sgd_keeps_the_average_too(tmp_path):
    model = Scripted()
    conductor = train(model, tmp_path, optimizer="asgd", epochs=3, batches=2)
    assert conductor.best["weight"][0].item() == (-4 - 5 - 6) / 3
    assert model.weight[0].item() == -6


# ---- time ----------------------------------------------------------------------------------------------------------------------------


def test_training_stops_when_its_time_is_up(tmp_path, clock):
    clock.pass_seconds = 1
    conductor = train(Scripted([1.0] * 9), tmp_path, epochs=9, max_minutes=0.2)
    records = conductor.history.records
    assert 1 < len(records) < 9
    assert records[-1]["minutes"] >= 0.2
    assert records[-1]["tokens"] <= 3


@pytest.mark.parametrize("steps", [5, 8, 9, 13])
def test_time_ends_after_the_step_in_which_it_is_up(tmp_path, clock, steps):
    model = Scripted()

    def working(_now):
        clock.now += 60

    train(model, tmp_path, epochs=9, batches=10, max_minutes=steps - 1, reporter=Reporter(working=working))
    assert len(model.seen) == steps


def test_the_schedule_ends_with_the_time(tmp_path, clock):
    clock.pass_seconds = 1
    shares = []
    train(
        Scripted(), tmp_path, epochs=90, max_minutes=0.5, schedule="cosine", reporter=Reporter(working=lambda now: shares.append(now.done))
    )
    assert shares == sorted(shares)
    assert shares[0] < 0.1 and shares[-1] >= 1


@pytest.mark.parametrize(("seconds", "epochs"), [(0.0, [1, 2, 3, 4]), (3600.0, [1, 4])])
def test_a_checkpoint_is_written_of_the_first_epoch_when_the_last_is_old_and_at_the_end(tmp_path, monkeypatch, seconds, epochs):
    written = []
    real = torch.save

    def save(content, file, *arguments, **options):
        written.append(len(content["callbacks"]["Conductor"]["history"]["records"]))
        real(content, file, *arguments, **options)

    monkeypatch.setattr(torch, "save", save)
    train(Scripted(), tmp_path, checkpoint_seconds=seconds)
    assert written == epochs
    assert sorted(path.name for path in tmp_path.iterdir()) == [TORCH_CHECKPOINT, "training.jsonl"]


def test_what_a_killed_writer_leaves_behind_is_known_as_such(tmp_path, monkeypatch):
    from lexloom.run_folder import is_finished, mark

    replace = Path.replace

    def killed(path, place):
        if path.name.startswith(f".{TORCH_CHECKPOINT}"):
            raise RuntimeError
        return replace(path, place)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(RuntimeError):
        train(Scripted(), tmp_path, checkpoint_seconds=0.0)
    monkeypatch.undo()
    assert any(re.fullmatch(r"\.checkpoint\.ckpt\.\d+\.tmp", path.name) for path in tmp_path.iterdir())
    mark(tmp_path, {})
    assert not is_finished(tmp_path, {}, resume=True, overwrite=False, free=frozenset())
    assert not any(path.name.endswith(".tmp") for path in tmp_path.iterdir())


# ---- resume --------------------------------------------------------------------------------------------------------------------------

OPTIONS = {
    "sgd": {},
    "plateau": {"schedule": "plateau"},
    "one-cycle": {"schedule": "one-cycle", "optimizer": "adamw"},
    "averaged": {"optimizer": "asgd", "nonmonotone": 1},
}
SCRIPT = [3.0, 4.0, 2.0, 2.5, 2.25, 1.0]
TIMES = ("seconds", "minutes", "tokens_per_second")


def told(conductor):
    return [{name: value for name, value in record.items() if name not in TIMES} for record in conductor.history.records]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("epoch", [2, 4, 6])
def test_a_resumed_training_is_the_one_that_was_not_interrupted(tmp_path, options, epoch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = Scripted(SCRIPT)
    expected = train(whole, tmp_path / "whole", epochs=6, **options)
    broken, resumed = Scripted(SCRIPT), Scripted(SCRIPT)
    with pytest.raises(InterruptedRun, match=f"interrupted after {epoch - 1} whole epochs: its checkpoint is kept; the same command with"):
        train(broken, tmp_path / "broken", epochs=6, checkpoint_seconds=0.0, reporter=interrupting(epoch), **options)
    found = train(resumed, tmp_path / "broken", epochs=6, **options)
    assert told(found) == told(expected)
    assert resumed.seen == whole.seen[3 * (epoch - 1) :]
    assert resumed.drawn == whole.drawn[3 * (epoch - 1) :]
    assert resumed.validated == whole.validated[epoch - 1 :]
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(found.best["weight"], expected.best["weight"])
    assert found.history.best_epoch == expected.history.best_epoch


def test_the_best_weights_of_before_a_resume_are_kept(tmp_path):
    script = [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(InterruptedRun):
        train(Scripted(script), tmp_path, checkpoint_seconds=0.0, reporter=interrupting(3))
    found = train(Scripted(script), tmp_path)
    assert found.history.best_epoch == 1
    assert found.best["weight"].tolist() == [-3.0, -3.0]


@pytest.mark.parametrize("options", [{"epochs": 4}, {"epochs": 9, "patience": 2}], ids=["epochs", "patience"])
def test_nothing_is_left_to_train_after_the_end(tmp_path, options):
    script = [1.0, 2.0, 3.0, 4.0] + [5.0] * 5
    first = train(Scripted(script), tmp_path, **options)
    model = Scripted(script)
    again = train(model, tmp_path, **options)
    assert (model.seen, told(again)) == ([], told(first))
    assert torch.equal(again.best["weight"], first.best["weight"])


def test_nothing_is_left_to_train_after_the_time_is_up(tmp_path, clock):
    clock.pass_seconds = 1
    first = train(Scripted(), tmp_path, epochs=9, max_minutes=0.2)
    model = Scripted()
    again = train(model, tmp_path, epochs=9, max_minutes=0.2)
    assert (model.seen, told(again)) == ([], told(first))


def test_minutes_are_counted_on(tmp_path, clock):
    clock.pass_seconds = 1
    with pytest.raises(InterruptedRun):
        train(Scripted(), tmp_path, checkpoint_seconds=0.0, reporter=interrupting(3))
    minutes = [record["minutes"] for record in train(Scripted(), tmp_path).history.records]
    assert minutes == sorted(minutes)
    assert minutes[2] > minutes[1] > 0


def test_a_resumed_training_may_have_another_learning_rate(tmp_path):
    with pytest.raises(InterruptedRun):
        train(Scripted(), tmp_path, checkpoint_seconds=0.0, reporter=interrupting(3))
    model = Scripted()
    conductor = train(model, tmp_path, learning_rate=0.125)
    assert rates(conductor) == [1, 1, 0.125, 0.125]
    assert model.weight[0].item() == -6 - 6 * 0.125


def test_an_interruption_before_the_first_checkpoint_says_that_nothing_is_saved(tmp_path):
    with pytest.raises(InterruptedRun, match="interrupted after 0 whole epochs: nothing is saved"):
        train(Scripted(), tmp_path, reporter=interrupting(1))


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"not a checkpoint"])
def test_a_damaged_checkpoint_is_told_of(tmp_path, damage):
    train(Scripted(), tmp_path)
    checkpoint = tmp_path / TORCH_CHECKPOINT
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(FormatError, match=r"checkpoint\.ckpt: damaged, cannot go on from it"):
        train(Scripted(), tmp_path)


# ---- chance --------------------------------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_and_another_another(tmp_path):
    drawn = []
    for number, seed in enumerate((1, 1, 2)):
        (tmp_path / str(number)).mkdir()
        torch.manual_seed(number)  # what was drawn before does not matter
        model = Scripted()
        train(model, tmp_path / str(number), seed=seed)
        drawn.append(model.drawn)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == len(drawn[0])  # every epoch draws others


# ---- divergence ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [math.nan, math.inf, 2200.0])
@pytest.mark.parametrize(
    ("clip", "advice"), [(0.0, "give a lower --learning-rate, or --clip 1"), (1.0, "give a lower --learning-rate or --clip")]
)
def test_a_hopeless_training_loss_ends_the_training(tmp_path, loss, clip, advice):
    with pytest.raises(DivergedRun) as caught:
        train(Scripted(train={201: loss}), tmp_path, checkpoint_seconds=0.0, clip=clip)
    message = str(caught.value)
    assert "in epoch 3: the training diverged" in message
    assert advice in message
    assert message.endswith("; the last checkpoint is kept, and --resume goes on from it with these changed")
    assert [record["epoch"] for record in train(Scripted(), tmp_path, clip=clip).history.records] == [1, 2, 3, 4]


def test_a_hopeless_validation_loss_ends_the_training_before_it_is_saved(tmp_path):
    with pytest.raises(DivergedRun, match="the validation loss is nan in epoch 2"):
        train(Scripted([1.0, math.nan]), tmp_path, checkpoint_seconds=0.0)
    assert len(train(Scripted([1.0] * 4), tmp_path).history.records) == 4


def test_broken_weights_are_noticed_without_validation_too(tmp_path):
    with pytest.raises(DivergedRun, match=r"the training loss is nan in epoch 1: .* diverged; give a lower --learning-rate, or --clip 1$"):
        train(Scripted(steepness=math.inf), tmp_path, batches=1)
    assert not (tmp_path / TORCH_CHECKPOINT).exists()


# ---- what Lightning is told ----------------------------------------------------------------------------------------------------------


def test_a_strategy_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="strategy is 'telepathy': expected one of auto, ddp"):
        train(Scripted(), tmp_path, strategy="telepathy")


@pytest.mark.parametrize("options", [{"accelerator": "mps"}, {"accelerator": "gpu"}], ids=str)
def test_what_cannot_be_trained_on_is_one_line(tmp_path, options):
    if options.get("accelerator") == "gpu" and torch.cuda.is_available():
        options = {"accelerator": "gpu", "devices": 999}
    if options.get("accelerator") == "mps" and torch.backends.mps.is_available():
        options = {"accelerator": "mps", "devices": 2}
    with pytest.raises(ConfigError, match="cannot train so: "):
        train(Scripted(), tmp_path, **options)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_runs(tmp_path, precision):
    model = Scripted([2.0, 1.0])
    train(model, tmp_path, epochs=2, precision=precision)
    assert model.weight.dtype == torch.float32 and model.weight[0].item() == -6


def test_threads_are_those_that_were_asked_for(tmp_path):
    seen = []
    before = torch.get_num_threads()
    try:
        train(Scripted(), tmp_path, threads=2, reporter=Reporter(working=lambda _now: seen.append(torch.get_num_threads())))
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {2}
