"""Shuffled minibatches of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def shuffled_batches(n: int, size: int, rng: np.random.Generator, drop_last: bool = False) -> list[Rows]:
    """The rows 0 to n - 1 in random order, ``size`` a batch.

    Args:
        n: how many rows.
        size: rows in a batch; the last batch may have fewer.
        rng: draws the order.
        drop_last: leaves out a smaller last batch, unless it is the only one.

    Example:
        >>> [len(batch) for batch in shuffled_batches(7, 3, np.random.default_rng(0))]
        [3, 3, 1]
        >>> [len(batch) for batch in shuffled_batches(7, 3, np.random.default_rng(0), drop_last=True)]
        [3, 3]
    """
    order = rng.permutation(n)
    stop = max(n - size, 0) + 1 if drop_last else n
    return [order[start : start + size] for start in range(0, stop, size)]
