"""Singular vectors of sparse matrices of users and items, and the weights of entries by degrees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.data.vocabulary import row_counts

Floats = NDArray[np.float32]
_TALL = 1 << 26
"""Entries of the largest basis that is held whole: 256 MiB."""
_ENTRIES = 1 << 24
"""Entries of a block of a larger one: 64 MiB."""


def degrees(matrix: sp.csr_array, axis: int, power: float) -> sp.dia_array:
    """The diagonal matrix of ``degree ** power``, of users (``axis`` 1) or items (0); no degree counts as one."""
    return sp.diags_array(_powers(matrix, axis, power))


def by_degrees(matrix: sp.csr_array, users: float, items: float) -> sp.csr_array:
    """float32 [U, I]: the entries times the degrees of their user and item to powers; the places are shared.

    Example:
        >>> by_degrees(sp.csr_array(np.array([[1, 1], [0, 1]], np.float32)), -0.5, -1.0).toarray().round(2)
        array([[0.71, 0.35],
               [0.  , 0.5 ]], dtype=float32)
    """
    of_users, of_items = _powers(matrix, 1, users), _powers(matrix, 0, items)
    data = np.empty(matrix.nnz, np.float32)
    for rows, part in _blocks(matrix, _ENTRIES // 256):
        weights = np.repeat(of_users[rows], np.diff(part.indptr))
        with np.errstate(over="ignore", invalid="ignore"):  # as of a product of matrices
            weights *= part.data
            weights *= of_items[part.indices]
        data[slice(*matrix.indptr[[rows.start, rows.stop]])] = weights
    return sp.csr_array((data, matrix.indices, matrix.indptr), matrix.shape)


def _powers(matrix: sp.csr_array, axis: int, power: float) -> Floats:
    counts = np.diff(matrix.indptr) if axis else row_counts(matrix.indices, matrix.shape[1])
    powers: Floats = (np.maximum(counts, 1).astype(np.float64) ** power).astype(np.float32)
    return powers


def truncated_svd(
    matrix: sp.csr_array, rank: int, rng: np.random.Generator, rounds: int = 4, spare: int = 32
) -> tuple[Floats, Floats]:
    """The first right singular vectors [I, K] and values [K], largest first; values under a thirtieth of the largest
    are left out.

    Randomised subspace iteration (Halko, Martinsson & Tropp, 2011) on the side of the rows: ``rounds`` products with
    the matrix times its transpose, made orthonormal after each, on ``spare`` more columns than ``rank``. A basis of
    more than 256 MiB is never held: its products are summed over blocks of rows.
    """
    columns = min(rank + spare, *matrix.shape)
    if matrix.shape[0] * columns > _TALL:
        side = _side_by_blocks(matrix, columns, rng, rounds)
    else:
        basis = rng.standard_normal((matrix.shape[0], columns), np.float32)
        for _ in range(rounds):
            side = matrix.T @ basis
            del basis
            basis = _left_singular(matrix @ side)[0]
        side = matrix.T @ basis
    vectors, values = _left_singular(side)
    return vectors[:, :rank], values[:rank]


def _side_by_blocks(matrix: sp.csr_array, columns: int, rng: np.random.Generator, rounds: int) -> Floats:
    """The transpose [I, U] times the basis of `truncated_svd`, of which a block of rows is held."""
    rows, side = max(_ENTRIES // columns, 1), np.zeros((matrix.shape[1], columns), np.float32)
    for _, part in _blocks(matrix, rows):
        side += part.T @ rng.standard_normal((part.shape[0], columns), np.float32)
    for _ in range(rounds):
        squares, sums = np.zeros((side.shape[1], side.shape[1]), np.float32), np.zeros_like(side)
        for _, part in _blocks(matrix, rows):
            basis = part @ side
            squares += basis.T @ basis
            sums += part.T @ basis
        side = sums @ _turn(torch.from_numpy(squares))[0].numpy()
    return side


def _blocks(matrix: sp.csr_array, rows: int) -> Iterator[tuple[slice, sp.csr_array]]:
    """Blocks of at most ``rows`` rows, of which SciPy makes a copy where it is much smaller than the matrix."""
    for start in range(0, matrix.shape[0], rows):
        stop = min(start + rows, matrix.shape[0])
        first, last = matrix.indptr[[start, stop]]
        parts = (matrix.data[first:last], matrix.indices[first:last], matrix.indptr[start : stop + 1] - first)
        yield slice(start, stop), sp.csr_array(parts, (stop - start, matrix.shape[1]))


def _left_singular(columns: Floats) -> tuple[Floats, Floats]:
    """The left singular vectors [n, K] of ``columns`` [n, C] and the singular values [K], largest first.

    Computed from the eigenvectors of the Gram matrix by two matrix products, which is several times faster than a QR
    decomposition of a tall matrix, and exact enough where no singular value is thousands of times larger than another.
    Values under a thousandth of the largest are left out.
    """
    tall = torch.from_numpy(columns)
    turn, lengths = _turn(tall.T @ tall)
    return (tall @ turn).numpy(), lengths.numpy()


def _turn(squares: Tensor) -> tuple[Tensor, Tensor]:
    """[C, K] and [K]: what turns columns of the Gram matrix ``squares`` into singular vectors, and their values."""
    found, turn = torch.linalg.eigh(squares)
    found, turn = found.flip(0), turn.flip(1)
    kept = found > 1e-6 * found[0]
    lengths = found[kept].sqrt()
    return turn[:, kept] / lengths, lengths
