"""Dates as people write them: ISO, year first, day or month first, and with names of months."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))"
_HOUR = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_CLOCK = rf"(?:(?:T|,? +)(?P<clock>{_HOUR}{_ZONE}?))?"
_YEAR_FIRST = rf"(?P<y>\d{{4}})(?P<mark>[/.-])(?P<a>\d{{1,2}})(?P=mark)(?P<b>\d{{1,2}}){_CLOCK}"
_YEAR_LAST = rf"(?P<a>\d{{1,2}})(?P<mark>[/.-])(?P<b>\d{{1,2}})(?P=mark)(?P<y>\d{{4}}){_CLOCK}"
_MONTH = r"jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
_LONG = r"january|february|march|april|june|july|august|september|october|november|december"
_DAY = r"(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:day|nesday|rsday|urday|sday)?"
_WORD = rf"(?:{_MONTH}|{_LONG}|{_DAY}|am|pm|gmt|utc|z|st|nd|rd|th|of|t)\b"
_NAMED = rf"(?i:(?:{_WORD}|[0-9:.,+/ ()-]|(?<=\d)(?:st|nd|rd|th)\b)+)"
UNCLEAR = rf"(?:{_YEAR_LAST}|\d{{1,2}}[/.-]\d{{1,2}}[/.-]\d{{2}}(?: .*)?)"
"""A date whose day and month, or year, may not be clear."""
MAY_BE_DATE = rf"(?i:^\s*[0-9+-]|{_MONTH})"
"""The beginning of a date of digits, or the name of a month; texts without either are no dates."""
ISO = r"\d{4}-\d{2}-\d{2}"


@dataclass(frozen=True, eq=False)
class DateTexts:
    """Texts read as dates.

    Args:
        seconds: float64 [n], since 1970 UTC; NaN for texts that are no date, or one whose day and month are not clear.
        fraction: int64 [n], nanoseconds within the second.
        form: object [n], the format of each date, such as ``year-month-day``; None for texts that are no date.
    """

    seconds: NDArray[np.float64]
    fraction: NDArray[np.int64]
    form: NDArray[np.object_]

    @property
    def forms(self) -> list[str]:
        """The formats, the most frequent first."""
        return [str(form) for form in pd.Series(self.form, dtype=object).dropna().value_counts().index]


def date_texts(texts: pd.Series[str]) -> DateTexts:
    """Reads texts as dates, each in its format.

    Whether the day or the month is first in dates such as ``13/09/2020`` is known from those with a number over 12; if
    such dates show both orders or none, the others are left out. With points, as ``13.09.2020``, the day is first.

    Args:
        texts: [n] filled cells.

    Example:
        >>> dates = date_texts(pd.Series(["2020-09-13", "13/09/2020", "Sep 13, 2020", "soon"], dtype="str"))
        >>> dates.seconds.tolist(), dates.forms[0]
        ([1599955200.0, 1599955200.0, 1599955200.0, nan], 'year-month-day')
    """
    texts = texts.reset_index(drop=True).str.strip()
    found = DateTexts(np.full(len(texts), np.nan), np.zeros(len(texts), np.int64), np.full(len(texts), None, object))
    _fill(found, texts, "year-month-day", iso=True)
    for read in (_year_first, _year_last, _named):
        rest = texts[np.isnan(found.seconds)]
        if not len(rest):
            break
        for form, iso in read(rest).items():
            _fill(found, iso, form)
    return found


def _fill(found: DateTexts, texts: pd.Series[str], form: str, iso: bool = False) -> None:
    moments = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    _put(found, moments, form)
    lost = texts[moments.isna() & texts.str.match(ISO)] if iso else texts.iloc[:0]
    if len(lost) and len(lost) < len(texts):  # nanoseconds of other cells leave no room for years beyond 2262
        _put(found, pd.to_datetime(lost, errors="coerce", utc=True, format="ISO8601"), form)


def _put(found: DateTexts, moments: pd.Series[pd.Timestamp], form: str) -> None:
    good = moments.notna().to_numpy(bool)
    rows = moments.index.to_numpy()[good]
    found.seconds[rows], found.fraction[rows] = (part[good] for part in split_moments(moments))
    found.form[rows] = form


def split_moments(moments: pd.Series[pd.Timestamp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whole seconds since 1970 UTC, float64 [n], and nanoseconds within them, int64 [n]; undefined where missing."""
    unit = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[moments.dt.unit]
    ticks = np.asarray(moments.astype(np.int64), np.int64)
    return (ticks // unit).astype(np.float64), ticks % unit * (10**9 // unit)


def _year_first(texts: pd.Series[str]) -> dict[str, pd.Series[str]]:
    parts = texts.str.extract(f"^{_YEAR_FIRST}$").dropna(subset=["y"])
    return {f"year{mark}month{mark}day": _iso(rows, "a", "b") for mark, rows in parts.groupby("mark")}


def _year_last(texts: pd.Series[str]) -> dict[str, pd.Series[str]]:
    parts = texts.str.extract(f"^{_YEAR_LAST}$").dropna(subset=["y"])
    found = {}
    for mark, rows in parts.groupby("mark"):
        first, second = rows["a"].astype(int), rows["b"].astype(int)
        day_first, month_first = first > 12, second > 12
        if not month_first.any() and (day_first.any() or mark == "."):
            day_first[:] = True
        elif month_first.any() and not day_first.any():
            month_first[:] = True
        same = (first == second) & ~day_first & ~month_first
        found[f"day{mark}month{mark}year"] = _iso(rows[day_first | same], "b", "a")
        found[f"month{mark}day{mark}year"] = _iso(rows[month_first], "a", "b")
    return found


def _iso(parts: pd.DataFrame, month: str, day: str) -> pd.Series[str]:
    date = parts["y"] + "-" + parts[month].str.zfill(2) + "-" + parts[day].str.zfill(2)
    clock = parts["clock"].fillna("")
    half = clock.str.contains("[AaPp]", regex=True)
    clock = clock.where(~half, _whole_day(clock[half]).reindex(clock.index))
    clock = clock.str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True).str.replace(" ", "").str.replace(",", ".")
    return date + ("T" + clock.str.replace(r"^(\d):", r"0\1:", regex=True)).where(clock != "", "")


def _whole_day(clocks: pd.Series[str]) -> pd.Series[str]:
    """Clock times with AM and PM as those of 24 hours."""
    parts = clocks.str.extract(r"^(?P<h>\d{1,2})(?P<rest>:[^ AaPp]*) ?(?P<half>[AaPp])\.?[Mm]\.?(?P<zone>.*)$")
    hour = parts["h"].fillna("0").astype(int) % 12 + 12 * parts["half"].str.lower().eq("p")
    return hour.astype("str").str.zfill(2) + parts["rest"].fillna("") + parts["zone"].fillna("")


def _named(texts: pd.Series[str]) -> dict[str, pd.Series[str]]:
    """Dates with the name of a month and a year of four digits, as ISO texts."""
    lower = texts.str.lower()
    likely = lower.str.contains(_MONTH) & texts.str.contains(r"(?<!\d)\d{4}(?!\d)") & texts.str.fullmatch(_NAMED)
    named = texts[likely.to_numpy(bool)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of time zones that are not known by name
        moments = pd.to_datetime(named, errors="coerce", utc=True, format="mixed").dropna()
    iso = pd.Series([moment.isoformat() for moment in moments], index=moments.index, dtype="str")
    return {"day and name of the month": iso}
