import numpy as np
import pytest
from matplotlib.image import imread

from lexloom.errors import ConfigError
from lexloom.models.classifier.scores import ClassificationScore, LabelScore
from lexloom.report.confusion import plot_confusion

DARKEST = [8, 48, 107]  # of the map of colours: a share of 1


@pytest.fixture(autouse=True)
def _few_dots(monkeypatch):
    monkeypatch.setattr("lexloom.report.confusion._DPI", 50)


def score_of(names, confusion):
    per_class = {name: LabelScore(0.5, 0.5, 0.5, 1) for name in names}
    return ClassificationScore(1, 0.5, 0.5, 0.5, 0.1, per_class, {}, confusion, [])


def labels(number):
    return [f"label {place}" for place in range(number)]


def draw(names, confusion, path, **options):
    plot_confusion(score_of(names, np.asarray(confusion).tolist()), path, **options)
    return (imread(path)[..., :3] * 255).round().astype(int)


def dark(picture):
    """Pixels of the matrix in the darkest colour, (height, width)."""
    return (picture == DARKEST).all(axis=2)[:, : picture.shape[1] * 17 // 20]  # the bar is to the right


def some_numbers(size):
    return np.random.default_rng(1).integers(0, 50, (size, size))


def test_a_picture_of_few_labels_is_small(tmp_path, monkeypatch):
    monkeypatch.undo()
    assert draw(["a", "b"], [[9, 0], [0, 9]], tmp_path / "new" / "picture.png").shape == (512, 672, 3)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["picture.png"]


def test_a_picture_of_many_labels_is_large_but_has_a_bound(tmp_path):
    height, width, _ = draw(labels(30), some_numbers(30), tmp_path / "picture.png").shape
    assert (height / 50, width / 50) == (12, 13)  # inches


def test_what_is_always_right_is_dark_from_the_upper_left_to_the_lower_right(tmp_path):
    rows, columns = np.nonzero(dark(draw(["a", "b"], [[9, 0], [0, 9]], tmp_path / "picture.png")))
    upper, left = rows < rows.mean(), columns < columns.mean()
    assert len(rows) > 2000 and (upper == left).mean() > 0.98


def test_rows_are_true_labels_and_columns_what_was_predicted(tmp_path):
    rows, columns = np.nonzero(dark(draw(["a", "b"], [[0, 9], [0, 9]], tmp_path / "picture.png")))
    assert np.ptp(rows) > 1.9 * np.ptp(columns) and columns.min() > 100


def test_colour_is_the_share_of_the_true_label_so_that_many_documents_are_no_darker(tmp_path, monkeypatch):
    monkeypatch.setattr("lexloom.report.confusion._MOST_WRITTEN", 0)
    numbers = some_numbers(4)
    once = draw(labels(4), numbers, tmp_path / "once.png")
    assert (draw(labels(4), numbers * [[1], [2], [30], [1000]], tmp_path / "more.png") == once).all()


def test_the_numbers_of_few_labels_are_written(tmp_path):
    once = draw(["a", "b"], [[1, 3], [3, 1]], tmp_path / "once.png")
    assert (draw(["a", "b"], [[2, 6], [6, 2]], tmp_path / "twice.png") != once).any()


def test_of_many_labels_the_most_frequent_are_drawn_and_the_title_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("lexloom.report.confusion._MOST", 4)
    numbers = some_numbers(6)
    numbers[[0, 3]] = 0
    every = draw(labels(6), numbers, tmp_path / "all.png", title="data")
    kept, title = [1, 2, 4, 5], "data  (the 4 most frequent of 6 labels)"
    assert (draw([labels(6)[place] for place in kept], numbers[np.ix_(kept, kept)], tmp_path / "kept.png", title=title) == every).all()


def test_any_label_is_drawn_as_it_is_also_one_that_no_document_has(tmp_path):
    names = ["costs $5 or $6", "$\\frac$", "Käse слово", "语言 \U0010fffd", "a\nb", "\udcff", ""]
    numbers = some_numbers(7)
    numbers[2] = 0
    assert dark(draw(names, numbers // 40, tmp_path / "picture.png")).any()


@pytest.mark.parametrize("title", ["costs $5 or $\\frac$6", "语言\n\udcff" + "x" * 500])
def test_any_title_is_drawn_as_it_is(tmp_path, title):
    assert draw(["a", "b"], [[3, 1], [0, 2]], tmp_path / "picture.png", title=title).shape == (160, 210, 3)


def test_a_long_label_is_cut_with_an_ellipsis(tmp_path):
    long, cut = "x" * 500, "x" * 23 + "…"
    assert (draw([long, "b"], [[3, 1], [0, 2]], tmp_path / "a.png") == draw([cut, "b"], [[3, 1], [0, 2]], tmp_path / "b.png")).all()


def test_several_labels_have_no_picture(tmp_path):
    with pytest.raises(ConfigError, match="several labels, so there is no confusion matrix to draw"):
        plot_confusion(score_of(["a", "b"], None), tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_a_picture_is_the_same_again_and_replaces_what_was_there(tmp_path):
    score = score_of(["a", "b"], [[3, 1], [0, 2]])
    (tmp_path / "second.png").write_bytes(b"old")
    for name in ("first.png", "second.png"):
        plot_confusion(score, tmp_path / name, title="t")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
