import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from lexloom.training.curves import add_perplexity, plot_curves

TRAINING, VALIDATION = "#0072B2", "#D55E00"


def record(epoch, train, valid=None):
    return {"epoch": epoch, "train_loss": train, "valid_loss": valid, "tokens_per_second": 1000}


def draw(records, path, **options):
    plot_curves(records, path, **options)
    picture = (imread(path)[..., :3] * 255).round().astype(int)
    assert picture.shape == (800, 1280, 3)
    return picture


def drawn(picture, colour):
    """Pixels of just this colour."""
    return int((picture == [int(colour[place : place + 2], 16) for place in (1, 3, 5)]).all(axis=2).sum())


def falling(epochs, valid=True):
    return [record(epoch, 4 + 2 / epoch, 4.5 + 2 / epoch + 0.01 * epoch if valid else None) for epoch in range(1, epochs + 1)]


@pytest.mark.parametrize("epochs", [2, 500])
def test_both_losses_are_drawn(tmp_path, epochs):
    picture = draw(falling(epochs), tmp_path / "new" / "curves.png", title="two curves")
    assert drawn(picture, TRAINING) > 500 and drawn(picture, VALIDATION) > 500
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.png"]


def test_without_validation_there_is_one_curve(tmp_path):
    picture = draw(falling(20, valid=False), tmp_path / "curves.png")
    assert drawn(picture, TRAINING) > 500 and drawn(picture, VALIDATION) == 0


def test_validation_every_tenth_epoch_is_a_curve_too(tmp_path):
    records = [line | ({} if line["epoch"] % 10 == 0 else {"valid_loss": None}) for line in falling(200)]
    assert drawn(draw(records, tmp_path / "curves.png"), VALIDATION) > 2000


def test_the_best_epoch_is_where_validation_is_lowest(tmp_path):
    rising = [record(epoch, 4.0, 4 + epoch / 10) for epoch in range(1, 11)]
    for name, records in (("first", rising), ("last", [*rising, record(11, 4.0, 4.05)])):
        picture = draw(records, tmp_path / f"{name}.png")
        orange = (picture == [0xD5, 0x5E, 0x00]).all(axis=2)
        columns = np.flatnonzero(orange[500:].any(axis=0))  # the lower end of the curve, away from the legend
        ring = columns.min() if name == "first" else columns.max()
        assert abs(ring - (100 if name == "first" else 1150)) < 60


@pytest.mark.parametrize(
    ("train", "valid"),
    [(4.0, 4.2), (0.0, None), (4.0, math.nan), (math.nan, 4.2), (math.nan, math.nan), (math.inf, None), (math.nan, math.inf)],
)
def test_one_epoch_is_enough(tmp_path, train, valid):
    picture = draw([record(1, train, valid)], tmp_path / "curves.png", title="one")
    assert (drawn(picture, TRAINING) > 0) == math.isfinite(train)
    assert (drawn(picture, VALIDATION) > 0) == (valid is not None and math.isfinite(valid))


@pytest.mark.parametrize("broken", [math.nan, -math.inf, 1e308])
def test_losses_that_are_not_finite_leave_a_gap(tmp_path, broken):
    whole = draw(falling(100), tmp_path / "whole.png")
    records = [line | ({"train_loss": broken} if 40 <= line["epoch"] < 60 else {}) for line in falling(100)]
    assert drawn(draw(records, tmp_path / "gap.png"), TRAINING) < 0.9 * drawn(whole, TRAINING)


@pytest.mark.parametrize("loss", [1e-12, 1e-300, 55.0, 1e99, -1e30])
def test_losses_of_any_size_are_drawn(tmp_path, loss):
    assert drawn(draw([record(1, loss, loss), record(2, 1.01 * loss, loss / 2)], tmp_path / "curves.png"), TRAINING) > 0


def test_no_epoch_at_all_is_a_picture_that_says_so(tmp_path):
    picture = draw([], tmp_path / "curves.png", title="nothing yet")
    assert drawn(picture, TRAINING) == 0 and (picture < 100).any()


def test_of_an_epoch_that_was_logged_twice_the_later_line_counts(tmp_path):
    once = [record(1, 5.0, 5.1), record(2, 4.0, 4.1), record(3, 3.0, 3.1)]
    plot_curves(once, tmp_path / "once.png")
    plot_curves([once[0], record(2, 9.0, 9.0), once[1], once[2]], tmp_path / "twice.png")
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "twice.png").read_bytes()


def test_lines_of_json_are_drawn_as_they_are_read_with_nan_in_them(tmp_path):
    lines = [json.dumps(line | {"learning_rate": 0.1}) for line in [*falling(4), record(5, math.nan, math.inf)]]
    assert drawn(draw([json.loads(line) for line in lines], tmp_path / "curves.png"), TRAINING) > 0


@pytest.mark.parametrize("title", ["costs $5 or $6", "语言 \U0010fffd", "a\nb", "\udcff", "x" * 500])
def test_any_title_is_drawn_as_it_is(tmp_path, title):
    draw(falling(3), tmp_path / "curves.png", title=title)


def test_a_picture_is_the_same_again_and_replaces_the_old_one(tmp_path):
    out = tmp_path / "curves.png"
    plot_curves(falling(5), out, title="t")
    first = out.read_bytes()
    plot_curves(falling(6), out, title="t")
    assert out.read_bytes() != first
    plot_curves(falling(5), out, title="t")
    assert out.read_bytes() == first


# ---- the scale of perplexities -----------------------------------------------------------------------------------------------------


def perplexity_ticks(low, high):
    """The perplexities on the right of axes from one loss to another."""
    axes = FigureCanvasAgg(Figure()).figure.add_subplot()
    axes.set_ylim(low, high)
    add_perplexity(axes)
    axes.figure.canvas.draw()
    (right,) = axes.child_axes
    bottom, top = right.get_ylim()
    assert (bottom, top) == pytest.approx((math.exp(low), math.exp(high)))
    return [tick for tick in right.get_yticks() if bottom <= tick <= top]


@settings(max_examples=20, deadline=None)
@given(low=st.floats(-5, 12), height=st.floats(0.001, 30))
def test_the_scale_of_perplexities_has_neither_few_nor_many_ticks(low, height):
    assert 2 <= len(perplexity_ticks(low, low + height)) <= 16


def test_round_perplexities_are_chosen():
    assert perplexity_ticks(math.log(40), math.log(600)) == pytest.approx([50, 100, 200, 500])
    assert perplexity_ticks(math.log(90.2), math.log(95)) == pytest.approx([91, 92, 93, 94, 95])


def test_perplexities_beyond_any_scale_are_left_out():
    axes = Figure().add_subplot()
    axes.set_ylim(0, 100)
    add_perplexity(axes)
    assert not axes.child_axes
