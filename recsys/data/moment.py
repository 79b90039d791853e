"""Moments in configs and calls: a date, a datetime, ISO text or seconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

_SECONDS_END = 10**11
"""Seconds since 1970 of the year 5138."""
_SECONDS_START = -(2**62)
"""Differences between moments fit in 64 bits."""
_EXPECTED = "write a date (2020-01-31), a datetime (2020-01-31T12:00:00Z, UTC by default) or seconds since 1970 UTC"


def seconds_since_1970(value: object) -> object:
    """Whole seconds since 1970 UTC of a date, datetime, ISO text or number; other values are returned as they are.

    A date is its midnight, and a datetime without an offset is UTC. Whole numbers of eight or fourteen digits that are
    dates, as 20200131, are taken as such.

    Raises:
        ValueError: a text is no ISO date, a number lies after the year 5000 or below -2**62, or it is true or false.

    Example:
        >>> seconds_since_1970("2020-01-31"), seconds_since_1970(date(2020, 1, 31)), seconds_since_1970(20200131)
        (1580428800, 1580428800, 1580428800)
    """
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{value} is no moment: {_EXPECTED}")
    if isinstance(value, (str, np.datetime64)):
        return _of_text(str(value).strip())
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _of_number(float(value)) if isinstance(value, (float, np.floating)) else _of_number(int(value))
    return value


Moment = Annotated[int, BeforeValidator(seconds_since_1970)]
"""A field of a config that takes a date, a datetime, ISO text or seconds since 1970 UTC, and holds seconds."""


def moment_text(seconds: int) -> str:
    """ISO text of seconds since 1970 UTC, for messages; times before 1973 are counts of something and stay numbers.

    Example:
        >>> moment_text(1580428800)
        '2020-01-31'
    """
    return str(np.datetime64(int(seconds), "s")).removesuffix("T00:00:00") if seconds >= 10**8 else str(seconds)


def _of_text(text: str) -> int:
    if text.removeprefix("-").isdigit():
        return _of_number(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment: {_EXPECTED}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)


def _of_number(number: float) -> int:
    if (isinstance(number, float) and not np.isfinite(number)) or number < _SECONDS_START:
        raise ValueError(f"{number} is no moment: {_EXPECTED}")
    whole = int(number // 1)
    text = str(whole)
    if len(text) in (8, 14) and text[:2] in ("19", "20"):
        try:
            form = "%Y%m%d" if len(text) == 8 else "%Y%m%d%H%M%S"
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    if whole >= _SECONDS_END:
        raise ValueError(f"{whole} lies after the year 5000, so it is in milliseconds or finer: {_EXPECTED}")
    return whole
