"""EASE: the linear item-item model in closed form (Steck, WWW 2019, "Embarrassingly Shallow Autoencoders")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.neighbour_grams import NeighbourGrams
from recsys.engines.sparse import PackedGram, nearest_items, preferences, rows_of
from recsys.engines.storage import (
    csr_from,
    csr_parts,
    history_vectors,
    known_rows,
    load_arrays,
    save_arrays,
)
from recsys.errors import ArtifactError, ConfigError, DataError

MAX_DENSE_ITEMS = 40_000
"""The largest catalogue that is regressed on all items, which takes a matrix of 6.4 GB; a larger one needs
`EASEConfig.neighbours`."""


_LARGE = 1e12
"""Weights of 0 are looked for above this penalty, long before single precision loses them."""
_GRAM_BYTES = 1_700_000_000
"""The most memory of inner products: those of 29,000 items, each pair once, or of 100 neighbours of 82,000 items."""


class EASEConfig(EngineConfig):
    """Options of the ridge regression of every item on the others.

    Args:
        regularization: L2 penalty of the weights.
        dropout: p, the share of each history that is dropped in training, in expectation; adds ``p / (1 - p)`` times an
            item's number of interactions to its penalty.
        neighbours: each item is regressed on so many others, those of highest cosine, which gives sparse weights
            and needs no matrix of all items by all; 0 regresses on all.
        decay: weight of one step back in time when a user's history is scored; 1 ignores the order.
    """

    regularization: float = Field(100.0, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    neighbours: int = Field(0, ge=0)
    decay: float = Field(1.0, gt=0, le=1)


class EASE(Engine):
    r"""Linear item-item model in closed form (Steck, WWW 2019, "Embarrassingly Shallow Autoencoders for Sparse Data").

    .. math:: B = I - P \, \mathrm{diag}(P)^{-1}, \quad P = (X^\top X + \Lambda)^{-1}

    for the matrix X [U, I], zero on the diagonal: 1 for an interaction, or its weight divided by the mean where the
    data gives weights, and -1 for a dislike that is learnt (``data.non_likes``). The items of a user's history weigh
    ``decay ** steps_ago``, so that recent ones count more, though training ignores the order.
    :math:`\Lambda_{ii} = \lambda + \frac{p}{1 - p} d_i` with the item's degree d is the expectation over dropped inputs
    (Steck, NeurIPS 2020, "Autoencoders that don't overfit towards the Identity").

    Memory is I x I floats; with ``neighbours`` N it is I x N: each column of B is the same regression on the N items of
    highest cosine alone, as in SLIM with feature selection (Ning & Karypis, ICDM 2011), and the time grows with the sum
    over items of their neighbours' degrees.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> EASE(regularization=10, decay=0.9).fit(data).weights.shape
        (14, 14)
    """

    kind = "ease"
    Config = EASEConfig
    config: EASEConfig

    items: Vocabulary
    weights: NDArray[np.float32] | sp.csr_array
    """float32 [I, I]; row i holds the weight of every item in the score of item i, the transpose of B."""
    counts: NDArray[np.int64]
    weighted: bool = False
    """Whether training had weights, so that those of a history count too."""

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        neighbours = self.config.neighbours
        if not neighbours and data.n_items > MAX_DENSE_ITEMS:
            raise DataError(
                f"EASE needs a matrix of {data.n_items:,} x {data.n_items:,}, and the largest it takes has "
                f"{MAX_DENSE_ITEMS:,} items; set neighbours = 200 to regress each item on its neighbours alone"
            )
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix, self.weighted = preferences(data, train), train.has_weights
        degrees = np.asarray((matrix**2).sum(0), np.float32).ravel()
        penalty = self.config.regularization + self.config.dropout / (1 - self.config.dropout) * degrees
        if neighbours:
            context.tracker.progress(f"ease: {data.n_items:,} regressions on {neighbours} neighbours each")
            self.weights = local_weights(matrix, penalty, neighbours)
            return
        context.tracker.progress(f"ease: the Gram matrix of {data.n_items:,} items")
        gram = (matrix.T @ matrix).toarray()
        context.tracker.progress(f"ease: inverting {data.n_items:,} x {data.n_items:,}")
        self.weights = item_weights(gram, penalty)

    def user_vectors(self, request: Request) -> Vectors:
        return history_vectors(request, self.items, self.counts, self.config.decay, self.weighted)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        if isinstance(self.weights, sp.csr_array):
            return Vectors(sparse=rows_of(self.weights, rows), valid=rows >= 0)
        same = items.vocabulary.same_as(self.items)  # rows of items that training never saw are zero already
        vectors = self.weights if same else np.where((rows >= 0)[:, None], self.weights[rows], np.float32(0))
        return Vectors(sparse=vectors, valid=rows >= 0)

    def save(self, directory: Path) -> None:
        weights = csr_parts(self.weights) if isinstance(self.weights, sp.csr_array) else {"weights": self.weights}
        arrays = {**weights, "counts": self.counts, "weighted": np.array([self.weighted])}
        save_arrays(directory, self.config, self.items, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, EASEConfig, ("counts",))
        engine = cls(config)
        engine.items, engine.counts, engine.weighted = items, arrays["counts"], bool(arrays["weighted"][0])
        engine.weights = csr_from(arrays, len(items)) if config.neighbours else arrays["weights"]
        if engine.weights.shape != (len(items), len(items)):
            raise ArtifactError(f"{directory}: the weights are {engine.weights.shape}, and there are {len(items)} ids")
        return engine


def item_weights(gram: NDArray[np.float32], penalty: NDArray[np.float32]) -> NDArray[np.float32]:
    """EASE's weights of all items on all items, float32 [I, I]; row i holds the weight of each in the score of item i.

    The inverse is taken by Cholesky in the memory of ``gram``, which is overwritten; single precision is enough, for
    the penalty bounds the condition number.

    Args:
        gram: float32 [I, I], the co-occurrence counts.
        penalty: float32 [I], the L2 penalty of each item.

    Raises:
        ConfigError: the penalty is too small to bound the condition number, or so large that all weights are 0.
    """
    from scipy.linalg import lapack

    joint = penalty.min() > _LARGE and np.count_nonzero(gram) > np.count_nonzero(gram.diagonal())
    np.fill_diagonal(gram, gram.diagonal() + penalty)
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise _singular(penalty)
    inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert failed == 0, "the factor has a positive diagonal"
    weights: NDArray[np.float32] = inverse.T
    _mirror(weights)
    weights /= -weights.diagonal().copy()[:, None]
    np.fill_diagonal(weights, 0)
    if joint and not weights.any():
        raise _underflown(penalty)
    return weights


def local_weights(
    matrix: sp.csr_array,
    penalty: NDArray[np.float32],
    neighbours: int,
    block_floats: int = 1 << 24,
    gram_bytes: int = _GRAM_BYTES,
) -> sp.csr_array:
    r"""float32 [I, I]; row i holds :math:`(X_N^\top X_N + \Lambda_N)^{-1} X_N^\top x_i` at the neighbours N of item i.

    Solved in double precision, up to 64 items at a time. Memory is that of `nearest_items`, of ``block_floats`` doubles
    and of the result, and at most ``gram_bytes`` of inner products: those of all items where there is room for them,
    so that each pair of items is counted once; else those of the neighbours of many items at a time, or of one, by
    what takes fewer events.

    Args:
        matrix: X [U, I].
        penalty: float32 [I], the diagonal of :math:`\Lambda`.
        neighbours: items of highest cosine that an item is regressed on; one with fewer co-occurrences has fewer.
        block_floats: size of the linear systems that are solved at a time; at least one system is.
        gram_bytes: the most memory of inner products.

    Raises:
        ConfigError: the penalty is too small.
    """
    gram = PackedGram(matrix.shape[1]) if 4 * PackedGram.size(matrix.shape[1]) <= gram_bytes else None
    near = nearest_items(matrix, neighbours, shrinkage=0, gram=gram)
    gram_of = _gram_of(matrix, near, gram_bytes) if gram is None else gram.of
    weights = np.empty(near.nnz, np.float32)
    block = max(1, min(64, block_floats // max(int(np.diff(near.indptr).max(initial=1)), 1) ** 2))
    for start in range(0, len(penalty), block):
        rows = range(start, min(start + block, len(penalty)))
        lengths = np.diff(near.indptr[start : rows.stop + 1])
        width = lengths.max()
        systems, products = np.tile(np.eye(width), (len(rows), 1, 1)), np.zeros((len(rows), width))
        for index, (row, n) in enumerate(zip(rows, lengths, strict=True)):
            others = near.indices[near.indptr[row] : near.indptr[row + 1]]
            among = gram_of(np.append(others, row))
            systems[index, :n, :n], products[index, :n] = among[:n, :n], among[:n, n]
            systems[index, range(n), range(n)] += penalty[others]
        factors, failed = torch.linalg.cholesky_ex(torch.from_numpy(systems))
        if failed.any():
            raise _singular(penalty)
        solved = torch.cholesky_solve(torch.from_numpy(products)[:, :, None], factors)[:, :, 0].numpy()
        weights[near.indptr[start] : near.indptr[rows.stop]] = solved[np.arange(width) < lengths[:, None]]
    return sp.csr_array((weights, near.indices, near.indptr), shape=near.shape)


def _singular(penalty: NDArray[np.float32]) -> ConfigError:
    return ConfigError(
        f"ease cannot solve its regressions with a penalty of {penalty.min():g}: items with the same users make the "
        "matrix singular; raise `regularization`"
    )


def _underflown(penalty: NDArray[np.float32]) -> ConfigError:
    return ConfigError(
        f"all weights of ease are 0 with a penalty of {penalty.min():g}, so that no item tells of another; lower "
        "`regularization` (default 100) or `dropout` (default 0)"
    )


def _gram_of(
    matrix: sp.csr_array, near: sp.csr_array, gram_bytes: int
) -> Callable[[NDArray[np.integer]], NDArray[np.float32]]:
    """A function from the neighbours of an item and itself [n] to the inner products [n, n] of their columns."""
    grams, events = NeighbourGrams(matrix, near, gram_bytes), sp.csr_array(matrix.T)
    lengths = np.diff(matrix.indptr).astype(np.int64)
    of_each = int(np.diff(events.indptr).astype(np.int64)[near.indices].sum())
    return grams.of if grams.passes * int((lengths**2).sum()) <= of_each else lambda items: _gram(events[items])


def _gram(events: sp.csr_array) -> NDArray[np.float32]:
    """[n, n]: the inner products of the rows of ``events`` [n, U], in time that does not depend on U."""
    users, column = np.unique(events.indices, return_inverse=True)
    part = sp.csr_array((events.data, column, events.indptr), shape=(events.shape[0], len(users)))
    gram: NDArray[np.float32] = (part @ part.T).toarray()
    return gram


def _mirror(matrix: NDArray[np.float32], block: int = 1024) -> None:
    """Copies the upper triangle into the lower one, block by block."""
    n = len(matrix)
    for start in range(0, n, block):
        stop = min(start + block, n)
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
        square = matrix[start:stop, start:stop]
        lower = np.tril_indices(stop - start, -1)
        square[lower] = square.T[lower]
