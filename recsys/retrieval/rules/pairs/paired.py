"""Scores of single pairs of user and item."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.engine import Vectors

_BLOCK = 2**16


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
