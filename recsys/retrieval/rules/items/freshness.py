"""Freshness: items newer than a number of days alone are recommended."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.errors import DataError
from recsys.retrieval.rules.items.column_values import times_of
from recsys.retrieval.rules.items.windows import Windows

_DAY = 86_400


class Freshness(Config):
    """Items that are newer than a number of days.

    Args:
        days: an item is fresh for so long.
        column: an item column with the time from which it counts, where a missing cell is not fresh; None counts from
            the item's first interaction, and an item without interactions is fresh.
    """

    days: float = Field(gt=0)
    column: str | None = None


def fresh(data: Dataset, rule: Freshness) -> Windows:
    """The windows of the items: from the time of the item on, for the days; always where it has no interaction.

    Raises:
        DataError: there is no such column, or none is given and the data has no timestamps.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(users=30).dataset()
        >>> newest = float(data.interactions.time.max())
        >>> bool(fresh(data, Freshness(days=36_500)).open_at(newest).all())
        True
    """
    if rule.column is not None:
        times = times_of(data.items, rule.column, "recommend.rules.freshness.column")
    elif not data.has_timestamps:
        raise DataError(
            "recommend.rules.freshness: the data has no timestamps, so the first interaction of an item has no date; "
            "give freshness.column, an item column of times"
        )
    else:
        times = first_interactions(data)
    return Windows(np.where(np.isposinf(times), -np.inf, times), times + rule.days * _DAY)


def first_interactions(data: Dataset) -> NDArray[np.float64]:
    """float64 [I]: the time of each item's first interaction; infinite where it has none."""
    first = np.full(data.n_items, np.inf)
    np.minimum.at(first, data.interactions.item, data.interactions.time.astype(np.float64))
    return first
