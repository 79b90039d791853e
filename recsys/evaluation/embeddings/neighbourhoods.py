"""Nearest neighbours in a space of embeddings, and the overlap of the neighbours in two spaces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.embedding_table import rank_neighbours, unit_rows


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, D]: unit vectors minus their mean, which removes the direction that all items share."""
    unit = unit_rows(vectors)
    result: NDArray[np.float32] = unit - unit.mean(0)
    return result


def nearest(vectors: NDArray[np.float32], k: int, block: int = 1024) -> Rows:
    """int64 [n, k]: exact k nearest neighbours of each row by cosine of `centred` vectors, ties by lower row.

    Args:
        vectors: [n, D].
        k: at most n - 1.
        block: rows per batch.

    Example:
        >>> nearest(np.array([[1, 0], [0, 1], [1, 0.1]], np.float32), 1).ravel().tolist()
        [2, 2, 0]
    """
    unit = unit_rows(centred(vectors))
    lists = np.empty((len(unit), min(k, len(unit) - 1)), np.int64)
    for start in range(0, len(unit), block):
        rows = np.arange(start, min(start + block, len(unit)))
        lists[rows] = rank_neighbours(unit[rows] @ unit.T, rows, k)
    return lists


def overlap(left: Rows, right: Rows) -> NDArray[np.float64]:
    """float64 [n]: the share of each list [k] of ``left`` that is in the list of ``right``, in any order.

    Example:
        >>> overlap(np.array([[1, 2], [0, 2]]), np.array([[2, 1], [2, 3]])).tolist()
        [1.0, 0.5]
    """
    common: NDArray[np.float64] = (left[:, :, None] == right[:, None, :]).any(2).mean(1)
    return common


def overlaps(lists: Mapping[str, Rows]) -> NDArray[np.float64]:
    """float64 [S, S]: the mean `overlap` of the spaces, in the order of ``lists``."""
    return np.array([[overlap(left, right).mean() for right in lists.values()] for left in lists.values()])
