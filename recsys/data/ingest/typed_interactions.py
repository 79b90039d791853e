"""Typed table of interactions: ids, times and weights of one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.feedback.decay import Decay
from recsys.data.feedback.event_types import EventTypes
from recsys.data.feedback.likes import BELOW, LIKE, RETURN, Feedback, resolve
from recsys.data.ingest.cells import LARGEST, is_missing, numbers, positions, weights
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.files import RawTable, without_missing
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import Location
from recsys.data.ingest.types.event_types import event_codes, event_meanings, event_weights
from recsys.data.ingest.types.interaction_times import times
from recsys.data.ingest.types.negative_amounts import warn_negative_amounts
from recsys.data.ingest.types.time_column import TimeColumn
from recsys.data.ingest.types.time_options import TimeOptions
from recsys.data.vocabulary import user_blocks

Duplicates = Literal["error", "first", "last", "keep"]
NonLikes = Literal["seen", "negatives", "drop"]


@dataclass(frozen=True)
class UnusedColumn:
    """A column of the interactions that nothing reads.

    Args:
        name: of the column.
        filled: the number of cells that are not missing.
        example: the first of them.
        numeric: whether all of them are numbers.
    """

    name: str
    filled: int
    example: str
    numeric: bool

    @classmethod
    def of(cls, name: str, cells: Cells, location: Location) -> UnusedColumn:
        filled = cells[~is_missing(cells)]
        example = location.shown(filled.iloc[0]) if len(filled) else ""
        return cls(name, len(filled), example, bool(len(filled) and numbers(filled).notna().all()))


@dataclass(frozen=True, eq=False)
class TypedInteractions:
    """Interactions of one file, in its order.

    Args:
        location: the file.
        user: [n].
        item: [n].
        time: float64 [n], whole seconds since 1970 UTC or positions; NaN where the cell has an error.
        fraction: int64 [n], nanoseconds within the second.
        tie_breaker: int64 [n], the order of interactions of one time; 0 without such a column.
        weight: float64 [n], before any decay; NaN where the cell has an error.
        order: name of the time or position column; None without one.
        has_timestamps: whether that column is a time.
        weight_columns: names of the columns that give the weight.
        duplicates: policy for rows that repeat user, item and time.
        meaning: int8 [n], see `recsys.data.feedback.likes`.
        ratings: whether a later weight below the threshold replaces an earlier like.
        positive_from: the threshold; 0 without one.
        non_likes: what rows that are no likes are for.
        half_life_days: of the weights; None does not decay.
        unused: the columns that nothing reads.
        time_reading: how the times are read, such as ``milliseconds since 1970``; empty for seconds and dates in UTC.
        event_types: those of the file, the ignored ones included; None where they are not known.
        event: int16 [n], the position of each row's type in ``event_types``, -1 for none; None without them.
    """

    location: Location
    user: TypedIds
    item: TypedIds
    time: NDArray[np.float64]
    fraction: NDArray[np.int64]
    tie_breaker: NDArray[np.int64]
    weight: NDArray[np.float64]
    order: str | None
    has_timestamps: bool
    weight_columns: tuple[str, ...]
    duplicates: Duplicates
    meaning: NDArray[np.int8]
    ratings: bool = False
    positive_from: float = 0.0
    non_likes: NonLikes = "seen"
    half_life_days: float | None = None
    unused: tuple[UnusedColumn, ...] = ()
    time_reading: str = ""
    event_types: EventTypes | None = None
    event: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def repeated(self) -> NDArray[np.int64]:
        """Rows with the same user, item and time as another row that ``duplicates`` does not keep."""
        if self.duplicates == "keep":
            return np.empty(0, np.int64)
        usable = self.user.good & self.item.good & ~np.isnan(self.time)
        found = [
            self._repeated(np.flatnonzero(usable) if isinstance(block, slice) else block[usable[block]])
            for block in user_blocks(self.user.codes)
        ]
        return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    def _repeated(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of ``rows``, which are all of some users, that are `repeated`."""
        pair = self.user.codes[rows].astype(np.int64) * len(self.item.distinct) + self.item.codes[rows]
        ordered = np.sort(pair)
        if not (ordered[1:] == ordered[:-1]).any():
            return rows[:0]
        often = pd.Index(pair).duplicated(keep=False)
        rows = rows[often]
        frame = pd.DataFrame({"pair": pair[often], "time": self.time[rows]})
        frame = frame.assign(fraction=self.fraction[rows], meaning=self.meaning[rows])
        again = frame.duplicated(keep="last" if self.duplicates == "last" else "first")
        return np.compress(again.to_numpy(bool), rows)

    @property
    def tie(self) -> NDArray[np.int64]:
        """int64 [n], the order of interactions within a second: the tie breaker, or nanoseconds, or both.

        Where both are given, the n-th of a user in the same nanosecond is n nanoseconds later.
        """
        if not self.fraction.any():
            return self.tie_breaker
        if not self.tie_breaker.any():
            return self.fraction
        keys = [self.user.codes, self.time, self.fraction]
        frame = pd.DataFrame({str(n): key for n, key in enumerate(keys)}).assign(tie=self.tie_breaker)
        rank = frame.groupby(["0", "1", "2"], dropna=False)["tie"].rank("dense")
        return self.fraction + np.asarray(rank, np.int64) - 1

    @cached_property
    def kept(self) -> NDArray[np.int64] | slice:
        """The rows that are read: those without an error that are not `repeated`; a slice where that is all."""
        good = self.user.good & self.item.good & ~np.isnan(self.time) & ~np.isnan(self.weight) & self.keep
        return slice(None) if good.all() else np.flatnonzero(good)

    @cached_property
    def feedback(self) -> Feedback:
        """What the `kept` rows say of their users and items, and which of them take earlier ones back."""
        rows = self.kept
        user, item = (pd.factorize(column.codes[rows])[0] for column in (self.user, self.item))
        times = (self.time[rows].astype(np.int64), self.tie[rows])
        return resolve(user, item, times, self.meaning[rows], self.weight[rows], self.ratings, self.positive_from)

    @property
    def decay(self) -> Decay | None:
        """How weights decay, by ages counted from the newest row; None without a half-life."""
        if self.half_life_days is None or np.isnan(self.time).all():
            return None
        return Decay(self.half_life_days, int(np.nanmax(self.time)))

    @cached_property
    def keep(self) -> NDArray[np.bool_]:
        """Bool [n]: False for `repeated` rows."""
        keep = np.ones(len(self), bool)
        keep[self.repeated] = False
        return keep


def coerce_interactions(table: RawTable, user: TypedIds, item: TypedIds, config: DataConfig) -> TypedInteractions:
    """Coerces times or positions, and weights; cells that cannot be coerced add errors."""
    columns = config.columns
    order, has_timestamps = order_column(table.frame, columns)
    time = _order(table, order, has_timestamps, TimeOptions.of(config))
    weight = _weights(table, config)
    meaning = _meaning(table, config, weight)
    if config.half_life_days is not None and not has_timestamps:
        table.location.error(
            "data.half_life_days needs an age, and there is no time",
            "name a column in data.columns.time, or leave half_life_days out",
        )
    unread = unread_columns(table.frame, columns)
    if columns.weight is None:
        for name in unread:
            warn_negative_amounts(table.frame[name], table.location.at(name))
    weight_columns = tuple(name for name in (columns.weight, columns.event) if name is not None)
    return TypedInteractions(
        table.location,
        user,
        item,
        time.seconds,
        time.fraction,
        _tie_breaker(table, columns.tie_breaker),
        weight,
        order,
        has_timestamps,
        weight_columns,
        config.duplicates,
        meaning,
        config.positive_from is not None and columns.event is None,
        config.positive_from or 0.0,
        config.non_likes,
        config.half_life_days if has_timestamps else None,
        tuple(UnusedColumn.of(name, table.frame[name], table.location) for name in unread),
        time.reading,
        table.event_types,
        event_codes(table),
    )


def unread_columns(frame: pd.DataFrame, columns: InteractionColumns) -> list[str]:
    """The columns of the interactions that nothing reads."""
    order, _ = order_column(frame, columns)
    used = {columns.user_id, columns.item_id, order, columns.tie_breaker, columns.weight, columns.event}
    return [str(name) for name in frame.columns if str(name) not in used]


def order_column(frame: pd.DataFrame, columns: InteractionColumns) -> tuple[str | None, bool]:
    """Name of the time or position column (None without one), and whether it is a time."""
    if columns.time is not None:
        return columns.time, True
    if columns.order is not None:
        return columns.order, False
    if "timestamp" in frame.columns:
        return "timestamp", True
    return ("position", False) if "position" in frame.columns else (None, False)


def _order(table: RawTable, name: str | None, has_timestamps: bool, options: TimeOptions) -> TimeColumn:
    """The times, or the positions as seconds."""
    none = np.zeros(len(table), np.int64)
    cells = None if name is None else table.column(name, "the time" if has_timestamps else "the order")
    if name is None or cells is None:
        return TimeColumn(np.zeros(len(table)), none, np.zeros(len(table)))
    if has_timestamps:
        return times(without_missing(cells), table.location.at(name), options)
    found = positions(without_missing(cells), table.location.at(name))
    return TimeColumn(found, none, found)


def _tie_breaker(table: RawTable, name: str | None) -> NDArray[np.int64]:
    cells = None if name is None else table.column(name, "ties in time")
    if name is None or cells is None:
        return np.zeros(len(table), np.int64)
    return np.nan_to_num(positions(without_missing(cells), table.location.at(name))).astype(np.int64)


def _weights(table: RawTable, config: DataConfig) -> NDArray[np.float64]:
    columns, any_sign = config.columns, config.positive_from is not None
    weight: NDArray[np.float64] = np.broadcast_to(1.0, len(table))
    cells = None if columns.weight is None else table.column(columns.weight, "the weight")
    if cells is not None and columns.weight is not None:
        weight = weights(without_missing(cells), table.location.at(columns.weight), any_sign)
    cells = None if columns.event is None else table.column(columns.event, "the event")
    if cells is not None and columns.event is not None:
        weight = weight * event_weights(table.coded(columns.event), columns, table.location.at(columns.event), any_sign)
        for wrong, size, other in ((weight > LARGEST, "large", "smaller"), (_vanishes(weight), "small", "larger")):
            if wrong.any():
                told = f"weight times the event's weight is too {size}"
                table.location.error(told, f"use {other} weights", np.flatnonzero(wrong))
    return weight


def _vanishes(weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bool [n]: positive numbers that may be zero once they are float32 and have decayed."""
    return (weight > 0) & (weight < 1 / LARGEST)


def _meaning(table: RawTable, config: DataConfig, weight: NDArray[np.float64]) -> NDArray[np.int8]:
    """What each row says of its user and item; an error where none of them is a like."""
    columns = config.columns
    meaning: NDArray[np.int8] = np.full(len(table), LIKE, np.int8)
    if columns.event is not None and columns.event in table.frame.columns and columns.event_meaning:
        meaning = event_meanings(table.coded(columns.event), columns)
    if config.positive_from is not None:
        meaning[(meaning == LIKE) & (weight < 0)] = RETURN
        meaning[(meaning == LIKE) & (weight < config.positive_from)] = BELOW
        meaning[(meaning == LIKE) & (weight <= 0)] = BELOW
    if len(meaning) and not (meaning == LIKE).any():
        table.location.error(
            "no row is a like", "lower data.positive_from, or give data.columns.event_meaning types that are likes"
        )
    return meaning
