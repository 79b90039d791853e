"""The formats of strptime by which dates that were guessed can be read without a guess."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.types.dates.date_texts import DateTexts
from recsys.data.ingest.types.time_options import formatted

_MOST = 6
"""Formats that a remedy lists."""
_NAMED = (
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d. %B %Y"),
    *("%a, %d %b %Y", "%A, %d %B %Y", "%a %d %b %Y", "%a, %b %d, %Y", "%A, %B %d, %Y"),
)
_CLOCK = re.compile(
    r"(?P<gap>T|,? +)\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<part>\.\d+)?)?(?P<half> ?[AaPp][Mm])?"
    r"(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}))?$"
)


def strptime_formats(texts: pd.Series[str], dates: DateTexts) -> tuple[str, ...]:
    """Formats that, tried in order, read every text as it was read by a guess; empty where there are none.

    Args:
        texts: [n] filled cells.
        dates: the same as dates.

    Example:
        >>> from recsys.data.ingest.types.dates.date_texts import date_texts
        >>> texts = pd.Series(["13/09/2020", "Sep 13, 2020"], dtype="str")
        >>> strptime_formats(texts, date_texts(texts))
        ('%d/%m/%Y', '%b %d, %Y')
    """
    texts = texts.reset_index(drop=True)
    found: list[str] = []
    for form in dates.forms:
        left = np.flatnonzero(dates.form == form)
        while len(left):
            example = str(texts.iloc[left[0]]).strip()
            new = next((one for one in _candidates(form, example) if _same(texts, dates, left[:1], (one,)).all()), None)
            if new is None or len(found) == _MOST:
                return ()
            found.append(new)
            left = left[~_same(texts, dates, left, (new,))]
    formats = tuple(dict.fromkeys(found))
    return formats if formats and _same(texts, dates, np.arange(len(texts)), formats).all() else ()


def _same(
    texts: pd.Series[str], dates: DateTexts, rows: NDArray[np.int64], formats: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Bool: which of ``rows`` the formats read as they were read by a guess."""
    read = formatted(texts.iloc[rows], formats)
    both = np.isnan(read.seconds) & np.isnan(dates.seconds[rows])
    return np.asarray(both | ((read.seconds == dates.seconds[rows]) & (read.fraction == dates.fraction[rows])), bool)


def _candidates(form: str, example: str) -> list[str]:
    """The formats that a date of a form, as ``day.month.year``, may have."""
    clock = _CLOCK.search(example) if ":" in example else None
    if ":" in example and clock is None:
        return []
    days = _NAMED if "name" in form else (form.replace("day", "%d").replace("month", "%m").replace("year", "%Y"),)
    days = ("%Y-%m-%d",) if form == "year-month-day" else days
    return [day + ("" if clock is None else _clock_format(clock)) for day in days]


def _clock_format(clock: re.Match[str]) -> str:
    half, zone = clock["half"] or "", clock["zone"] or ""
    hours = clock["gap"] + ("%I" if half else "%H") + ":%M"
    seconds = (":%S" if clock["seconds"] else "") + (".%f" if clock["part"] else "")
    marks = " " * half.startswith(" ") + "%p" * bool(half) + " " * zone.startswith(" ") + "%z" * bool(zone)
    return hours + seconds + marks
