"""The map of the catalogue: items at the two directions of largest spread of their vectors, in groups of a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, svds

from recsys.data.schema import Kind
from recsys.data.vocabulary import Rows
from recsys.service.explorer.catalogue import Catalogue, leading_values, numbers
from recsys.service.explorer.item_vectors import Matrix, UnitVectors

POINTS = 3000
"""Items on a map, those with most interactions."""
_GROUPS = 8
_BANDS = 5


@dataclass(frozen=True, eq=False)
class FlatMap:
    """Points of items.

    Args:
        rows: int64 [n], of the items.
        points: float64 [n, 2], each axis from 0 to 1.
    """

    rows: Rows
    points: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: UnitVectors, catalogue: Catalogue) -> FlatMap:
        """The items with most interactions among those that have a vector."""
        order = np.argsort(-catalogue.counts, kind="stable")
        rows = order[vectors.valid[order]][:POINTS]
        return cls(rows, principal_plane(vectors.take(rows)))


def principal_plane(unit: Matrix) -> NDArray[np.float64]:
    """PCA of ``unit`` [n, D] to points [n, 2], scaled to 0..1 by the middle 98 %, so that outliers stand at the edge.

    Example:
        >>> principal_plane(np.float32([[1, 0], [0, 1], [0.6, 0.8]])).shape
        (3, 2)
    """
    size, dim = unit.shape
    if min(size, dim) < 3:
        wide = unit.toarray() if sp.issparse(unit) else np.asarray(unit)
        return _framed(np.pad(wide, ((0, 0), (0, 2)))[:, :2].astype(np.float64))
    mean = np.asarray(unit.mean(0), np.float64).ravel()
    centred = LinearOperator(
        (size, dim),
        matvec=lambda x: unit @ x.ravel() - mean @ x.ravel(),
        rmatvec=lambda y: unit.T @ y.ravel() - mean * y.sum(),
        dtype=np.float64,
    )
    left, spread, _ = svds(centred, k=2, v0=np.random.default_rng(0).random(min(size, dim)))
    points = (left * spread)[:, ::-1]
    points *= np.sign(points[np.abs(points).argmax(0), [0, 1]] + 1e-30)
    return _framed(points)


def groups(catalogue: Catalogue, rows: Rows, column: str) -> tuple[list[str], list[int]]:
    """The names of at most 8 groups, the most frequent first, and the group of each item; the last is of the others.

    Numbers and times are in five bands of equally many items.
    """
    items = catalogue.data.items
    if items.schema.columns[column].kind in (Kind.NUMERIC, Kind.TIME):
        return _bands(numbers(items, column)[rows])
    values = [leading_values(items, column)[row] for row in rows]
    texts, counts = np.unique([value for value in values if value] or [""], return_counts=True)
    names = [str(text) for text in texts[np.argsort(-counts, kind="stable")][:_GROUPS]]
    place = {name: number for number, name in enumerate(names)}
    return [*names, "other or none"], [place.get(value, len(names)) for value in values]


def colour_columns(catalogue: Catalogue) -> list[str]:
    """The columns by which a map can be coloured."""
    items = catalogue.data.items
    few = [
        name
        for name in items.schema.names(Kind.CATEGORICAL, Kind.TAGS)
        if len(set(leading_values(items, name))) <= max(40, len(items) // 10)
    ]
    return [*few, *items.schema.names(Kind.NUMERIC, Kind.TIME)]


def _bands(values: NDArray[np.float64]) -> tuple[list[str], list[int]]:
    known = values[np.isfinite(values)]
    if not len(known):
        return ["none"], [0] * len(values)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BANDS + 1)))
    inner = edges[1:-1]
    band = np.where(np.isfinite(values), np.searchsorted(inner, values, side="right"), len(inner) + 1)
    ends = [*zip(edges[:-1], edges[1:], strict=True)] or [(edges[0], edges[0])]
    return [*(f"{low:.6g} to {high:.6g}" for low, high in ends), "none"], band.tolist()


def _framed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.quantile(points, [0.01, 0.99], axis=0) if len(points) else (np.zeros(2), np.ones(2))
    return np.asarray(np.clip((points - low) / np.maximum(high - low, 1e-12), 0, 1), np.float64)
