"""Inner products of the neighbours of each item with one another, counted in passes over the co-occurrences."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.engines.sparse import BLOCK_PAIRS, Floats, PackedGram, cooccurrences, tables


class NeighbourGrams:
    """The inner products of the neighbours of an item and of the item itself, for one item after the other.

    Those of as many items as ``most_bytes`` has room for are gathered in one pass over the co-occurrences of all
    items, each pair of an item once: I N^2 / 2 numbers in all.

    Args:
        matrix: float32 [U, I].
        near: [I, I], the neighbours of each item.
        most_bytes: of the products that are held.
        block_pairs: see `recsys.engines.sparse.nearest_items`.

    Example:
        >>> matrix = sp.csr_array(np.float32([[1, 1, 0], [1, 1, 1]]))
        >>> near = sp.csr_array(np.float32([[0, 1, 0], [1, 0, 0], [0, 1, 0]]))
        >>> NeighbourGrams(matrix, near).of(np.array([1, 2])).tolist()
        [[2.0, 1.0], [1.0, 1.0]]
    """

    def __init__(
        self, matrix: sp.csr_array, near: sp.csr_array, most_bytes: int = 1 << 30, block_pairs: int = BLOCK_PAIRS
    ) -> None:
        self._matrix, self._near, self._block_pairs = matrix, near, block_pairs
        self._width = int(np.diff(near.indptr).max(initial=0)) + 1
        self._chunk = max(1, most_bytes // (4 * PackedGram.size(self._width)))
        self._items, self._values = range(0), np.empty((0, 0), np.float32)

    @property
    def passes(self) -> int:
        """How often all co-occurrences are counted."""
        return -(-int(self._near.shape[0]) // self._chunk)

    def of(self, items: NDArray[np.integer]) -> Floats:
        """float32 [n, n]: the products of the ``items`` [n], the neighbours of the last of them and that one itself."""
        item, n = int(items[-1]), len(items)
        if item not in self._items:
            self._items = range(item, min(item + self._chunk, self._near.shape[0]))
            self._values = self._counted(self._items)
        found = np.empty((n, n), np.float32)
        lower = np.tril_indices(n)
        found[lower] = self._values[item - self._items.start, : PackedGram.size(n)]
        found.T[lower] = found[lower]
        return found

    def _counted(self, items: range) -> Floats:
        """float32 [n, N (N + 1) / 2]: the lower triangles of the products of ``items`` [n]."""
        near, width = self._near[items.start : items.stop], self._width
        lengths = np.diff(near.indptr)
        members = np.full((len(items), width), -1, np.int32)
        members[np.arange(width) < lengths[:, None]] = near.indices
        members[np.arange(len(items)), lengths] = np.arange(items.start, items.stop)
        of_place = np.ascontiguousarray(members.T)
        by_member = np.argsort(of_place, axis=1, kind="stable")
        ordered = np.take_along_axis(of_place, by_member, axis=1)
        found = np.zeros((len(items), PackedGram.size(width)), np.float32)
        for block, products in cooccurrences(self._matrix, self._block_pairs):
            for rows, table in tables(block, products, self._block_pairs):
                for place in range(width):
                    first, last = np.searchsorted(ordered[place], np.array([rows[0], rows[-1] + 1], np.int32))
                    some, row = by_member[place, first:last], ordered[place, first:last] - rows[0]
                    start = PackedGram.size(place)
                    found[some, start : start + place + 1] = table[row[:, None], members[some, : place + 1]]
        return found
