import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from lexloom.errors import ConfigError
from lexloom.vectors.plot import project


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((40, 7)) * np.arange(1, 8)


def test_pca_is_that_of_scikit_learn_but_for_signs(rows):
    np.testing.assert_allclose(np.abs(project(rows)), np.abs(PCA(2).fit_transform(rows)), atol=1e-9)


def test_pca_turns_the_largest_loading_positive():
    rows = np.array([[-3.0, 0.1], [0, 0], [3, -0.1]])
    for order in ([0, 1, 2], [2, 1, 0]):
        points = project(rows[order])
        assert points[order.index(2), 0] > 0  # the row with the largest first coordinate lies to the right


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 3), (5, 1), (3, 2)])
def test_pca_takes_any_shape(shape):
    points = project(np.arange(np.prod(shape), dtype=float).reshape(shape) ** 2)
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_equal_rows_fall_on_one_point():
    assert np.ptp(project(np.ones((4, 3))), axis=0).tolist() == [0, 0]


def test_tsne_keeps_two_clusters_apart_and_repeats_with_its_seed():
    random = np.random.default_rng(0)
    rows = np.vstack([random.standard_normal((8, 5)), random.standard_normal((8, 5)) + 20])
    points = project(rows, "tsne", seed=3)
    assert points.shape == (16, 2)
    gap = np.linalg.norm(points[:8].mean(axis=0) - points[8:].mean(axis=0))
    assert gap > 2 * max(points[:8].std(), points[8:].std())
    assert np.array_equal(points, project(rows, "tsne", seed=3))


def test_tsne_of_too_few_rows_is_refused():
    with pytest.raises(ConfigError, match="method='tsne' for 3 rows: expected 4 or more"):
        project(np.eye(3), "tsne")


def test_tsne_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ConfigError, match=r"pip install 'lexloom\[plot\]'"):
        project(np.eye(9), "tsne")


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="method='umap': expected pca or tsne"):
        project(np.eye(3), "umap")


def test_tsne_takes_any_seed():
    project(np.random.default_rng(0).normal(size=(5, 3)), "tsne", seed=2**70)
