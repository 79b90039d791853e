"""The lines on which the rows of a text stand, kept as runs: a table of a hundred million rows has few of them."""

from __future__ import annotations

import bisect

import numpy as np
from numpy.typing import NDArray


class LineNumbers:
    """Maps rows to lines, of which most follow on one another.

    Example:
        >>> lines = LineNumbers()
        >>> lines.add(np.array([2, 3, 5]))
        >>> lines.add(np.array([6]))
        >>> [lines[row] for row in range(len(lines))]
        [2, 3, 5, 6]
        >>> lines.follow_the_header
        False
    """

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._lines: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, row: int) -> int:
        run = bisect.bisect_right(self._rows, row) - 1
        return self._lines[run] + row - self._rows[run]

    def add(self, lines: NDArray[np.integer] | range) -> None:
        """The lines of the next rows."""
        if not len(lines):
            return
        whole = isinstance(lines, range)
        starts = np.zeros(1, np.int64) if whole else np.append(0, np.flatnonzero(np.diff(lines) != 1) + 1)
        for start in starts.tolist():
            line = int(lines[start])
            if not self._rows or self[self._size + start - 1] + 1 != line:
                self._rows.append(self._size + start)
                self._lines.append(line)
        self._size += len(lines)

    @property
    def follow_the_header(self) -> bool:
        """Whether row n stands on line n + 2 throughout, below a header of one line."""
        return self._rows == [0] and self._lines == [2]
