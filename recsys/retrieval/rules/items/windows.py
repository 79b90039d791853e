"""Windows: the time from which each item may be recommended, and that from which it no longer may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Windows:
    """A window of each item, open while ``start <= at < stop``; one with a missing bound never is.

    Args:
        start: float64 [I], seconds since 1970 UTC; minus infinity is always.
        stop: float64 [I]; infinity is never.

    Example:
        >>> Windows(np.array([0.0, 10.0, np.nan]), np.array([10.0, np.inf, np.nan])).open_at(10).tolist()
        [False, True, False]
    """

    start: NDArray[np.float64]
    stop: NDArray[np.float64]

    def open_at(self, at: float) -> NDArray[np.bool_]:
        """Bool [I]: the items whose window is open."""
        found: NDArray[np.bool_] = (self.start <= at) & (at < self.stop)
        return found


def changes(windows: Iterable[Windows]) -> NDArray[np.float64]:
    """The moments at which a window opens or closes, ascending; between two of them nothing changes."""
    bounds = [bound for each in windows for bound in (each.start, each.stop)]
    every = np.unique(np.concatenate([np.zeros(0), *bounds]))
    found: NDArray[np.float64] = every[np.isfinite(every)]
    return found
