"""Local times of a zone as UTC; those that a change of the clocks skips or repeats are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location

_EPOCH = datetime(1970, 1, 1)
_LAST = 2.5e11
"""Seconds of about the year 9892: the calendar of Python ends in 9999."""
_OFFSET = r"(?i:(?:\d:\d\d|T\d\d)[^+-]*(?:Z|[+-]\d\d(?::?\d\d)?)$|\b(?:UTC|GMT)\b)"


def has_offset(texts: pd.Series[str]) -> NDArray[np.bool_]:
    """Bool [n]: whether each date says its zone, as ``Z``, ``UTC`` or ``+02:00``.

    Example:
        >>> has_offset(pd.Series(["13-09-2020", "2020-09-13T12:26+02:00", "13.09.2020 12:26 UTC"])).tolist()
        [False, True, True]
    """
    return texts.str.strip().str.contains(_OFFSET).to_numpy(bool)


def is_iso_with_offset(texts: pd.Series[str]) -> NDArray[np.bool_]:
    """Bool [n]: whether each text is an ISO date with its offset, which can be read in one way alone.

    Example:
        >>> is_iso_with_offset(pd.Series(["2020-09-13T12:26+02:00", "2020-09-13 12:26", "13.09.2020"])).tolist()
        [True, False, False]
    """
    iso = pd.to_datetime(texts.str.strip(), errors="coerce", utc=True, format="ISO8601").notna().to_numpy(bool)
    return np.asarray(iso & has_offset(texts), bool)


def utc_of_local(
    wall: NDArray[np.float64], zone: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """UTC of local times, float64 [n], and which of them the clocks skip or show twice, bool [n].

    A time that is shown twice is its first occurrence; a skipped one is what a clock that was not changed shows, as
    PEP 495 has it.

    Args:
        wall: float64 [n], whole seconds of the local clock since 1970; NaN for missing ones.
        zone: its IANA name.

    Example:
        >>> utc_of_local(np.array([1599955200.0]), "Europe/Berlin")[0].tolist()
        [1599948000.0]
    """
    usable = np.isfinite(wall) & (np.abs(wall) < _LAST)
    usable[usable] = wall[usable] > -(2.0**35)  # year 881; earlier ones stay as they are and are refused
    distinct, places = np.unique(wall[usable], return_inverse=True)
    local = pd.DatetimeIndex(distinct.astype(np.int64).astype("datetime64[s]"))
    first = local.tz_localize(zone, ambiguous=np.ones(len(local), bool), nonexistent="NaT")
    twice = np.asarray(local.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").isna())
    skipped = np.asarray(first.isna())
    found = np.where(skipped, 0, first.as_unit("s").astype(np.int64)).astype(np.float64)
    for row in np.flatnonzero(skipped):
        moment = (_EPOCH + timedelta(seconds=float(distinct[row]))).replace(tzinfo=ZoneInfo(zone))
        found[row] = moment.astimezone(UTC).timestamp()
    seconds, is_skipped, is_twice = wall.copy(), np.zeros(len(wall), bool), np.zeros(len(wall), bool)
    seconds[usable], is_skipped[usable], is_twice[usable] = found[places], skipped[places], (twice & ~skipped)[places]
    return seconds, is_skipped, is_twice


def localized(
    seconds: NDArray[np.float64], naive: NDArray[np.bool_], zone: str, cells: Cells, location: Location
) -> NDArray[np.float64]:
    """Seconds since 1970 UTC, float64 [n], of times of which some are local; warns of those that are not clear.

    Args:
        seconds: float64 [n], since 1970: UTC, or of the local clock where ``naive``.
        naive: bool [n].
        zone: its IANA name.
        cells: [n] as they are written.
        location: the column.
    """
    found, skipped, twice = utc_of_local(np.where(naive, seconds, np.nan), zone)
    for rows, what, remedy in (
        (np.flatnonzero(skipped), "is skipped by the clocks of", "read as if they had not been changed yet"),
        (np.flatnonzero(twice), "is shown twice by the clocks of", "read as the first of the two"),
    ):
        if len(rows):
            example = f"{location.shown(cells.iloc[rows[0]])} {what} {zone}, and {remedy}"
            location.warn(example, "write times with their offset, as 2020-10-25T02:30:00+02:00", rows)
    return np.where(naive, found, seconds)
