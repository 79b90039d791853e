"""Ids numbered chunk by chunk, in the order in which they first occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.chunks.growing_array import GrowingArray


class CodedIds:
    """A column of a table that is read in chunks: each distinct id is kept once, each row as its number.

    The numbers do not depend on how the table is cut into chunks.

    Args:
        n_rows: of the table, if it is known.

    Example:
        >>> column = CodedIds()
        >>> column.add(np.array([0, 1, 0]), pd.Index(["b", "a"]))
        >>> column.add(np.array([0, -1]), pd.Index(["a"]))
        >>> column.categorical().tolist(), column.categorical().codes.tolist()
        (['b', 'a', 'b', 'a', nan], [0, 1, 0, 1, -1])
    """

    def __init__(self, n_rows: int = 0) -> None:
        self._codes = GrowingArray(np.dtype(np.int32), n_rows)
        self._known: pd.Index[Any] | None = None

    @property
    def n_distinct(self) -> int:
        """The number of distinct ids."""
        return 0 if self._known is None else len(self._known)

    def add(self, codes: NDArray[np.integer], distinct: pd.Index[Any]) -> None:
        """The rows of the next chunk.

        Args:
            codes: int [n], positions in ``distinct``; -1 for a missing id.
            distinct: [m] ids, each once, in the order in which the chunk first has them.
        """
        known = distinct[:0] if self._known is None else self._known
        places = known.get_indexer(distinct)
        new = places < 0
        places[new] = np.arange(len(known), len(known) + new.sum())
        self._known = known.append(distinct[new]) if new.any() else known
        self._codes.add(np.append(places, -1)[codes])

    def to_texts(self) -> None:
        """Makes texts of the ids, which were integers."""
        self._known = None if self._known is None else self._known.astype("str")

    def categorical(self) -> pd.Categorical:
        """[n] the column; nothing may be added any more."""
        return pd.Categorical.from_codes(self._codes.array(), pd.Index([]) if self._known is None else self._known)
