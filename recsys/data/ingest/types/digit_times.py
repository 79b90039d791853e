"""Numbers that are times: seconds since 1970 or a finer unit, and dates of eight to seventeen digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
_UNITS = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_FIRST, _LAST = 800_000_000, 4_102_444_800
"""Seconds of the years 1995 and 2100: numbers of a finer unit are guessed between them."""
_MOST = 0.9
"""The share of the numbers of a column that have to be of a form for all to be read so."""


@dataclass(frozen=True, eq=False)
class DigitTimes:
    """Numbers read as times.

    Args:
        seconds: float64 [n], since 1970 UTC; NaN for missing cells and, in a column of dates, numbers that are none.
        fraction: int64 [n], nanoseconds within the second.
        form: how they are read: ``dates of digits``, or ``milliseconds`` or finer; empty for seconds.
    """

    seconds: NDArray[np.float64]
    fraction: NDArray[np.int64]
    form: str


def digit_times(numbers: NDArray[np.float64], exact: NDArray[np.int64] | None = None) -> DigitTimes:
    """Reads a column of numbers as times, all in one form.

    If nine of ten numbers are dates of the years 1900 to 2100, as ``20200131``, all are read as dates; if nine of ten
    are milliseconds or finer of the years 1995 to 2100, all are read so; else they are seconds.

    Args:
        numbers: float64 [n], NaN where missing.
        exact: the same as integers, if they are.

    Example:
        >>> digit_times(np.array([20200131.0, 20200201.0])).seconds.tolist()
        [1580428800.0, 1580515200.0]
    """
    filled = np.isfinite(numbers)
    if filled.any() and _in_range_of_dates(numbers) >= _MOST * filled.sum():
        dates = as_dates(numbers)
        if np.isfinite(dates.seconds).sum() >= _MOST * filled.sum():
            return dates
    for unit, factor in _UNITS.items():
        fits = filled & (numbers >= _FIRST * factor) & (numbers < _LAST * factor)
        if fits.any() and fits.sum() >= _MOST * filled.sum():
            return _scaled(numbers, exact, unit, factor)
    return _in_seconds(numbers)


def times_in_unit(
    numbers: NDArray[np.float64], exact: NDArray[np.int64] | None, unit: Literal["s", "ms", "us", "ns"]
) -> DigitTimes:
    """Numbers of a unit since 1970 as times, without a guess.

    Args:
        numbers: float64 [n], NaN where missing.
        exact: the same as integers, if they are.
        unit: of the numbers.
    """
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    found = _in_seconds(numbers) if factor == 1 else _scaled(numbers, exact, unit, factor)
    return DigitTimes(np.floor(found.seconds), found.fraction, unit)


def _in_range_of_dates(numbers: NDArray[np.float64]) -> int:
    """How many numbers have as many digits as a date and begin with 19 or 20: no more of them can be dates."""
    starts = [10.0 ** (length - 2) for length in _FORMATS]
    return sum(int(((numbers >= 19 * start) & (numbers < 21 * start)).sum()) for start in starts)


def _in_seconds(numbers: NDArray[np.float64]) -> DigitTimes:
    filled = np.isfinite(numbers)
    if np.array_equal(numbers, np.floor(numbers)):  # whole, and none is missing
        return DigitTimes(numbers, np.zeros(len(numbers), np.int64), "")
    known = np.where(np.abs(numbers) < 2.0**53, numbers, np.floor(np.where(filled, numbers, 0)))
    micros = np.rint((np.where(filled, known, 0) % 1) * 1e6).astype(np.int64)
    return DigitTimes(numbers, np.minimum(micros, 999_999) * 1000, "")


def as_dates(numbers: NDArray[np.float64]) -> DigitTimes:
    """Dates of eight digits (``20200131``), or with hours, minutes, seconds, milliseconds: up to seventeen."""
    distinct, places = np.unique(numbers[np.isfinite(numbers)], return_inverse=True)
    found = np.full(len(distinct), np.nan)
    fraction = np.zeros(len(distinct), np.int64)
    whole = np.flatnonzero((distinct == np.round(distinct)) & (distinct >= 1.9e7) & (distinct < 2.11e16))
    texts = pd.Series([f"{distinct[row]:.0f}" for row in whole], index=whole, dtype="str")
    for length, form in _FORMATS.items():
        digits = texts[(texts.str.len() == length) & texts.str.match("19|20")]
        if len(digits):
            moments = pd.to_datetime(digits, format=form, errors="coerce", utc=True).dt.as_unit("us")
            micros = moments.astype(np.int64).to_numpy()
            good = moments.notna().to_numpy(bool)
            rows = digits.index.to_numpy()[good]
            found[rows], fraction[rows] = micros[good] // 10**6, micros[good] % 10**6 * 1000
    if _are_seconds(distinct, found):
        found[:] = np.nan
    seconds, nanos = np.full(len(numbers), np.nan), np.zeros(len(numbers), np.int64)
    seconds[np.isfinite(numbers)], nanos[np.isfinite(numbers)] = found[places], fraction[places]
    return DigitTimes(seconds, nanos, "dates of digits")


def _are_seconds(distinct: NDArray[np.float64], dates: NDArray[np.float64]) -> bool:
    """Whether some numbers of ten digits are no dates with an hour: then all are seconds, of the years 2033 to 2036."""
    ten = (distinct >= 1e9) & (distinct < 1e10)
    return bool((ten & np.isnan(dates)).any())


def _scaled(numbers: NDArray[np.float64], exact: NDArray[np.int64] | None, unit: str, factor: int) -> DigitTimes:
    filled = np.isfinite(numbers)
    known = np.clip(np.where(filled, numbers, 0), -9e18, 9e18)
    whole = np.floor(known).astype(np.int64) if exact is None else exact
    nanos = whole % factor * (10**9 // factor)
    return DigitTimes(np.where(filled, whole // factor, np.nan), np.where(filled, nanos, 0), unit)


def time_of_number(number: float) -> str:
    """What a number that is no time in seconds may mean, for a remedy; empty if it is like no usual form.

    Example:
        >>> time_of_number(20200913122640)
        'write the date as 2020-09-13T12:26:40'
    """
    date = as_dates(np.array([number])).seconds[0]
    if np.isfinite(date):
        text = str(np.datetime64(int(date), "s"))
        return f"write the date as {text.removesuffix('T00:00:00')}"
    for unit, factor in _UNITS.items():
        if _FIRST * factor <= number < _LAST * factor:
            day = np.datetime64(int(number // factor), "s").astype("datetime64[D]")
            return f"divide by {factor} if it is in {unit} ({day})"
    if 5e17 <= number < 8e17:
        return "if it is in ticks of .NET, subtract 621355968000000000 and divide by 10,000,000"
    if 1.2e17 <= number < 1.6e17:
        return "if it is a Windows file time, divide by 10,000,000 and subtract 11,644,473,600"
    return ""
