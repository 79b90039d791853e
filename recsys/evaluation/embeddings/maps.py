"""Two-dimensional maps of embeddings by t-SNE or PCA, and the points to label on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.evaluation.embeddings.neighbourhoods import centred

Points = NDArray[np.float64]
"""[n, 2], each axis from 0 to 1."""


def flat_map(
    vectors: NDArray[np.float32], method: Literal["tsne", "pca"] = "tsne", seed: int = 0, perplexity: float = 30.0
) -> Points:
    """Projection of ``vectors`` [n, D] to points [n, 2] that preserves neighbours by cosine.

    ``tsne`` (van der Maaten & Hinton, 2008) keeps neighbours together: distances between far groups mean nothing.
    ``pca`` keeps the two directions of largest spread.

    Args:
        vectors: [n, D].
        method: see above.
        seed: of t-SNE.
        perplexity: of t-SNE, roughly the number of neighbours; lowered to (n - 1) / 3 for few points.
    """
    left, size, _ = np.linalg.svd(centred(vectors), full_matrices=False)
    principal = (left * size)[:, :50]
    if method == "pca":
        return _framed(principal[:, :2])
    from sklearn.manifold import TSNE

    nearby = min(perplexity, (len(vectors) - 1) / 3)
    made = TSNE(2, perplexity=nearby, init="pca", random_state=seed % 2**32).fit_transform(principal)
    return _framed(made)


def landmarks(points: Points, weight: NDArray[np.floating] | NDArray[np.integer], columns: int, rows: int) -> Rows:
    """The point of largest weight in each cell of a grid over the map; empty cells have none.

    Args:
        points: [n, 2] in 0..1.
        weight: [n], such as popularity.
        columns: number of columns of the grid.
        rows: number of rows of the grid.

    Example:
        >>> landmarks(np.array([[0.1, 0.1], [0.2, 0.2], [0.9, 0.9]]), np.array([1, 5, 1]), 2, 2).tolist()
        [1, 2]
    """
    cells = _cells(points, columns, rows)
    order = np.lexsort((np.arange(len(points)), -np.asarray(weight, np.float64), cells))
    first = np.flatnonzero(np.diff(cells[order], prepend=-1))
    return order[first]


def cell_centres(points: Points, columns: int, rows: int) -> Points:
    """The middle of the cell that each of ``points`` [n, 2] lies in."""
    cells = _cells(points, columns, rows)
    return np.stack([(cells % columns + 0.5) / columns, (cells // columns + 0.5) / rows], 1)


def leading_tag(tags: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.int64]:
    """int64 [n]: the position in ``names`` of the first that each item has as a tag; ``len(names)`` where none.

    Example:
        >>> leading_tag([["Drama", "War"], ["Western"]], ["War", "Drama"]).tolist()
        [0, 2]
    """
    return np.array([next((n for n, name in enumerate(names) if name in own), len(names)) for own in tags], np.int64)


def _framed(points: NDArray[np.floating]) -> Points:
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / np.maximum(high - low, 1e-12), np.float64)


def _cells(points: Points, columns: int, rows: int) -> NDArray[np.int64]:
    place = np.minimum(points * [columns, rows], [columns - 1, rows - 1]).astype(np.int64)
    return np.asarray(place[:, 0] + columns * place[:, 1], np.int64)
