import pytest
from matplotlib.figure import Figure

from lexloom.report.comparison import plot_arms

SCORES = {"average": {"random": [0.7, 0.8], "frozen": [0.6]}, "linear": {"random": [0.75, 0.75], "frozen": []}}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *rest, **options: figures.append(figure) or save(figure, *rest, **options))
    return figures


def test_every_seed_is_a_dot_and_every_arm_of_a_model_has_a_mean(tmp_path, drawn):
    plot_arms(SCORES, tmp_path / "out.png", metric="F1", title="$ one $")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    (axes,) = drawn[0].axes
    dots = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "o"]
    means = [container[0].get_ydata()[0] for container in axes.containers]
    assert dots == [[0.7, 0.8], [0.75, 0.75], [0.6]]
    assert means == pytest.approx([0.75, 0.75, 0.6])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["average", "linear"]
    assert (axes.get_title(), axes.get_ylabel()) == ("$ one $", "F1 (mean, standard deviation, every seed)")


def test_each_arm_is_in_the_legend_once(tmp_path, drawn):
    plot_arms(SCORES, tmp_path / "out.png")
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["random", "frozen"]
