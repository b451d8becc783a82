import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.vectors.plot.labels import place_labels


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60))
def test_no_label_covers_a_label_or_a_marker_or_leaves_the_canvas(seed, n):
    random = np.random.default_rng(seed)
    points, sizes = random.uniform(0, 300, (n, 2)), random.uniform(5, 60, (n, 2))
    radii = random.uniform(1, 8, n)
    places = place_labels(points, sizes, radii, (300, 300), gaps=(2, 20))
    boxes = [(place.left, place.bottom, place.left + w, place.bottom + h) for place, (w, h) in zip(places, sizes, strict=True) if place]
    markers = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(points, radii, strict=True)]
    assert len(places) == n
    for number, box in enumerate(boxes):
        assert min(box) >= 0 and max(box) <= 300
        assert not any(overlap(box, other) for other in boxes[:number])
        assert not any(overlap(box, marker) for marker in markers)


def test_a_lone_label_stands_close_to_the_right():
    [place] = place_labels(np.array([[50.0, 50.0]]), np.array([[30.0, 10.0]]), np.array([4.0]), (200, 100), gaps=(2, 20))
    assert (place.left, place.bottom, place.side, place.apart) == (56, 45, "middle right", False)


def test_the_first_labels_take_the_best_places_and_the_last_go_without():
    points, sizes = np.tile([[50.0, 50.0]], (40, 1)), np.tile([[46.0, 20.0]], (40, 1))
    places = place_labels(points, sizes, np.full(40, 3.0), (100, 100), gaps=(2, 12))
    assert places[0].side == "top center"  # there is no room to the right
    assert places[0].apart is False
    assert places[-1] is None
