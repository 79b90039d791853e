"""The map of the catalogue: items at the two directions of largest spread of their vectors, in groups of a column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.schema import Kind
from recsys.data.vocabulary import Rows
from recsys.service.explorer.catalogue import Catalogue, day, leading_values, numbers
from recsys.service.explorer.item_vectors import Matrix, UnitVectors

POINTS = 3000
"""Items on a map, those with most interactions."""
_GROUPS = 8
_BANDS = 5
_BLOCK, _ROUNDS = 12, 8
"""Of the randomized PCA (Halko, Martinsson and Tropp, 2011): directions, and power iterations."""


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
    """PCA of ``unit`` [n, D] to points [n, 2], by randomized subspace iteration.

    They are scaled to 0..1 by the middle 98 %, so that outliers stand at the edge.

    Example:
        >>> principal_plane(np.float32([[1, 0], [0, 1], [0.6, 0.8]])).shape
        (3, 2)
    """
    size, dim = unit.shape
    if min(size, dim) < 3:
        wide = unit.toarray() if isinstance(unit, sp.csr_array) else np.asarray(unit)
        return _framed(np.pad(wide, ((0, 0), (0, 2)))[:, :2].astype(np.float64))
    mean = np.asarray(unit.mean(0), np.float32).ravel()

    def times(x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The centred vectors times ``x`` [D, b]."""
        return np.asarray(unit @ x - mean @ x, np.float32)

    def transposed_times(y: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(unit.T @ y - np.outer(mean, y.sum(0)), np.float32)

    start = np.random.default_rng(0).standard_normal((dim, min(_BLOCK, size, dim))).astype(np.float32)
    basis = np.linalg.qr(times(start))[0]
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(times(np.linalg.qr(transposed_times(basis))[0]))[0]
    left, spread, _ = np.linalg.svd(transposed_times(basis).T, full_matrices=False)
    points = ((basis @ left) * spread)[:, :2].astype(np.float64)
    points *= np.sign(points[np.abs(points).argmax(0), [0, 1]] + 1e-30)
    return _framed(points)


def groups(catalogue: Catalogue, rows: Rows, column: str) -> tuple[list[str], list[int]]:
    """The names of at most 8 groups, the most frequent first, and the group of each item; the last is of the others.

    Numbers and times are in five bands of equally many items.
    """
    items = catalogue.data.items
    kind = items.schema.columns[column].kind
    if kind in (Kind.NUMERIC, Kind.TIME):
        return _bands(numbers(items, column)[rows], day if kind is Kind.TIME else "{:.6g}".format)
    every = leading_values(items, column)
    values = [every[row] for row in rows]
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
        if name in catalogue.columns and len(set(leading_values(items, name))) <= max(40, len(items) // 10)
    ]
    return [*few, *items.schema.names(Kind.NUMERIC, Kind.TIME)]


def _bands(values: NDArray[np.float64], written: Callable[[float], str]) -> tuple[list[str], list[int]]:
    known = values[np.isfinite(values)]
    if not len(known):
        return ["none"], [0] * len(values)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BANDS + 1)))
    inner = edges[1:-1]
    band = np.where(np.isfinite(values), np.searchsorted(inner, values, side="right"), len(inner) + 1)
    ends = [*pairwise(edges)] or [(edges[0], edges[0])]
    return [*(f"{written(float(low))} to {written(float(high))}" for low, high in ends), "none"], band.tolist()


def _framed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.quantile(points, [0.01, 0.99], axis=0) if len(points) else (np.zeros(2), np.ones(2))
    return np.asarray(np.clip((points - low) / np.maximum(high - low, 1e-12), 0, 1), np.float64)
