"""Times of interactions: errors with remedies for the value at hand, and warnings of odd times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.ingest.cells import finite, is_missing
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location
from recsys.data.ingest.types.dates.first_days import with_first_days
from recsys.data.ingest.types.odd_times import warn_future, warn_odd_times
from recsys.data.ingest.types.time_column import DEFAULT_REMEDY, END, TimeColumn, time_column, time_remedy
from recsys.data.ingest.types.time_options import TimeOptions

_LEAST_YEARS = 3.0


def times(cells: Cells, location: Location, options: TimeOptions) -> TimeColumn:
    """The times of interactions; NaN and an error for cells that are missing, before 1970 or not a time.

    Args:
        cells: [n], index 0..n-1.
        location: the column, for errors and warnings.
        options: how the times are written.
    """
    is_truth = cells.dtype == bool
    numbers = np.full(len(cells), np.nan) if is_truth else finite(cells)
    missing = is_missing(cells)
    if (~np.isfinite(numbers) & ~missing).any():  # beside dates
        cells, numbers = with_first_days(cells, numbers, location, options)
    column = time_column(cells.astype("str") if is_truth else cells, numbers, location, options)
    if missing.any():
        location.error("the time is missing", "fill the cells or drop the rows", np.flatnonzero(missing))
    good = ~missing
    for found, remedy, rows in _wrong(column, cells, missing, location, options):
        location.error(found, remedy, rows)
        good[rows] = False
    kept = column if good.all() else _only(column, good)
    warn_future(kept, cells, location, warn_odd_times(kept, cells, location, _LEAST_YEARS))
    return kept


def _only(column: TimeColumn, good: NDArray[np.bool_]) -> TimeColumn:
    """The column in which times that are not good are missing."""
    seconds, fraction = np.where(good, column.seconds, np.nan), np.where(good, column.fraction, 0)
    return replace(column, seconds=seconds, fraction=fraction)


def _wrong(
    column: TimeColumn, cells: Cells, missing: NDArray[np.bool_], location: Location, options: TimeOptions
) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """What is wrong, the remedy and the rows of filled cells that are no time, too early or too late, by remedy."""
    none = np.isnan(column.seconds) & ~missing
    if not none.any() and not ((column.seconds < 0) | (column.seconds >= END)).any():
        return
    seconds, number = np.nan_to_num(column.seconds), np.isfinite(column.numbers)
    for rows, found in (
        (none, "{} is no time"),
        ((seconds < 0) & number, "the time {} is negative"),
        ((seconds < 0) & ~number, "the time {} lies before 1970"),
        ((seconds >= END) & number, "the time {} lies after the year 5000: it is in milliseconds or finer"),
        ((seconds >= END) & ~number, "the time {} lies after the year 5000"),
    ):
        groups: dict[str, list[int]] = {}
        for row in np.flatnonzero(rows):
            remedy = _remedy(found, cells.iloc[row], column.numbers[row], options)
            groups.setdefault(re.sub("[0-9].*", "", remedy), []).append(int(row))
        for same in groups.values():
            cell = cells.iloc[same[0]]
            remedy = _remedy(found, cell, column.numbers[same[0]], options)
            yield found.replace("{}", location.shown(cell)), remedy, np.array(same)


def _remedy(found: str, cell: object, number: float, options: TimeOptions) -> str:
    if options.remedy and "no time" in found:
        return options.remedy
    if options.unit is not None and "lies" in found:
        return f"check {options.section}.time_unit = {options.unit!r}, or drop the row"
    if "negative" in found:
        return "give seconds since 1970 UTC"
    if "before 1970" in found:
        return "correct it, or drop the row"
    if "milliseconds" in found:
        return time_remedy(cell, number).replace("give", "divide by 1000 until it is in")
    if "after the year" in found:
        return "it may stand for never: correct it, or drop the row"
    return DEFAULT_REMEDY if not str(cell).strip() else time_remedy(cell, number)
