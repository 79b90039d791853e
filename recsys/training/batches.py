"""Shuffled minibatches of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def shuffled_batches(n: int, size: int, rng: np.random.Generator) -> list[Rows]:
    """The rows 0 to n - 1 in random order, ``size`` per batch; a smaller last batch is dropped unless it is alone.

    Example:
        >>> [len(batch) for batch in shuffled_batches(7, 3, np.random.default_rng(0))]
        [3, 3]
    """
    order = rng.permutation(n)
    return [order[start : start + size] for start in range(0, max(n - size, 0) + 1, size)]
