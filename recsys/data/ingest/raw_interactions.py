"""Events: a file of interactions, read and checked on its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.cells import LARGEST, event_weights, positions, times, weights
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.files import column_of, read_table, without_missing
from recsys.data.ingest.id_column import IdColumn, read_keys
from recsys.data.ingest.issues import Location


@dataclass(frozen=True, eq=False)
class RawInteractions:
    """Interactions as they stand in their file.

    Args:
        file: which.
        user: [n].
        item: [n].
        time: float64 [n], NaN where it cannot be used.
        weight: float64 [n], NaN where it cannot be used.
        order: what gives the order: the name of a column, None without any.
        has_timestamps: whether it is a time.
        weighed_by: the columns that give the weight.
        keep: bool [n], what repeated rows leave.
    """

    file: Path
    user: IdColumn
    item: IdColumn
    time: NDArray[np.float64]
    weight: NDArray[np.float64]
    order: str | None
    has_timestamps: bool
    weighed_by: tuple[str, ...]
    keep: NDArray[np.bool_]


def read_events(place: Location, config: DataConfig) -> RawInteractions | None:
    """A file of interactions; None when it cannot be read at all."""
    frame, columns = read_table(place), config.columns
    if frame is None:
        return None
    if not len(frame):
        place.error("the file has no rows", "there is nothing to learn from")
        return None
    user = read_keys(frame, columns.user_id, place, "user ids")
    item = read_keys(frame, columns.item_id, place, "item ids")
    name, has_timestamps = order_column(frame, columns)
    time = _order(frame, name, has_timestamps, place)
    weight = _weights(frame, columns, place)
    if user is None or item is None:
        return None
    keep = _distinct(user, item, time, place, config.duplicates)
    weighed_by = tuple(column for column in (columns.weight, columns.event) if column is not None)
    return RawInteractions(place.file, user, item, time, weight, name, has_timestamps, weighed_by, keep)


def order_column(frame: pd.DataFrame, columns: InteractionColumns) -> tuple[str | None, bool]:
    """The column that orders the interactions, and whether it is a clock."""
    if columns.time is not None:
        return columns.time, True
    if columns.order is not None:
        return columns.order, False
    if "timestamp" in frame.columns:
        return "timestamp", True
    return ("position", False) if "position" in frame.columns else (None, False)


def _order(frame: pd.DataFrame, name: str | None, has_timestamps: bool, place: Location) -> NDArray[np.float64]:
    cells = None if name is None else column_of(frame, name, place, "the time" if has_timestamps else "the order")
    if name is None or cells is None:
        return np.zeros(len(frame))
    return (times if has_timestamps else positions)(without_missing(cells), place.at(name))


def _weights(frame: pd.DataFrame, columns: InteractionColumns, place: Location) -> NDArray[np.float64]:
    weight = np.ones(len(frame))
    if columns.weight is not None:
        cells = column_of(frame, columns.weight, place, "the weight")
        if cells is not None:
            weight = weights(without_missing(cells), place.at(columns.weight))
    if columns.event is not None:
        cells = column_of(frame, columns.event, place, "the event")
        if cells is not None:
            weight = weight * event_weights(cells, columns.event_weights, place.at(columns.event))
            large = np.flatnonzero(weight > LARGEST)
            if len(large):
                place.error("weight times the event's weight is too large", "use smaller weights", large)
    return weight


def _distinct(
    user: IdColumn, item: IdColumn, time: NDArray[np.float64], place: Location, policy: str
) -> NDArray[np.bool_]:
    """Which rows are left when user, item and time may stand together once; rows that lack one of them are left."""
    frame = pd.DataFrame({"user": pd.factorize(user.cells)[0], "item": pd.factorize(item.cells)[0], "time": time})
    whole = np.flatnonzero(user.good & item.good & ~np.isnan(time))
    keep = np.ones(len(frame), bool)
    repeated = whole[frame.iloc[whole].duplicated(keep="last" if policy == "last" else "first").to_numpy()]
    if policy == "keep" or not len(repeated):
        return keep
    found = "user, item and time repeat another row"
    if policy == "error":
        place.error(found, 'drop the rows, or set data.duplicates to "first", "last" or "keep"', repeated)
    else:
        place.warn(f"{found}; the {policy} is kept", "see that this is meant", repeated)
    keep[repeated] = False
    return keep
