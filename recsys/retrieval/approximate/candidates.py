"""What an index finds for users, with exact scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.ranking import Ranked, best_columns, block_rows, check_finite_scores
from recsys.retrieval.approximate.kinds import FaissIndex, Kind
from recsys.retrieval.rules.pairs.own_candidates import best_pairs, contained
from recsys.retrieval.rules.pairs.paired import listed_scores


@dataclass(frozen=True, eq=False)
class Searched:
    """An index over item vectors, of which some may be returned.

    Args:
        kind: of the index.
        index: of Faiss, over the dense parts.
        rows: int64, the item row of each id of the index.
        items: [I] vectors.
        allowed: bool [I], the items that may be returned; None is all in the index.
    """

    kind: Kind
    index: FaissIndex
    rows: Rows
    items: Vectors
    allowed: NDArray[np.bool_] | None = None

    @cached_property
    def _row_of_id(self) -> Rows:
        """The item row of each id, and MISSING for -1."""
        return np.append(self.rows, MISSING)

    @cached_property
    def _by_id(self) -> NDArray[np.bool_] | None:
        return None if self.allowed is None else self.allowed[self.rows]

    def best(self, users: Vectors, k: int, depth: int, breadth: int, exclude: Histories | None = None) -> Ranked:
        """The best ``k`` by exact scores of the ``depth`` items that are found for each user by the dense part.

        Where vectors have a sparse part, the ``depth`` items that are best by that join them.

        Args:
            users: [U] vectors with a dense part; a user whose vector is not valid gets none.
            k: length of a list.
            depth: items that are retrieved, at least ``k``.
            breadth: how widely the index is searched.
            exclude: [U] items that are left out of those that are found.

        Raises:
            ArtifactError: a score is NaN or infinite.
        """
        assert users.dense is not None, "the index is over the dense part"
        dense = users.dense if users.valid is None else np.where(users.valid[:, None], users.dense, 0)
        ids = self.kind.search(self.index, np.ascontiguousarray(dense, np.float32), depth, breadth, self._by_id)
        rows = self._row_of_id[ids]
        if users.sparse is not None and self.items.sparse is not None:
            rows = np.column_stack([rows, self._by_sparse(users, depth)])
        rows = _ascending(np.pad(rows, ((0, 0), (0, max(0, k - rows.shape[1]))), constant_values=MISSING))
        if exclude is not None:
            owner, place = np.nonzero(rows != MISSING)
            left_out = contained(owner, rows[owner, place], exclude, len(self.items))
            rows[owner[left_out], place[left_out]] = MISSING
        scores = listed_scores(users, self.items, rows)
        check_finite_scores(rows, scores)
        best, found = best_columns(torch.from_numpy(scores), k)
        return np.where(np.isneginf(found), MISSING, np.take_along_axis(rows, best, axis=1)), found

    def _by_sparse(self, users: Vectors, depth: int) -> Rows:
        """int64 [U, depth]: the items with the highest positive products of the sparse parts; MISSING after them."""
        step = block_rows(len(self.items))
        parts = [self._of_block(users.take(slice(n, n + step)), depth) for n in range(0, len(users), step)]
        return np.concatenate([np.zeros((0, depth), np.int64), *parts])

    def _of_block(self, users: Vectors, depth: int) -> Rows:
        product = sp.csr_array(sp.csr_array(users.sparse) @ self._turned)
        owner, column, value = np.repeat(np.arange(len(users)), np.diff(product.indptr)), product.indices, product.data
        kept = value > 0
        for mask in (self.allowed, self.items.valid):
            kept &= True if mask is None else mask[column]
        return best_pairs(owner[kept], column[kept], value[kept], (len(users), depth))[0]

    @cached_property
    def _turned(self) -> sp.csr_array:
        return sp.csr_array(sp.csr_array(self.items.sparse).T)


def _ascending(rows: Rows) -> Rows:
    """The rows of each user in order, with each item once and MISSING in place of its repeats.

    Example:
        >>> _ascending(np.array([[3, 1, 3, 2]])).tolist()
        [[1, 2, 3, -1]]
    """
    ordered = np.sort(rows, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = MISSING
    return ordered
