"""Periods: time divided into intervals of equal length, and event counts in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

DAY = 86_400
CYCLES = {"day": DAY, "week": 7 * DAY, "year": 31_556_952}
"""Lengths of the cycles that may be seasonal, in seconds."""

_BLOCK = 1 << 22
_MONDAY = 4 * DAY
"""Seconds from 1970-01-01, a Thursday, to the next Monday."""


@dataclass(frozen=True)
class Periods:
    """``n`` consecutive intervals of ``seconds`` each.

    Args:
        start: of the first interval, seconds since 1970 UTC.
        seconds: length of an interval.
        n: T, the number of intervals.

    Example:
        >>> periods = Periods.up_to(np.array([0, 5, 19]), seconds=10)
        >>> periods.start, periods.n, periods.of(np.array([0, 9, 10, 19])).tolist()
        (0, 2, [0, 0, 1, 1])
    """

    start: int
    seconds: int
    n: int

    @classmethod
    def up_to(cls, times: NDArray[np.integer], seconds: int) -> Periods:
        """The fewest periods that cover ``times``; the last period ends just after the last time, so it is complete."""
        end = int(times.max()) + 1
        n = -(-(end - int(times.min())) // seconds)
        return cls(end - n * seconds, seconds, n)

    @classmethod
    def calendar(cls, times: NDArray[np.integer], seconds: int) -> Periods:
        """The fewest periods that cover ``times``, with boundaries counted from a Monday at 0:00 UTC."""
        first, last = ((int(moment) - _MONDAY) // seconds for moment in (times.min(), times.max()))
        return cls(_MONDAY + first * seconds, seconds, last - first + 1)

    def of(self, times: NDArray[np.integer]) -> NDArray[np.int64]:
        """int64, the shape of ``times``: the number of the period of each time, outside 0..n-1 if there is none."""
        found: NDArray[np.int64] = (np.asarray(times, np.int64) - self.start) // self.seconds
        return found

    def last(self, n: int) -> Periods:
        """The newest ``n`` periods, or all if there are fewer."""
        n = min(n, self.n)
        return Periods(self.start + (self.n - n) * self.seconds, self.seconds, n)

    def counts(self, rows: NDArray[np.integer], times: NDArray[np.integer], n_rows: int) -> sp.csr_array:
        """float32 [n_rows, T]: the number of events of each row in each period; events outside are not counted."""
        counts = sp.csr_array((n_rows, self.n), dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):  # so that the memory is that of a block
            block = slice(start, start + _BLOCK)
            counts = counts + self._counts(rows[block], times[block], n_rows)
        return counts

    def _counts(self, rows: NDArray[np.integer], times: NDArray[np.integer], n_rows: int) -> sp.csr_array:
        period = self.of(times)
        inside = (period >= 0) & (period < self.n)
        places = np.asarray(rows, np.int64)[inside], period[inside]
        counts = sp.coo_array((np.ones(len(places[0]), np.float32), places), shape=(n_rows, self.n)).tocsr()
        counts.sum_duplicates()
        return counts

    def angles(self) -> NDArray[np.float64]:
        """float64 [T + 1, S]: the phase, in radians, of the middle of each period and of the next in each season.

        The S seasons are the cycles of `CYCLES` of at least two periods of which the data covers at least two: a single
        cycle cannot be distinguished from a trend.
        """
        cycles = [s for s in CYCLES.values() if 2 * self.seconds <= s and 2 * s <= self.n * self.seconds]
        middle = self.start + (np.arange(self.n + 1) + 0.5) * self.seconds
        turns = middle[:, None] / np.array(cycles, np.float64) if cycles else np.zeros((self.n + 1, 0))
        return 2 * np.pi * (turns - np.floor(turns))
