"""Sparse matrices of users and items: preferences and nearest neighbours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.likes import learned_negatives
from recsys.data.interactions import Interactions
from recsys.ranking.top_values import best_columns

Floats = NDArray[np.float32]
BLOCK_PAIRS = 1 << 24
"""Pairs of interactions that are counted at a time, and cells of a table of co-occurrences."""
_FILLED = 0.25
"""Pairs of interactions for each cell of a table of co-occurrences, above which it is faster than a sparse matrix."""


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


def nearest_items(
    matrix: sp.csr_array,
    neighbours: int,
    shrinkage: float,
    block_pairs: int = BLOCK_PAIRS,
    gram: PackedGram | None = None,
) -> sp.csr_array:
    """float32 [I, I]: the shrunk cosine of each item to its best neighbours, itself left out; ties by lower row.

    Memory is that of the result and of the co-occurrences of a block of items. Those of a block are counted in a table
    of all items where they fill a good part of it, which takes half the time, and else in a sparse matrix.

    Args:
        matrix: [U, I], weighted; negative where a user dislikes an item.
        neighbours: kept per item; one with fewer co-occurrences has fewer.
        shrinkage: see `ItemKNN`.
        block_pairs: pairs of interactions of one user that are counted at a time, and cells of a table; at least those
            of one item are.
        gram: is filled with the inner products of all columns, which are computed here anyway.
    """
    norms, damping = np.sqrt((matrix**2).sum(0)).astype(np.float32), shrinkage + 1e-12
    parts, signed = [], bool((matrix.data < 0).any())
    for rows, found in cooccurrences(matrix, block_pairs):
        if gram is not None:
            for some, products in tables(rows, found, block_pairs):
                gram.put(some, products)
        if isinstance(found, sp.csr_array):
            parts.append(_nearest_of_pairs(found, rows, norms, damping, neighbours))
            continue
        if signed:  # else 0 is the lowest
            found.masked_fill_(found == 0, -math.inf)
        parts.append(_nearest_in_table(found, rows, norms, damping, neighbours))
    return sp.csr_array(sp.vstack(parts, format="csr"))


def cooccurrences(
    matrix: sp.csr_array, block_pairs: int = BLOCK_PAIRS
) -> Iterator[tuple[NDArray[np.int64], sp.csr_array | torch.Tensor]]:
    """Consecutive columns [B] and their inner products with all columns [B, I], block by block.

    A table is overwritten by the next.

    Args:
        matrix: float32 [U, I].
        block_pairs: see `nearest_items`.
    """
    n_items, lengths = matrix.shape[1], np.diff(matrix.indptr)
    transposed, table = sp.csr_array(matrix.T), Cooccurrences(matrix)
    pairs = np.bincount(matrix.indices, np.repeat(lengths, lengths), n_items)
    for rows in np.split(np.arange(n_items), np.flatnonzero(np.diff(np.cumsum(pairs) // block_pairs)) + 1):
        if not table.pays or pairs[rows].sum() < _FILLED * len(rows) * n_items:
            yield rows, sp.csr_array(transposed[rows] @ matrix)
            continue
        for some in _split(rows, n_items, block_pairs):
            yield some, table.of(transposed[some])


def tables(
    rows: NDArray[np.int64], found: sp.csr_array | torch.Tensor, cells: int = BLOCK_PAIRS
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """The products ``found`` [B, I] of the columns ``rows`` [B] as tables of at most so many cells, or of one row."""
    if not isinstance(found, sp.csr_array):
        yield rows, found.numpy()
        return
    for places in _split(np.arange(len(rows)), found.shape[1], cells):
        yield rows[places], found[places].toarray()


def _split(rows: NDArray[np.int64], width: int, cells: int) -> list[NDArray[np.int64]]:
    """``rows`` in parts of at most so many cells, each ``width`` a row, or of one row."""
    return np.array_split(rows, max(1, min(len(rows), -(-len(rows) * width // cells))))


class PackedGram:
    """The inner products of the columns of a matrix, each pair once: float32 [I (I + 1) / 2].

    That of columns i >= j is at i (i + 1) / 2 + j.

    Args:
        n_items: I.

    Example:
        >>> gram = PackedGram(2)
        >>> gram.put(np.array([0, 1]), np.float32([[4, 1], [1, 9]]))
        >>> gram.of(np.array([1, 0])).tolist()
        [[9.0, 1.0], [1.0, 4.0]]
    """

    def __init__(self, n_items: int) -> None:
        self._values = np.empty(self.size(n_items), np.float32)

    @staticmethod
    def size(n_items: int) -> int:
        """The number of values."""
        return n_items * (n_items + 1) // 2

    def put(self, rows: NDArray[np.int64], products: Floats) -> None:
        """Fills in the products [B, I] of the columns ``rows`` [B] with all."""
        for row, values in zip(rows.tolist(), products, strict=True):
            self._values[self.size(row) : self.size(row + 1)] = values[: row + 1]

    def of(self, items: NDArray[np.integer]) -> Floats:
        """float32 [n, n]: those of the columns ``items`` [n] with one another."""
        wide = items.astype(np.int64)
        higher, lower = np.maximum.outer(wide, wide), np.minimum.outer(wide, wide)
        found: Floats = self._values[higher * (higher + 1) // 2 + lower]
        return found


class Cooccurrences:
    """Products with a matrix [U, I] as tables of all I columns, by torch's sparse product into a dense table.

    Args:
        matrix: float32 [U, I].
    """

    def __init__(self, matrix: sp.csr_array) -> None:
        self.pays = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        self._matrix = _as_tensor(matrix)
        self._memory = torch.empty(0)

    def of(self, left: sp.csr_array) -> torch.Tensor:
        """float32 [B, I]: ``left`` [B, U] times the matrix, in the memory of the table before."""
        shape = left.shape[0], self._matrix.shape[1]
        if self._memory.numel() < math.prod(shape):
            self._memory = torch.empty(math.prod(shape))
        table = self._memory[: math.prod(shape)].view(shape)
        return torch.addmm(table, _as_tensor(left), self._matrix, beta=0, out=table)


def _as_tensor(matrix: sp.csr_array) -> torch.Tensor:
    kind = np.int32 if matrix.nnz < 2**31 else np.int64  # other indices are converted anew for each product
    offsets, columns = (torch.from_numpy(part.astype(kind, copy=False)) for part in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings(action="ignore"):  # sparse CSR tensors are said to be in beta
        return torch.sparse_csr_tensor(offsets, columns, torch.from_numpy(matrix.data), list(matrix.shape))


def _nearest_in_table(
    table: torch.Tensor, rows: NDArray[np.int64], norms: Floats, damping: float, neighbours: int
) -> sp.csr_array:
    """The best neighbours of the items ``rows`` [B] from their co-occurrences [B, I], which are overwritten."""
    table[range(len(rows)), rows] = -math.inf
    for each, norm in zip(table.numpy(), norms[rows], strict=True):
        each /= norm * norms + np.float32(damping)
    columns, values = best_columns(table, min(neighbours, table.shape[1]))
    kept = (values != 0) & (values > -np.inf)
    offsets = np.concatenate([[0], np.cumsum(kept.sum(1))])
    found = sp.csr_array((values[kept], columns[kept].astype(np.int32), offsets), table.shape)
    found.sort_indices()
    return found


def _nearest_of_pairs(
    part: sp.csr_array, rows: NDArray[np.int64], norms: Floats, damping: float, neighbours: int
) -> sp.csr_array:
    """The best neighbours of the items ``rows`` [B] from their co-occurrences [B, I], which are overwritten."""
    owner = np.repeat(rows, np.diff(part.indptr))
    part.data /= norms[owner] * norms[part.indices] + np.float32(damping)
    part.data[(part.indices == owner) | (part.data == 0)] = -np.inf  # no neighbours, though after negative cosines
    part = first_of_rows(part, neighbours)
    part.data[np.isneginf(part.data)] = 0
    part.eliminate_zeros()
    return part


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


def as_matrix(matrix: Any) -> Any:
    """A SciPy sparse array as a ``csr_matrix``, the class that the library implicit requires."""
    from scipy.sparse import csr_matrix

    return csr_matrix(matrix)
