"""Who stands beside whom in a space of embeddings, and how much two spaces agree on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, D]: unit vectors without their mean, which all items of a space share; a zero row stays where it is."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    result: NDArray[np.float32] = unit - unit.mean(0)
    return result


def nearest(vectors: NDArray[np.float32], k: int, block: int = 1024) -> Rows:
    """int64 [n, k]: of each row, the others with the highest cosine of `centred` vectors, ties by lower row.

    Args:
        vectors: [n, D].
        k: at most n - 1.
        block: rows compared at a time.

    Example:
        >>> nearest(np.array([[1, 0], [0, 1], [1, 0.1]], np.float32), 1).ravel().tolist()
        [2, 2, 0]
    """
    unit = centred(vectors)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    lists = np.empty((len(unit), min(k, len(unit) - 1)), np.int64)
    for start in range(0, len(unit), block):
        rows = np.arange(start, min(start + block, len(unit)))
        cosine = unit[rows] @ unit.T
        cosine[np.arange(len(rows)), rows] = -np.inf
        lists[rows] = np.argsort(-cosine, axis=1, kind="stable")[:, : lists.shape[1]]
    return lists


def overlap(left: Rows, right: Rows) -> NDArray[np.float64]:
    """float64 [n]: the share of each list [k] of ``left`` that stands in the one of ``right``, in any place.

    Example:
        >>> overlap(np.array([[1, 2], [0, 2]]), np.array([[2, 1], [2, 3]])).tolist()
        [1.0, 0.5]
    """
    common: NDArray[np.float64] = (left[:, :, None] == right[:, None, :]).any(2).mean(1)
    return common


def overlaps(lists: Mapping[str, Rows]) -> NDArray[np.float64]:
    """float64 [S, S]: the mean `overlap` of the spaces, in the order of ``lists``."""
    return np.array([[overlap(left, right).mean() for right in lists.values()] for left in lists.values()])
