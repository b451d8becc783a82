"""What a training makes of its losses, whichever model it is."""

import contextlib
import dataclasses
import io
import json
import math
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.fabric.loggers.csv_logs import CSVLogger
from tests.training.scripted import Numbers, Scripted, rates, train
from torch import nn

from lexloom.errors import ConfigError, DivergedRun, FormatError, InterruptedRun
from lexloom.run_folder import TORCH_CHECKPOINT
from lexloom.training.batches import TensorBatches
from lexloom.training.config import TrainingConfig
from lexloom.training.loop import fit
from lexloom.training.reporter import Reporter
from lexloom.training.trainable import Outcome, Player, Trainable


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

    monkeypatch.setattr("lexloom.training.loop.time", SimpleNamespace(monotonic=monotonic))
    return clock


# ---- epochs --------------------------------------------------------------------------------------------------------------------------


def test_every_epoch_goes_through_its_own_batches(tmp_path):
    model = Scripted()
    train(model, tmp_path, epochs=3)
    assert model.seen == [0, 1, 2, 100, 101, 102, 200, 201, 202]


@pytest.mark.parametrize("batches", [1, 7, 8, 9, 17])
def test_each_batch_is_a_step(tmp_path, batches):
    model, told = Scripted([1.0, 1.0]), []
    train(model, tmp_path, epochs=2, batches=batches, reporter=Reporter(working=lambda now: told.append((now.epoch, now.fraction))))
    assert model.seen == [100 * epoch + batch for epoch in range(2) for batch in range(batches)]
    assert model.validated == [-batches, -2 * batches]
    assert {(1, 1.0), (2, 1.0)} <= set(told)


def test_each_epoch_is_recorded_and_logged(tmp_path):
    told = []
    fitted = train(Scripted([3.0, 2.0]), tmp_path, epochs=2, reporter=Reporter(epoch=told.append))
    logged = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert logged == fitted.history.records == told
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
    fitted = train(model, tmp_path)
    assert fitted.history.best_epoch == 2
    assert fitted.best["weight"].tolist() == [-6.0, -6.0]  # three steps an epoch
    assert model.weight[0].item() == -12


def test_an_equal_loss_is_no_better(tmp_path):
    fitted = train(Scripted([2.0, 2.0, 2.0]), tmp_path, epochs=3, schedule="plateau")
    assert fitted.history.best_epoch == 1
    assert rates(fitted) == [1, 1, 0.5]


def test_without_validation_the_last_weights_stay(tmp_path):
    fitted = train(Scripted(), tmp_path)
    assert (fitted.best, fitted.history.best_epoch) == (None, None)
    assert [record["valid_loss"] for record in fitted.history.records] == [None] * 4


def test_plateau_halves_after_each_epoch_that_is_not_the_best_so_far(tmp_path):
    fitted = train(Scripted([3.0, 3.5, 3.2, 2.0, 2.5, 1.0]), tmp_path, epochs=6, schedule="plateau")
    assert rates(fitted) == [1, 1, 0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 5), (3, 6), (9, 8)])
def test_training_stops_when_patience_ends(tmp_path, patience, epochs):
    fitted = train(Scripted([3.0, 3.5, 2.0, 2.5, 2.1, 2.2, 1.0, 1.5]), tmp_path, epochs=8, patience=patience)
    assert len(fitted.history.records) == epochs


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
    fitted = train(model, tmp_path, optimizer="asgd", nonmonotone=1, epochs=5, batches=2)
    # it averages once a loss is above the best of more than one epoch ago: after epoch 3, from step 7 on, of which torch leaves out one
    assert model.validated == [-2, -4, -6, -8, (-8 - 9 - 10) / 3]
    assert fitted.history.best_epoch == 5
    assert fitted.best["weight"][0].item() == -9
    assert model.weight[0].item() == -10


def test_without_validation_averaged_sgd_keeps_the_average_too(tmp_path):
    model = Scripted()
    fitted = train(model, tmp_path, optimizer="asgd", epochs=3, batches=2)
    assert fitted.best["weight"][0].item() == (-4 - 5 - 6) / 3
    assert model.weight[0].item() == -6


@pytest.mark.parametrize("accumulate", [1, 2, 3, 8])
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path, accumulate, clip):
    """Batches of different sizes: the gradient is the mean over their items, not over batches."""
    data = torch.randn(29, 3, generator=torch.Generator().manual_seed(1))
    config = TrainingConfig(epochs=2, optimizer="sgd", learning_rate=0.1, clip=clip, threads=1, accelerator="cpu", accumulate=accumulate)
    small, large = Linear(), Linear()
    found = fit(small, config, TensorBatches(data, size=4, seed=1))
    expected = fit(large, dataclasses.replace(config, accumulate=1), TensorBatches(data, size=4 * accumulate, seed=1))
    torch.testing.assert_close(small.weight, large.weight, rtol=1e-6, atol=1e-7)
    one, other = found.history.records[-1], expected.history.records[-1]
    assert one["examples"] == other["examples"] == 29
    assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)


class Linear(Trainable):
    """Predicts the last of three numbers from the others."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, -0.5]))

    def measure(self, batch, state=None):
        (rows,) = batch
        loss = (rows[:, :2] @ self.weight - rows[:, 2]).square().sum()
        return Outcome(loss, len(rows), {"loss": (loss.detach(), len(rows))})


class Game(Trainable):
    """Two players: one is pulled to the other, which runs away from the first."""

    def __init__(self) -> None:
        super().__init__()
        self.chaser, self.runner = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(1.0))

    def players(self):
        return [Player([self.chaser]), Player([self.runner], "measure_runner")]

    def measure(self, batch, state=None):
        loss = (self.chaser - self.runner).square()
        return Outcome(loss, 1, {"loss": (loss.detach(), 1)})

    def measure_runner(self, batch, state=None):
        loss = -(self.runner - self.chaser.detach()).square()
        return Outcome(loss, 1, {"runner_loss": (loss.detach(), 1)})


def test_two_players_take_turns_on_each_batch():
    game = Game()
    config = TrainingConfig(epochs=1, optimizer="sgd", learning_rate=0.25, clip=0.0, threads=1, accelerator="cpu")
    record = fit(game, config, Numbers(1)).history.records[0]
    assert game.chaser.item() == 0.5  # half of the way
    assert game.runner.item() == 1.25  # away from where the chaser is now
    assert (record["train_loss"], record["train_runner_loss"]) == (1.0, -0.25)


def test_training_leaves_the_global_random_numbers_alone(tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    train(Scripted([1.0, 2.0, 3.0, 4.0]), tmp_path)
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_an_epoch_without_batches_is_refused():
    with pytest.raises(ConfigError, match="epoch 1 has no batch to train on"):
        fit(Linear(), TrainingConfig(epochs=1, threads=1, accelerator="cpu"), TensorBatches(torch.randn(0, 3), size=4))


def test_the_loss_is_a_metric_by_itself():
    class Plain(Linear):
        def measure(self, batch, state=None):
            outcome = super().measure(batch, state)
            return Outcome(outcome.loss, outcome.count)

    data, config = torch.randn(8, 3), TrainingConfig(epochs=1, threads=1, accelerator="cpu")
    plain, told = (fit(model, config, TensorBatches(data, size=4)).history.records[0] for model in (Plain(), Linear()))
    assert plain["train_loss"] == pytest.approx(told["train_loss"])


def test_time_that_is_up_at_once_leaves_one_update(tmp_path):
    model = Scripted([1.0])
    fitted = train(model, tmp_path, max_minutes=1e-9)
    assert (len(model.seen), fitted.history.records[0]["tokens"]) == (1, 1)


def test_numbers_of_numpy_in_a_record_go_through_a_checkpoint(tmp_path):
    config = TrainingConfig(epochs=2, threads=1, accelerator="cpu", keep_checkpoint=True)
    batches = TensorBatches(torch.randn(8, 3), size=4)
    fit(Linear(), config, batches, folder=tmp_path, score=lambda _record: {"more": np.float64(0.5)})
    again = fit(Linear(), dataclasses.replace(config, epochs=3), batches, folder=tmp_path)
    assert [record.get("more") for record in again.history.records] == [0.5, 0.5, None]


@pytest.mark.parametrize("interrupted", [False, True])
def test_loggers_hear_how_a_run_ends(tmp_path, interrupted):
    ends = []

    class Listening(CSVLogger):
        def finalize(self, status):
            ends.append(status)

    def working(_now):
        if interrupted:
            raise KeyboardInterrupt

    config = TrainingConfig(epochs=1, threads=1, accelerator="cpu")
    with pytest.raises(InterruptedRun) if interrupted else contextlib.nullcontext():
        fit(Linear(), config, TensorBatches(torch.randn(8, 3), size=4), reporter=Reporter(working=working), loggers=[Listening(tmp_path)])
    assert ends == ["aborted" if interrupted else "success"]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted = fit(Linear(), TrainingConfig(epochs=2, threads=1, accelerator="cpu"), TensorBatches(torch.randn(8, 3), size=4))
    assert [record["epoch"] for record in fitted.history.records] == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_loggers_of_lightning_get_the_record_of_each_epoch(tmp_path):
    logger = CSVLogger(tmp_path, name="log", version="")
    config = TrainingConfig(epochs=2, threads=1, accelerator="cpu")
    fit(Linear(), config, TensorBatches(torch.randn(8, 3), size=4), loggers=[logger])
    lines = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    assert len(lines) == 3
    assert {"epoch", "train_loss", "examples_per_second"} <= set(lines[0].split(","))


def test_a_sample_is_reported_after_an_epoch(tmp_path):
    told = []
    config = TrainingConfig(epochs=3, threads=1, accelerator="cpu")
    reporter = Reporter(sample=lambda epoch, text: told.append((epoch, text)))
    model = Linear()
    texts = {1: "one", 3: "three"}

    def sample(epoch):
        assert not model.training
        return texts.get(epoch)

    fit(model, config, TensorBatches(torch.randn(8, 3), size=4), reporter=reporter, sample=sample)
    assert told == [(1, "one"), (3, "three")]


# ---- time ----------------------------------------------------------------------------------------------------------------------------


def test_training_stops_when_its_time_is_up(tmp_path, clock):
    clock.pass_seconds = 1
    fitted = train(Scripted([1.0] * 9), tmp_path, epochs=9, max_minutes=0.6)
    records = fitted.history.records
    assert 1 < len(records) < 9
    assert records[-1]["minutes"] >= 0.6
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
    train(Scripted(), tmp_path, epochs=90, max_minutes=2, schedule="cosine", reporter=Reporter(working=lambda now: shares.append(now.done)))
    assert shares == sorted(shares)
    assert shares[0] < 0.1 and shares[-1] >= 1


@pytest.mark.parametrize(("seconds", "epochs"), [(0.0, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4]), (3600.0, [1, 4])])
def test_a_checkpoint_is_written_when_the_last_is_old_after_the_first_epoch_and_at_the_end(tmp_path, monkeypatch, seconds, epochs):
    written = []
    real = torch.save

    def save(content, file, *arguments, **options):
        written.append(len(content["history"]["records"]))
        real(content, file, *arguments, **options)

    monkeypatch.setattr(torch, "save", save)
    train(Scripted(), tmp_path, checkpoint_seconds=seconds)
    assert written == epochs
    assert sorted(path.name for path in tmp_path.iterdir()) == [TORCH_CHECKPOINT, "training.jsonl"]


def test_what_a_killed_writer_leaves_behind_is_known_as_such(tmp_path, monkeypatch):
    from lexloom.run_folder import claim, mark

    replace = Path.replace

    def killed(path, place):
        if path.name.startswith(f".{TORCH_CHECKPOINT}"):
            raise RuntimeError
        return replace(path, place)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(RuntimeError):
        train(Scripted(), tmp_path, checkpoint_seconds=0.0)
    monkeypatch.undo()
    assert any(re.fullmatch(r"\.checkpoint\.ckpt\.[0-9a-f]{16}\.tmp", path.name) for path in tmp_path.iterdir())
    mark(tmp_path, {})
    assert not claim(tmp_path, {}, resume=True, overwrite=False, free=frozenset())
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


def told(fitted):
    return [{name: value for name, value in record.items() if name not in TIMES} for record in fitted.history.records]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("epoch", [2, 4, 6])
def test_a_resumed_training_is_the_one_that_was_not_interrupted(tmp_path, options, epoch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = Scripted(SCRIPT)
    expected = train(whole, tmp_path / "whole", epochs=6, **options)
    broken, resumed = Scripted(SCRIPT), Scripted(SCRIPT)
    with pytest.raises(InterruptedRun, match=f"interrupted in epoch {epoch}: its checkpoint is kept; the same command with"):
        train(broken, tmp_path / "broken", epochs=6, checkpoint_seconds=0.0, reporter=interrupting(epoch), **options)
    found = train(resumed, tmp_path / "broken", epochs=6, **options)
    assert told(found) == told(expected)
    redone = len(broken.seen) - 1  # the batch in which it was interrupted
    assert resumed.seen == whole.seen[redone:]
    assert resumed.drawn == whole.drawn[redone:]
    assert resumed.carried == whole.carried[redone:]
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


def interrupted_after(batches, folder, **options):
    """Train with a Ctrl-C while the given batch is measured, counted from 1."""
    model = Scripted(SCRIPT)
    measure = model.measure

    def stop(batch, state=None):
        if model.training and len(model.seen) == batches - 1:
            raise KeyboardInterrupt
        return measure(batch, state)

    model.measure = stop
    with pytest.raises(InterruptedRun):
        train(model, folder, checkpoint_seconds=0.0, **options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("batch", [2, 3, 4, 8])
def test_a_run_resumes_from_the_middle_of_an_epoch_to_the_same_bits(tmp_path, options, batch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole, resumed = Scripted(SCRIPT), Scripted(SCRIPT)
    expected = train(whole, tmp_path / "whole", epochs=3, **options)
    interrupted_after(batch, tmp_path / "broken", epochs=3, **options)
    found = train(resumed, tmp_path / "broken", epochs=3, **options)
    assert resumed.seen == whole.seen[batch - 1 :]
    assert resumed.drawn == whole.drawn[batch - 1 :]
    assert resumed.carried == whole.carried[batch - 1 :]
    assert told(found) == told(expected)
    assert torch.equal(resumed.weight, whole.weight)


@pytest.mark.parametrize("schedule", ["constant", "plateau", "step"])
def test_more_epochs_on_a_resume_are_as_if_asked_for_at_first(tmp_path, schedule):
    (tmp_path / "whole").mkdir()
    (tmp_path / "raised").mkdir()
    options = {"schedule": schedule, "decay_after": 1}
    whole, resumed = Scripted(SCRIPT), Scripted(SCRIPT)
    expected = train(whole, tmp_path / "whole", epochs=6, **options)
    train(Scripted(SCRIPT), tmp_path / "raised", epochs=2, **options)
    found = train(resumed, tmp_path / "raised", epochs=6, **options)
    assert resumed.seen == whole.seen[6:]
    assert told(found) == told(expected)
    assert torch.equal(resumed.weight, whole.weight)


def test_more_patience_on_a_resume_is_as_if_asked_for_at_first(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "raised").mkdir()
    expected = train(Scripted(SCRIPT), tmp_path / "whole", epochs=6, patience=3)
    assert len(train(Scripted(SCRIPT), tmp_path / "raised", epochs=6, patience=1).history.records) == 2
    assert told(train(Scripted(SCRIPT), tmp_path / "raised", epochs=6, patience=3)) == told(expected)


def test_more_time_on_a_resume_goes_on_within_the_epoch_in_which_it_was_up(tmp_path, clock):
    def working(_now):
        clock.now += 60

    (tmp_path / "whole").mkdir()
    (tmp_path / "raised").mkdir()
    whole, cut, resumed = Scripted(SCRIPT), Scripted(SCRIPT), Scripted(SCRIPT)
    expected = train(whole, tmp_path / "whole", epochs=3)
    partial = train(cut, tmp_path / "raised", epochs=3, max_minutes=4, reporter=Reporter(working=working))
    assert (len(cut.seen), partial.history.records[-1]["tokens"]) == (5, 2)
    found = train(resumed, tmp_path / "raised", epochs=3, max_minutes=60)
    assert cut.seen + resumed.seen == whole.seen
    assert told(found) == told(expected)
    assert torch.equal(resumed.weight, whole.weight)


def test_a_resumed_training_may_have_another_learning_rate(tmp_path):
    with pytest.raises(InterruptedRun):
        train(Scripted(), tmp_path, checkpoint_seconds=0.0, reporter=interrupting(3))
    model = Scripted()
    fitted = train(model, tmp_path, learning_rate=0.125)
    assert rates(fitted) == [1, 1, 0.125, 0.125]
    assert model.weight[0].item() == -6 - 6 * 0.125


def test_an_interruption_before_the_first_checkpoint_says_that_nothing_is_saved(tmp_path):
    with pytest.raises(InterruptedRun, match="interrupted in epoch 1: nothing is saved"):
        train(Scripted(), tmp_path, reporter=interrupting(1))


def flipped(data):
    """Flip one bit of the first tensor."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        tensor = archive.read(next(name for name in archive.namelist() if name.endswith("data/0")))
    at = data.index(tensor)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"not a checkpoint", flipped])
def test_a_damaged_checkpoint_is_told_of(tmp_path, damage):
    train(Scripted(), tmp_path)
    checkpoint = tmp_path / TORCH_CHECKPOINT
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(FormatError, match=r"checkpoint\.ckpt: damaged, cannot resume from it"):
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
    assert "in epoch 3: the run diverged" in message
    assert advice in message
    assert message.endswith("; the last checkpoint is kept, and --resume continues from it with these changed")
    assert [record["epoch"] for record in train(Scripted(), tmp_path, clip=clip).history.records] == [1, 2, 3, 4]


def test_a_hopeless_validation_loss_ends_the_training_before_it_is_saved(tmp_path):
    with pytest.raises(DivergedRun, match="the validation loss is nan in epoch 2"):
        train(Scripted([1.0, math.nan]), tmp_path, checkpoint_seconds=0.0)
    assert len(train(Scripted([1.0] * 4), tmp_path).history.records) == 4


def test_broken_weights_are_noticed_without_validation_too(tmp_path):
    with pytest.raises(DivergedRun, match=r"the training loss is nan in epoch 1: .* diverged; give a lower --learning-rate, or --clip 1$"):
        train(Scripted(steepness=math.inf), tmp_path, batches=1)
    assert not (tmp_path / TORCH_CHECKPOINT).exists()


# ---- what Fabric is told ----------------------------------------------------------------------------------------------------------


def test_a_strategy_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="strategy is 'telepathy': expected one of auto, ddp"):
        train(Scripted(), tmp_path, strategy="telepathy")


@pytest.mark.parametrize("options", [{"accelerator": "mps"}, {"accelerator": "gpu"}], ids=str)
def test_what_cannot_be_trained_on_is_one_line(tmp_path, options):
    if options.get("accelerator") == "gpu" and torch.cuda.is_available():
        options = {"accelerator": "gpu", "devices": 999}
    if options.get("accelerator") == "mps" and torch.backends.mps.is_available():
        options = {"accelerator": "mps", "devices": 2}
    with pytest.raises(ConfigError, match="cannot train with these options: "):
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
