"""Scores of single pairs of user and item."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors

_BLOCK = 2**16
_ENTRIES = 2**18
"""Entries of vectors that are multiplied at a time, so that they stay in the cache."""


def paired_scores(users: Vectors, items: Vectors) -> NDArray[np.float32]:
    """float32 [n]: the score of ``users[i]`` and ``items[i]``; NaN where either has no vector.

    Example:
        >>> paired_scores(Vectors(np.float32([[1, 2]])), Vectors(np.float32([[3, 1]]))).tolist()
        [5.0]
    """
    total = np.zeros(len(users), np.float32)
    for left, right in ((users.dense, items.dense), (users.sparse, items.sparse)):
        if left is None or right is None:
            continue
        if sp.issparse(left) or sp.issparse(right):
            total += np.ravel(sp.csr_array(left).multiply(sp.csr_array(right)).sum(axis=1)).astype(np.float32)
        else:
            total += np.einsum("nd,nd->n", left, right)
    for part in (users, items):
        if part.valid is not None:
            total[~part.valid] = np.nan
    return total


def gathered_scores(
    users: Vectors, items: Vectors, user: NDArray[np.integer], item: NDArray[np.integer]
) -> NDArray[np.float32]:
    """float32 [n]: as `paired_scores`, of the rows ``user`` [n] and ``item`` [n], a block at a time."""
    found = np.empty(len(user), np.float32)
    for start in range(0, len(user), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = paired_scores(users.take(user[part]), items.take(item[part]))
    return found


def listed_scores(users: Vectors, items: Vectors, rows: Rows) -> NDArray[np.float32]:
    """float32 [U, N]: the score of each user with the items at ``rows`` [U, N]; -inf where either has no vector.

    Args:
        users: [U].
        items: of the catalogue.
        rows: padded with MISSING.

    Example:
        >>> listed_scores(Vectors(np.float32([[1, 2]])), Vectors(np.float32([[3, 1], [0, 1]])), np.array([[1, 0, -1]]))
        array([[  2.,   5., -inf]], dtype=float32)
    """
    found = np.full(rows.shape, -np.inf, np.float32)
    known = rows != MISSING
    if users.valid is not None:
        known &= users.valid[:, None]
    if items.valid is not None:
        known &= items.valid[rows]
    if users.sparse is not None and items.sparse is not None:
        owner, place = np.nonzero(known)
        found[owner, place] = gathered_scores(users, items, owner, rows[owner, place])
        return found
    assert users.dense is not None, "users have a part that items have"
    assert items.dense is not None, "items have a part that users have"
    width, dim = rows.shape[1], items.dense.shape[1]
    step = max(1, _ENTRIES // max(width * dim, 1))
    vectors = np.empty((step * width, dim), np.float32)
    for start in range(0, len(users), step):
        some = rows[start : start + step]
        part = vectors[: some.size]
        np.take(items.dense, some.ravel(), axis=0, out=part, mode="clip")
        of_users = users.dense[start : start + step]
        found[start : start + step] = np.einsum("und,ud->un", part.reshape(len(some), width, dim), of_users)
    found[~known] = -np.inf
    return found
