"""Times far away from all others of their column, in the future, or before there were such data."""

from __future__ import annotations

import re
import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location
from recsys.data.ingest.types.digit_times import time_of_number
from recsys.data.ingest.types.time_column import TimeColumn, day

_YEAR = 365.25 * 86400
_LEAST = 4
"""Times from which some can be far from the others."""
_MOST_THIRDS, _BLOCK = 10_000, 1 << 20


def warn_odd_times(column: TimeColumn, cells: Cells, location: Location, least_years: float) -> NDArray[np.bool_]:
    """Warns of times far before or after all others; returns which they are, bool [n].

    Args:
        column: the times.
        cells: [n] as they are written.
        location: the column.
        least_years: the shortest gap between them and the others.
    """
    seconds = column.seconds
    far = np.zeros(len(seconds), bool)
    if has_no_gap(seconds, least_years * _YEAR):
        return far
    filled = np.flatnonzero(np.isfinite(seconds))
    low, high = usual_span(seconds[filled], least_years * _YEAR)
    for rows, side, edge in (
        (filled[seconds[filled] < low], "before", low),
        (filled[seconds[filled] > high], "after", high),
    ):
        far[rows] = True
        for remedy, same in _by_remedy(column, rows).items():
            years = float(np.abs(seconds[same] - edge).min()) / _YEAR
            counted = "1 time lies" if len(same) == 1 else f"{len(same):,} times lie"
            found = f"{counted} {years:,.0f} years {side} all others ({day(low)} to {day(high)}), as "
            location.warn(found + location.shown(cells.iloc[same[0]]), remedy, same)
    return far


def warn_future(column: TimeColumn, cells: Cells, location: Location, told: NDArray[np.bool_]) -> None:
    """Warns of interactions in the future, and of columns whose times all lie before 1973.

    Args:
        column: the times.
        cells: [n] as they are written.
        location: the column.
        told: bool [n], times of which the user has been warned.
    """
    seconds, filled = column.seconds, np.isfinite(column.seconds)
    late = np.flatnonzero(filled & ~told & (seconds > time.time() + 2 * 86400))
    if len(late):
        counted = "all times lie" if len(late) == filled.sum() else f"{len(late):,} times lie"
        counted = "1 time lies" if len(late) == 1 else counted
        found = f"{counted} in the future, as {location.shown(cells.iloc[late[0]])} ({day(seconds[late[0]])})"
        location.warn(found, _remedy(float(column.numbers[late[0]]), float(seconds[late[0]])), late)
    if (filled & ~told & (seconds >= 1e8)).any():
        return
    known = seconds[filled & ~told]
    if len(known):
        location.warn("all times are before 1973", _early_remedy(known), ())


def has_no_gap(seconds: NDArray[np.float64], least: float) -> bool:
    """Whether a look at the thirds of ``least`` that hold a time shows that no two neighbours are that far apart.

    False decides nothing: `usual_span` compares the times themselves, which takes a sort of all.

    Args:
        seconds: float64 [n], NaN where missing.
        least: in seconds.

    Example:
        >>> has_no_gap(np.array([10.0, np.nan, 12.0, 11.0]), 3.0), has_no_gap(np.array([10.0, 100.0]), 3.0)
        (True, False)
    """
    if not len(seconds) or not np.isfinite(low := float(np.fmin.reduce(seconds))):
        return False
    high, width = float(np.fmax.reduce(seconds)), least / 3
    if (high - low) / width > _MOST_THIRDS or (low <= 0 and high > 20 * _YEAR):
        return False
    filled = np.zeros(int((high - low) / width) + 1, bool)
    for start in range(0, len(seconds), _BLOCK):
        block = seconds[start : start + _BLOCK]
        filled[((block[np.isfinite(block)] - low) / width).astype(np.int64)] = True
    return bool(filled.all())


def usual_span(seconds: NDArray[np.float64], least: float) -> tuple[float, float]:
    """The first and last time that no large gap parts from the middle half of all.

    A gap is large if it is longer than ``least`` and than the span of the times on the other side. Times that are
    exactly 0 are apart from times after 1990 in any case.

    Args:
        seconds: float64 [n], finite.
        least: in seconds.

    Example:
        >>> year = 365 * 86400
        >>> low, high = usual_span(np.array([0, 50, 50.1, 50.2, 50.3, 129]) * year, year)
        >>> round(low / year, 1), round(high / year, 1)
        (50.0, 50.3)
    """
    if not len(seconds):
        return 0.0, 0.0
    if seconds.max() > 20 * _YEAR and (seconds > 0).any():
        seconds = seconds[seconds != 0]
    if len(seconds) < _LEAST:
        return float(seconds.min()), float(seconds.max())
    ordered = np.sort(seconds)
    first, last = len(ordered) // 4, len(ordered) - 1 - len(ordered) // 4
    low, high = float(ordered[first]), float(ordered[last])
    distinct = np.unique(ordered)
    low = -_walked(-distinct[distinct <= low][::-1], -low, -high, least)
    return low, _walked(distinct[distinct >= high], high, low, least)


def _walked(outwards: NDArray[np.float64], edge: float, other: float, least: float) -> float:
    """The last of ``outwards``, ascending from ``edge``, before a gap longer than ``least`` and the span so far."""
    steps = np.diff(np.concatenate([[edge], outwards]))
    spans = np.concatenate([[edge], outwards[:-1]]) - other
    large = np.flatnonzero((steps > least) & (steps > spans))
    return float(outwards[large[0] - 1]) if len(large) and large[0] else edge if len(large) else float(outwards[-1])


def _by_remedy(column: TimeColumn, rows: NDArray[np.int64]) -> dict[str, list[int]]:
    """Remedy for the first of its rows -> the rows that need one of the same kind."""
    groups: dict[str, list[int]] = {}
    first: dict[str, str] = {}
    for row in rows:
        remedy = _remedy(float(column.numbers[row]), float(column.seconds[row]))
        groups.setdefault(first.setdefault(re.sub("[0-9].*", "", remedy), remedy), []).append(int(row))
    return groups


def _remedy(number: float, seconds: float) -> str:
    drop = "correct them, or drop the rows"
    if np.isfinite(number):
        meant = time_of_number(number)
        if meant:
            return meant
        if 1.9e9 <= number < 2.11e10 and number >= 1e10:
            return f"if these are dates of digits whose end is lost, export them whole; else {drop}"
    if seconds in (0.0, 2147483647.0, 9999999999.0, 4102444800.0) or seconds < 0 or seconds > 7e9:
        return f"if they stand for an unknown time or for never, drop the rows; else {drop}"
    return drop


def _early_remedy(known: NDArray[np.float64]) -> str:
    position = "if the column is a position, name it in data.columns.order instead"
    low, high = float(known.min()), float(known.max())
    if low >= 1800 and high <= 2100:
        return f"if these are years, write dates as 2020-01-01; {position}"
    if low >= 25569 and high < 80000:
        when = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(low))
        return f"if these are days of a spreadsheet ({low:.0f} is {when.date()}), write dates; {position}"
    return position
