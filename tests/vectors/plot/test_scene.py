import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.vectors.plot.scene import fits, place_beside


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60))
def test_no_label_beside_its_marker_covers_anything_or_leaves_the_canvas(seed, n):
    random = np.random.default_rng(seed)
    points, sizes, radii = random.uniform(0, 300, (n, 2)), random.uniform(5, 60, (n, 2)), random.uniform(1, 8, n)
    sides, middles, taken = place_beside(points, radii, sizes, 300, 300)
    placed = [number for number in range(n) if sides[number]]
    boxes = [(*(middles[number] - sizes[number] / 2), *(middles[number] + sizes[number] / 2)) for number in placed]
    markers = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(points, radii, strict=True)]
    for number, box in enumerate(boxes):
        assert min(box) >= 0 and max(box) <= 300
        assert not any(overlap(box, other) for other in [*boxes[:number], *markers])
    np.testing.assert_allclose(taken, np.array([*markers, *boxes]).reshape(-1, 4))


def test_a_lone_label_stands_to_the_right():
    sides, middles, _ = place_beside(np.array([[50.0, 50.0]]), np.array([4.0]), np.array([[30.0, 10.0]]), 200, 100)
    assert (sides, middles.tolist()) == (["middle right"], [[72, 50]])


def test_the_first_labels_take_the_best_sides_and_the_last_have_none():
    points, sizes = np.tile([[50.0, 50.0]], (6, 1)), np.tile([[30.0, 12.0]], (6, 1))
    sides, _, _ = place_beside(points, np.full(6, 6.0), sizes, 100, 100)
    assert sides == ["middle right", "top center", "bottom center", "middle left", "", ""]


@pytest.mark.parametrize(
    ("box", "fit"),
    [((0, 0, 10, 10), True), ((50, 50, 60, 60), False), ((30, 40, 40, 50), True), ((95, 0, 105, 10), False), ((0, -1, 5, 5), False)],
)
def test_a_box_fits_inside_the_canvas_beside_what_is_taken(box, fit):
    assert fits(np.array(box), np.array([[40.0, 40, 55, 55]]), 100, 100) is fit
