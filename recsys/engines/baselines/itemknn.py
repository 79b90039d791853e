"""Item-kNN: an item is scored by its similarity to the items of the history."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Engine, EngineConfig, FitContext, Request, Vectors
from recsys.engines.storage import csr_from, csr_parts, decayed_history, known_rows, load_arrays, save_arrays

_PAIRS = 1 << 24
"""Pairs of interactions of one user that are counted at a time."""


class ItemKNNConfig(EngineConfig):
    """Item neighbourhoods.

    Args:
        neighbours: kept per item.
        shrinkage: added to the denominator, so that similarities of rare items count less.
        weighting: of the user-item matrix before the cosine: ``binary``, or ``idf`` (active users count less).
        decay: weight of a step when a user's history is summed; 1 forgets the order.
    """

    neighbours: int = Field(100, ge=1)
    shrinkage: float = Field(10.0, ge=0)
    weighting: Literal["binary", "idf"] = "binary"
    decay: float = Field(1.0, gt=0, le=1)


class ItemKNN(Engine):
    r"""Shrunk cosine, :math:`s_{ij} = x_i \cdot x_j / (|x_i||x_j| + \lambda)`, cut to each item's best neighbours.

    (Sarwar et al., 2001; Dacrema et al., 2019, show how strong it is when tuned.) A user's vector is the decayed
    history, an item's vector holds the similarities to its neighbours; both are sparse.
    """

    kind = "itemknn"
    Config = ItemKNNConfig
    config: ItemKNNConfig

    items: Vocabulary
    weights: sp.csr_array
    counts: NDArray[np.int64]

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix = train.to_csr(data.n_users, data.n_items)
        if self.config.weighting == "idf":
            activity, seen = np.maximum(matrix.sum(1), 1), (self.counts > 0).sum()
            matrix = sp.diags_array(np.sqrt(np.log1p(seen / activity))).astype(np.float32) @ matrix
        self.weights = nearest_items(sp.csr_array(matrix), self.config.neighbours, self.config.shrinkage)

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, self.config.decay)
        return Vectors(sparse=history, valid=np.diff(history.indptr) > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        return Vectors(sparse=rows_of(self.weights, rows), valid=rows >= 0)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.items, {**csr_parts(self.weights), "counts": self.counts})

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, ItemKNNConfig)
        engine = cls(config)
        engine.items, engine.weights, engine.counts = items, csr_from(arrays), arrays["counts"]
        return engine


def rows_of(matrix: sp.csr_array, rows: NDArray[np.int64]) -> sp.csr_array:
    """The rows of ``matrix`` at ``rows``, empty where MISSING."""
    taken = matrix[np.maximum(rows, 0)]
    return sp.csr_array(sp.diags_array((rows >= 0).astype(np.float32)) @ taken)


def nearest_items(matrix: sp.csr_array, neighbours: int, shrinkage: float) -> sp.csr_array:
    """float32 [I, I]: the shrunk cosine of each item to its best neighbours, itself left out; ties by lower row.

    Memory is the result and the co-occurrences of some items at a time, `_PAIRS` or those of one item.

    Args:
        matrix: [U, I], weighted, no weight below zero.
        neighbours: kept per item; one with fewer co-occurrences has fewer.
        shrinkage: see `ItemKNN`.
    """
    norms = np.sqrt((matrix**2).sum(0)).astype(np.float32)
    transposed, lengths = sp.csr_array(matrix.T), np.diff(matrix.indptr)
    pairs = np.cumsum(np.bincount(matrix.indices, np.repeat(lengths, lengths), matrix.shape[1]))
    parts = []
    for rows in np.split(np.arange(matrix.shape[1]), np.flatnonzero(np.diff(pairs // _PAIRS)) + 1):
        part = sp.csr_array(transposed[rows] @ matrix)
        owner = np.repeat(rows, np.diff(part.indptr))
        part.data /= norms[owner] * norms[part.indices] + (shrinkage + 1e-12)
        part.data[part.indices == owner] = 0
        part.eliminate_zeros()
        part.sort_indices()
        parts.append(first_of_rows(part, neighbours))
    return sp.csr_array(sp.vstack(parts, format="csr"))


def first_of_rows(matrix: sp.csr_array, n: int) -> sp.csr_array:
    """The ``n`` largest entries of each row, columns ascending as they are; ties by lower column."""
    kept = np.ones(matrix.nnz, bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > n):
        start, stop = matrix.indptr[row : row + 2]
        kept[start + np.argsort(-matrix.data[start:stop], kind="stable")[n:]] = False
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)
