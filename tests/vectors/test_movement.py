import json
import math

import numpy as np
import pytest

from lexloom.errors import ConfigError
from lexloom.vectors.movement import movement


def moved(V=50, E=6, still=20):
    random = np.random.default_rng(0)
    start = random.normal(size=(V, E)).astype(np.float32)
    end = start + random.normal(size=(V, E)).astype(np.float32) * (np.arange(V) >= still)[:, None]
    return start, end, [f"w{number}" for number in range(V)], list(range(V, 0, -1))


def test_figures_are_those_of_a_plain_loop():
    start, end, tokens, counts = moved()
    found = movement(start, end, tokens, counts, k=3)
    distances, cosines = [], []
    for before, after in zip(start.astype(float), end.astype(float), strict=True):
        distances.append(math.dist(before, after))
        cosines.append(sum(before * after) / math.hypot(*before) / math.hypot(*after))
    order = sorted(range(50), key=lambda row: -distances[row])[:3]
    assert (found.rows, found.unmoved) == (50, 20)
    assert found.mean_distance == pytest.approx(np.mean(distances))
    assert found.median_distance == pytest.approx(np.median(distances))
    assert found.max_distance == pytest.approx(max(distances))
    assert found.mean_cosine == pytest.approx(np.mean(cosines))
    assert [(word.word, word.count) for word in found.most] == [(tokens[row], counts[row]) for row in order]
    assert [word.distance for word in found.most] == pytest.approx([distances[row] for row in order])
    assert [word.cosine for word in found.most] == pytest.approx([cosines[row] for row in order])


def test_words_that_did_not_move_are_not_named():
    start, end, tokens, counts = moved(still=48)
    assert {word.word for word in movement(start, end, tokens, counts, k=10).most} == {"w48", "w49"}


def test_rows_that_all_stay_have_moved_nowhere():
    start, _, tokens, counts = moved()
    found = movement(start, start.copy(), tokens, counts)
    assert (found.unmoved, found.max_distance, found.mean_cosine, found.most) == (50, 0.0, pytest.approx(1), ())


def test_a_zero_row_has_no_cosine():
    found = movement(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]), ["pad", "a"], [0, 1])
    assert found.mean_cosine == 0
    assert (found.most[0].word, found.most[0].distance) == ("pad", 5)
    assert math.isnan(found.most[0].cosine)
    assert found.as_dict()["most"][0]["cosine"] is None


@pytest.mark.parametrize("dtype", [np.float64, np.float16], ids=str)
def test_other_types_are_taken(dtype):
    start, end, tokens, counts = moved()
    found = movement(start.astype(dtype), end.astype(dtype), tokens, np.array(counts))
    assert found.max_distance == pytest.approx(movement(start, end, tokens, counts).max_distance, rel=0.05)


def test_many_rows_are_compared_part_by_part(monkeypatch):
    whole = movement(*moved())
    monkeypatch.setattr("lexloom.vectors.movement._ROWS_AT_A_TIME", 7)
    assert movement(*moved()) == whole


def test_the_result_is_plain_json():
    content = json.loads(json.dumps(movement(*moved(), k=1).as_dict(), allow_nan=False))
    assert content["unmoved"] == 20
    assert set(content["most"][0]) == {"word", "count", "distance", "cosine"}


@pytest.mark.parametrize(("V", "still", "named"), [(1, 0, 1), (1, 1, 0), (0, 0, 0)])
def test_one_row_or_none_is_enough(V, still, named):
    found = movement(*moved(V=V, still=still))
    json.dumps(found.as_dict(), allow_nan=False)
    assert (found.rows, len(found.most)) == (V, named)


def test_diverged_rows_are_no_json_trap():
    start, end, tokens, counts = moved()
    end[3] = math.nan
    json.dumps(movement(start, end, tokens, counts).as_dict(), allow_nan=False)


@pytest.mark.parametrize("change", ["end", "tokens", "counts"])
def test_shapes_that_do_not_agree_are_refused(change):
    start, end, tokens, counts = moved()
    parts = {"end": end, "tokens": tokens, "counts": counts}
    parts[change] = parts[change][:-1]
    with pytest.raises(ConfigError, match="expected two rows"):
        movement(start, **parts)
