"""Project rows to two dimensions."""

from typing import Literal

import numpy as np

from lexloom.errors import ConfigError

ProjectionMethod = Literal["pca", "tsne"]

_PERPLEXITY = 30.0  # scikit-learn's default; it must be smaller for fewer than three times as many points


def project(rows: np.ndarray, method: ProjectionMethod = "pca", *, seed: int = 1) -> np.ndarray:
    """Project rows (n, E) to the plane.

    Args:
        rows: float (n, E), finite.
        method: `pca` keeps the two directions of the largest variance, `tsne` keeps neighbourhoods (needs scikit-learn).
        seed: the seed of t-SNE; PCA is deterministic.

    Returns:
        float64 (n, 2). PCA's axes are flipped so that the largest loading of each is positive; if there is no second
        direction (n or E below 2) its coordinate is 0.

    Raises:
        ConfigError: the method is unknown, scikit-learn is missing, or there are fewer than 4 rows for t-SNE.
    """
    if method == "pca":
        return _pca(np.asarray(rows, np.float64))
    if method == "tsne":
        return _tsne(np.asarray(rows, np.float64), seed)
    raise ConfigError(f"method={method!r}: expected pca or tsne")


def _pca(rows: np.ndarray) -> np.ndarray:
    points = np.zeros((len(rows), 2))
    if not rows.size:
        return points
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    axes = axes[:2]  # (up to 2, E)
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes *= np.where(largest < 0, -1, 1)[:, None]
    points[:, : len(axes)] = (rows - rows.mean(axis=0)) @ axes.T
    return points


def _tsne(rows: np.ndarray, seed: int) -> np.ndarray:
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ConfigError("method='tsne' needs scikit-learn: pip install 'lexloom[plot]'") from None
    if len(rows) < 4:
        raise ConfigError(f"method='tsne' for {len(rows)} rows: expected 4 or more; use pca")
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    # starting from PCA keeps the global arrangement the same for all seeds
    start = _pca(rows)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    points: np.ndarray = TSNE(perplexity=perplexity, init=start.astype(np.float32), random_state=seed % 2**32).fit_transform(rows)
    return points.astype(np.float64)
