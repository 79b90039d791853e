"""Ids numbered chunk by chunk, in the order in which they first occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class CodedIds:
    """An id column of a table that is read in chunks: each distinct id is kept once, each row as its number.

    The numbers do not depend on how the table is cut into chunks.

    Args:
        n_rows: of the table.

    Example:
        >>> column = CodedIds(4)
        >>> column.add(np.array([0, 1, 0]), pd.Index(["b", "a"]))
        >>> column.add(np.array([0]), pd.Index(["a"]))
        >>> column.categorical().tolist(), column.categorical().codes.tolist()
        (['b', 'a', 'b', 'a'], [0, 1, 0, 1])
    """

    def __init__(self, n_rows: int) -> None:
        self._codes = np.empty(n_rows, np.int32)
        self._known: pd.Index[Any] | None = None
        self._filled = 0

    def add(self, codes: NDArray[np.integer], distinct: pd.Index[Any]) -> None:
        """The rows of the next chunk.

        Args:
            codes: int [n], positions in ``distinct``.
            distinct: [m] ids, each once, in the order in which the chunk first has them.
        """
        known = distinct[:0] if self._known is None else self._known
        places = known.get_indexer(distinct)
        new = places < 0
        places[new] = np.arange(len(known), len(known) + new.sum())
        self._known = known.append(distinct[new]) if new.any() else known
        self._codes[self._filled : self._filled + len(codes)] = places[codes]
        self._filled += len(codes)

    def categorical(self) -> pd.Categorical:
        """[n_rows] the column."""
        assert self._filled == len(self._codes), "all chunks were added"
        return pd.Categorical.from_codes(self._codes, pd.Index([]) if self._known is None else self._known)
