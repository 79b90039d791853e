"""Sparse matrices of users and items: nearest neighbours, normalisation and singular vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.likes import learned_negatives
from recsys.data.interactions import Interactions

Floats = NDArray[np.float32]


def preferences(data: Dataset, train: Interactions) -> sp.csr_array:
    """float32 [U, I]: what linear item-item models learn from.

    1 for each pair of user and item of ``train``; where interactions have weights, their sum over the pair, divided by
    the mean of the sums, so that penalties keep their scale. -1 for each pair that is learnt as a negative
    (`recsys.data.feedback.likes.learned_negatives`).
    """
    matrix = train.to_csr(data.n_users, data.n_items, weighted=train.has_weights)
    if train.has_weights:
        matrix.data /= matrix.data.mean(dtype=np.float64)
    negatives = learned_negatives(data.non_likes, train, data.n_users, data.n_items)
    if not len(negatives):
        return matrix
    return sp.csr_array(matrix - negatives.to_csr(data.n_users, data.n_items))


def rows_of(matrix: sp.csr_array, rows: NDArray[np.int64]) -> sp.csr_array:
    """The rows of ``matrix`` at ``rows``, empty where MISSING."""
    taken = matrix[np.maximum(rows, 0)]
    return sp.csr_array(sp.diags_array((rows >= 0).astype(np.float32)) @ taken)


def nearest_items(matrix: sp.csr_array, neighbours: int, shrinkage: float, block_pairs: int = 1 << 24) -> sp.csr_array:
    """float32 [I, I]: the shrunk cosine of each item to its best neighbours, itself left out; ties by lower row.

    Memory is that of the result and of the co-occurrences of a block of items.

    Args:
        matrix: [U, I], weighted; negative where a user dislikes an item.
        neighbours: kept per item; one with fewer co-occurrences has fewer.
        shrinkage: see `ItemKNN`.
        block_pairs: pairs of interactions of one user that are counted at a time; at least those of one item are.
    """
    norms = np.sqrt((matrix**2).sum(0)).astype(np.float32)
    transposed, lengths = sp.csr_array(matrix.T), np.diff(matrix.indptr)
    pairs = np.cumsum(np.bincount(matrix.indices, np.repeat(lengths, lengths), matrix.shape[1]))
    parts = []
    for rows in np.split(np.arange(matrix.shape[1]), np.flatnonzero(np.diff(pairs // block_pairs)) + 1):
        part = sp.csr_array(transposed[rows] @ matrix)
        owner = np.repeat(rows, np.diff(part.indptr))
        part.data /= norms[owner] * norms[part.indices] + (shrinkage + 1e-12)
        part.data[(part.indices == owner) | (part.data == 0)] = -np.inf  # no neighbours, though after negative cosines
        part = first_of_rows(part, neighbours)
        part.data[np.isneginf(part.data)] = 0
        part.eliminate_zeros()
        parts.append(part)
    return sp.csr_array(sp.vstack(parts, format="csr"))


def first_of_rows(matrix: sp.csr_array, n: int) -> sp.csr_array:
    """The ``n`` largest entries of each row, with columns ascending; ties by lower column."""
    kept = np.ones(matrix.nnz, bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > n):
        start, stop = matrix.indptr[row : row + 2]
        values = matrix.data[start:stop]
        smallest = np.partition(values, len(values) - n)[len(values) - n]
        kept[start:stop] = values > smallest
        ties = np.flatnonzero(values == smallest)
        places = n - np.count_nonzero(kept[start:stop])
        kept[start + ties[np.argsort(matrix.indices[start + ties], kind="stable")[:places]]] = True
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    first = sp.csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)
    first.sort_indices()
    return first


def degrees(matrix: sp.csr_array, axis: int, power: float) -> sp.dia_array:
    """The diagonal matrix of ``degree ** power``, of users (``axis`` 1) or items (0); no degree counts as one."""
    counts = np.maximum(np.asarray((matrix != 0).sum(axis)).ravel(), 1)
    return sp.diags_array((counts.astype(np.float64) ** power).astype(np.float32))


def truncated_svd(
    matrix: sp.csr_array, rank: int, rng: np.random.Generator, rounds: int = 4, spare: int = 32
) -> tuple[Floats, Floats]:
    """The first right singular vectors [I, K] and values [K], largest first; values under a thirtieth of the largest
    are left out.

    Randomised subspace iteration (Halko, Martinsson & Tropp, 2011) on the side of the rows: ``rounds`` products with
    the matrix times its transpose, made orthonormal after each, on ``spare`` more columns than ``rank``.
    """
    transposed = sp.csr_array(matrix.T)
    basis = rng.standard_normal((matrix.shape[0], min(rank + spare, *matrix.shape)), np.float32)
    for _ in range(rounds):
        basis = _left_singular(matrix @ (transposed @ basis))[0]
    vectors, values = _left_singular(transposed @ basis)
    return vectors[:, :rank], values[:rank]


def _left_singular(columns: Floats) -> tuple[Floats, Floats]:
    """The left singular vectors [n, K] of ``columns`` [n, C] and the singular values [K], largest first.

    Computed from the eigenvectors of the Gram matrix by two matrix products, which is several times faster than a QR
    decomposition of a tall matrix, and exact enough where no singular value is thousands of times larger than another.
    Values under a thousandth of the largest are left out.
    """
    tall = torch.from_numpy(columns)
    squares, turn = torch.linalg.eigh(tall.T @ tall)
    squares, turn = squares.flip(0), turn.flip(1)
    kept = squares > 1e-6 * squares[0]
    lengths = squares[kept].sqrt()
    return (tall @ (turn[:, kept] / lengths)).numpy(), lengths.numpy()


def as_matrix(matrix: Any) -> Any:
    """A SciPy sparse array as a ``csr_matrix``, the class that the library implicit requires."""
    from scipy.sparse import csr_matrix

    return csr_matrix(matrix)
