"""An array that is filled chunk by chunk."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

N = TypeVar("N", bound=np.generic)


class GrowingArray(Generic[N]):
    """An array that is filled chunk by chunk; where it has to grow, its memory is moved and not copied.

    Args:
        kind: of the values.
        n_rows: their number, if it is known.

    Example:
        >>> numbers = GrowingArray(np.dtype(np.int64))
        >>> numbers.add(np.array([3, 1]))
        >>> numbers.add(np.array([2]))
        >>> numbers.array().tolist()
        [3, 1, 2]
    """

    def __init__(self, kind: np.dtype[N], n_rows: int = 0) -> None:
        self._values, self._filled = np.empty(n_rows, kind), 0

    def __len__(self) -> int:
        return self._filled

    def add(self, values: NDArray[N]) -> None:
        """The next values."""
        end = self._filled + len(values)
        if end > len(self._values):
            self._values.resize(max(end, len(self._values) * 5 // 4), refcheck=False)
        self._values[self._filled : end] = values
        self._filled = end

    def array(self) -> NDArray[N]:
        """All values; none may be added any more."""
        self._values.resize(self._filled, refcheck=False)
        return self._values
