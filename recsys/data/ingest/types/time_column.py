"""A column read as times: numbers, dates in one or several formats, and datetimes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location
from recsys.data.ingest.types.dates.date_formats import strptime_formats
from recsys.data.ingest.types.dates.date_texts import ISO, MAY_BE_DATE, UNCLEAR, DateTexts, date_texts, split_moments
from recsys.data.ingest.types.digit_times import DigitTimes, digit_times, time_of_number, times_in_unit
from recsys.data.ingest.types.local_times import has_offset, is_iso_with_offset, localized
from recsys.data.ingest.types.time_options import NAMES, TimeOptions, formatted

END = 1e11
"""Seconds since 1970 of the year 5138; larger numbers must be of a finer unit."""

_PLAIN = "year-month-day"
ORDER = ", or name an order column"
DEFAULT_REMEDY = f"give seconds since 1970 UTC or ISO dates{ORDER}"

TOLERATED = 0.1
"""The largest share of filled cells that may be no times in a column that is inferred to be one."""


@dataclass(frozen=True, eq=False)
class TimeColumn:
    """A column read as times.

    Args:
        seconds: float64 [n], whole seconds since 1970 UTC; NaN where a cell is missing or no time.
        fraction: int64 [n], nanoseconds within the second.
        numbers: float64 [n], the cells that are numbers as they are written; NaN for others, and for all if a format
            or a unit is given, which leaves nothing to guess.
        reading: how the cells are read, such as ``milliseconds since 1970``; empty for seconds and dates in UTC.
    """

    seconds: NDArray[np.float64]
    fraction: NDArray[np.int64]
    numbers: NDArray[np.float64]
    reading: str = ""


def time_column(
    cells: Cells, numbers: NDArray[np.float64], location: Location, options: TimeOptions | None = None
) -> TimeColumn:
    """Reads a column as times; warns where they are read in another way than seconds and ISO dates.

    Args:
        cells: [n], index 0..n-1.
        numbers: float64 [n], the cells that are numbers; NaN for others.
        location: the column.
        options: how times are written; what they leave open is guessed. None guesses everything.
    """
    options = TimeOptions() if options is None else options
    missing = np.asarray(cells.isna(), bool)
    if pd.api.types.is_datetime64_any_dtype(cells):
        return _datetimes(cells, missing, location, options)
    if options.format or options.unit is not None:
        return _as_given(cells, missing, numbers, location, options)
    return _guessed(cells, missing, numbers, location, options)


def _as_given(
    cells: Cells, missing: NDArray[np.bool_], numbers: NDArray[np.float64], location: Location, options: TimeOptions
) -> TimeColumn:
    """Texts in the formats or numbers of the unit that are given; ISO dates with an offset leave nothing to guess."""
    nothing = np.full(len(cells), np.nan)
    if options.format:
        texts = _texts(cells).where(~missing, "")
        read = formatted(texts, options.format)
        column = TimeColumn(
            read.seconds, read.fraction, np.full(len(cells), np.nan), f"as {' or '.join(options.format)}"
        )
        column = _in_utc(column, read.naive, cells, location, options)
    else:
        unit = options.unit or "s"
        digits = times_in_unit(numbers, _exact(cells, numbers), unit)
        column = TimeColumn(digits.seconds, digits.fraction, nothing, f"{NAMES[unit]} since 1970")
    rest = np.flatnonzero(np.isnan(column.seconds) & ~missing)
    texts = _texts(cells.iloc[rest])
    if not len(rest):
        return column
    clear = is_iso_with_offset(texts)
    dates = date_texts(texts[clear])
    column.seconds[rest[clear]], column.fraction[rest[clear]] = dates.seconds, dates.fraction
    return column


def _datetimes(cells: Cells, missing: NDArray[np.bool_], location: Location, options: TimeOptions) -> TimeColumn:
    naive = not isinstance(cells.dtype, pd.DatetimeTZDtype)
    if options.format or options.unit is not None:
        key = "time_format" if options.format else "time_unit"
        location.warn(f"the column holds datetimes, so {options.section}.{key} is not used", "leave it out")
    seconds, fraction = split_moments(cells.dt.tz_localize("UTC") if naive else cells)
    column = TimeColumn(
        np.where(missing, np.nan, seconds), np.where(missing, 0, fraction), np.full(len(cells), np.nan), "datetimes"
    )
    return _in_utc(column, ~missing & naive, cells, location, options)


def _guessed(
    cells: Cells, missing: NDArray[np.bool_], numbers: NDArray[np.float64], location: Location, options: TimeOptions
) -> TimeColumn:
    digits = digit_times(numbers, _exact(cells, numbers))
    rest = np.flatnonzero(np.isnan(numbers) & ~missing)
    texts = _texts(cells.iloc[rest])
    _tell_digits(digits, texts, cells, location, options)
    seconds, fraction = _whole_seconds(digits)
    are_digits = digits.form.startswith("dates")
    naive = np.isfinite(seconds) & are_digits
    readings = [digits.form if are_digits else f"{digits.form} since 1970"] if digits.form else []
    if len(rest):
        dates = date_texts(texts)
        seconds[rest], fraction[rest] = dates.seconds, dates.fraction
        naive[rest] = np.isfinite(dates.seconds) & ~has_offset(texts)
        readings += [f"dates as {form}" for form in dates.forms if form != _PLAIN]
        only = not np.isfinite(numbers).any()
        _tell_formats(dates, strptime_formats(texts, dates) if only else (), rest, cells, location, options.section)
    return _in_utc(TimeColumn(seconds, fraction, numbers, ", ".join(readings)), naive, cells, location, options)


def _whole_seconds(digits: DigitTimes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds without their fraction, float64 [n], NaN where there are none, and nanoseconds within them, int64 [n]."""
    known = np.isfinite(digits.seconds)
    seconds = np.floor(digits.seconds)
    if known.all():
        return seconds, digits.fraction
    seconds[~known] = np.nan
    return seconds, np.where(known, digits.fraction, 0)


def _in_utc(
    column: TimeColumn, naive: NDArray[np.bool_], cells: Cells, location: Location, options: TimeOptions
) -> TimeColumn:
    """The times of a column of which some are local times of the zone, or else of UTC; days stay days."""
    days = not (np.nan_to_num(column.seconds[naive]) % 86400 != 0).any()
    if not naive.any() or (days and not (options.whole_days and options.zone is not None)):
        return column
    if options.zone is not None:
        seconds = localized(column.seconds, naive, options.zone, cells, location)
        return replace(column, seconds=seconds, reading=_joined(column.reading, f"local times of {options.zone}"))
    return replace(column, reading=_joined(column.reading, "without a zone, so taken as UTC"))


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def time_remedy(cell: object, number: float) -> str:
    """What to do about a cell that is no time.

    Args:
        cell: as it is written.
        number: the same as a number; NaN if it is none.
    """
    if np.isfinite(number):
        return time_of_number(number) or "give seconds since 1970 UTC"
    text = _text(cell).strip()
    if re.match(r"0000-00|0001-01|00[/.-]00[/.-]", text):
        return "it stands for an unknown time: drop the row, or fill the cell"
    if re.fullmatch(UNCLEAR, text):
        return "day, month and year cannot be told apart: write dates as 2020-09-13"
    if re.match(ISO, text):
        return "there is no such day or time: write dates as 2020-09-13 or 2020-09-13T12:26:40"
    return DEFAULT_REMEDY


def are_dates(texts: pd.Series[str]) -> bool:
    """Whether at least nine of ten texts are dates of a known format.

    Args:
        texts: [n] filled cells.
    """
    some = texts.iloc[np.unique(np.linspace(0, len(texts) - 1, min(len(texts), 200)).astype(np.int64))]
    if (
        not len(some)
        or some.str.contains("[0-9].*[0-9]").mean() < 0.5
        or some.str.contains(MAY_BE_DATE).mean() < 0.5
        or np.isnan(date_texts(some).seconds).mean() > 0.5
    ):
        return False
    return bool(np.isfinite(date_texts(texts).seconds).mean() >= 1 - TOLERATED)


def day(seconds: float) -> str:
    """The day of a time, for a message."""
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _texts(cells: Cells) -> pd.Series[str]:
    """The cells as they are written, index 0..n-1."""
    if isinstance(cells.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return cells.astype("str").reset_index(drop=True)
    return pd.Series([_text(cell) for cell in cells], dtype="str")


def _text(cell: object) -> str:
    return "" if isinstance(cell, (list, tuple, np.ndarray)) else str(cell)


def _exact(cells: Cells, numbers: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """The numbers as integers, where a float does not hold all digits of some; None where it holds all."""
    size = np.abs(numbers)
    large = np.flatnonzero((size >= 2**53) & (size < 9e18))
    if not len(large):
        return None
    exact = np.nan_to_num(np.clip(numbers, -9e18, 9e18)).astype(np.int64)
    for row in large:
        text = str(cells.iloc[row]).strip()
        exact[row] = int(text) if text.isdigit() else exact[row]
    return exact


def _tell_digits(
    digits: DigitTimes, others: pd.Series[str], cells: Cells, location: Location, options: TimeOptions
) -> None:
    """Warns of numbers that are no seconds; an option is named where it reads the other cells, too."""
    if not digits.form:
        return
    rows = np.flatnonzero(np.isfinite(digits.seconds))
    moment = np.datetime64(int(digits.seconds[rows[0]]), "s")
    found = f"times are {digits.form if digits.form.startswith('dates') else 'in ' + digits.form}, as "
    found += f"{location.shown(cells.iloc[rows[0]])}, and read so: {str(moment).removesuffix('T00:00:00')}"
    unit = next((unit for unit, name in NAMES.items() if name == digits.form), None)
    given = f'time_unit = "{unit}"' if unit else 'time_format, as "%Y%m%d",'
    says = f"; {options.section}.{given} says so without a guess"
    if not is_iso_with_offset(others).all():
        says = ", or write all cells of the column in one way"
    location.warn(found, f"check that this is right{says}", rows)


def _tell_formats(
    dates: DateTexts,
    formats: tuple[str, ...],
    rows: NDArray[np.int64],
    cells: Cells,
    location: Location,
    section: str = "data",
) -> None:
    """Warns of dates in several formats, or in another one than ISO."""
    form, forms = dates.form, dates.forms
    if not forms or forms == [_PLAIN]:
        return
    first = {name: rows[int(np.argmax(form == name))] for name in forms}
    listed = ", ".join(f"{location.shown(cells.iloc[row])} ({name})" for name, row in first.items())
    odd = rows[[name is not None and name != (forms[0] if len(forms) > 1 else None) for name in form]]
    what = "dates are written in several formats" if len(forms) > 1 else "dates are not written as ISO dates are"
    given = json.dumps(formats[0] if len(formats) == 1 else list(formats))
    says = f"; {section}.time_format = {given} says so without a guess" if formats else ""
    location.warn(f"{what} and read as {listed}", f"check that day and month are right{says}", odd)
