"""Availability: items are recommended from a moment on, until a moment, or between both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.retrieval.rules.items.column_values import times_of


def available(
    items: EntityTable, available_from: str | None, available_until: str | None, at: float
) -> NDArray[np.bool_]:
    """Bool [I]: the items for which ``from <= at < until``; a missing cell leaves that side open.

    Args:
        items: [I].
        available_from: a column of times; None leaves the side open for all.
        available_until: a column of times, the first moment at which the item is gone.
        at: the time of the recommendation, seconds since 1970 UTC.

    Raises:
        DataError: items have no such column, or a cell is no time.

    Example:
        >>> import pandas as pd
        >>> from recsys.data.schema import Schema
        >>> from recsys.data.vocabulary import Vocabulary
        >>> cells = pd.DataFrame({"until": [10.0, 20.0, None]})
        >>> table = EntityTable(Vocabulary.of([1, 2, 3]), cells, Schema.of({"until": "time"}))
        >>> available(table, None, "until", at=10).tolist()
        [False, True, True]
    """
    kept = np.ones(len(items), bool)
    if available_from is not None:
        start = times_of(items, available_from, "recommend.rules.available_from")
        kept &= np.isnan(start) | (start <= at)
    if available_until is not None:
        end = times_of(items, available_until, "recommend.rules.available_until")
        kept &= np.isnan(end) | (at < end)
    return kept
