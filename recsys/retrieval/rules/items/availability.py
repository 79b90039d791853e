"""Availability: items are recommended from a moment on, until a moment, or between both."""

from __future__ import annotations

import numpy as np

from recsys.data.entities import EntityTable
from recsys.retrieval.rules.items.column_values import times_of
from recsys.retrieval.rules.items.windows import Windows


def available(items: EntityTable, available_from: str | None, available_until: str | None) -> Windows:
    """The windows ``from <= at < until`` of the items; a missing cell leaves that side open.

    Args:
        items: [I].
        available_from: a column of times; None leaves the side open for all.
        available_until: a column of times, the first moment at which the item is gone.

    Raises:
        DataError: items have no such column, or a cell is no time.

    Example:
        >>> import pandas as pd
        >>> from recsys.data.schema import Schema
        >>> from recsys.data.vocabulary import Vocabulary
        >>> cells = pd.DataFrame({"until": [10.0, 20.0, None]})
        >>> table = EntityTable(Vocabulary.of([1, 2, 3]), cells, Schema.of({"until": "time"}))
        >>> available(table, None, "until").open_at(10).tolist()
        [False, True, True]
    """
    start, stop = np.full(len(items), -np.inf), np.full(len(items), np.inf)
    if available_from is not None:
        found = times_of(items, available_from, "recommend.rules.available_from")
        start = np.where(np.isnan(found), start, found)
    if available_until is not None:
        found = times_of(items, available_until, "recommend.rules.available_until")
        stop = np.where(np.isnan(found), stop, found)
    return Windows(start, stop)
