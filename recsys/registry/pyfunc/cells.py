"""Cells of a call: what each column of its rows takes."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

import numpy as np
import pandas as pd

from recsys.data.feedback.given_history import EVENTS, TIMES
from recsys.data.moment import seconds_since_1970
from recsys.data.vocabulary import MISSING, Rows
from recsys.errors import DataError

_DEFAULT_K = 10
_EXACT = 2**53
"""Floats from here on do not hold every integer."""


def column(rows: pd.DataFrame, name: str) -> list[Any]:
    """The cells of a column; None where there is none."""
    return list(rows[name]) if name in rows else [None] * len(rows)


def known_rows(items: Rows) -> Rows:
    """Those that are not MISSING."""
    found: Rows = items[items != MISSING]
    return found


def is_missing(value: Any) -> bool:
    """Whether a cell is empty; a list never is."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def plain(value: object) -> object:
    """A number of numpy as one of Python; other values as they are."""
    return value.item() if isinstance(value, np.generic) else value


def id_of(number: int, name: str, value: object) -> int | str:
    """An id of the type that the data has: pandas turns integers into floats in a column with missing values."""
    found = plain(value)
    if isinstance(found, float) and found.is_integer():
        if abs(found) >= _EXACT:
            raise DataError(
                f"row {number}: {name} came as the float {found!r}, which does not hold all digits of such an id; "
                "send rows with and without it apart"
            )
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise DataError(f"row {number}: {name} holds {short(found)}, which is no id")
    return found


def length(number: int, k: object) -> int:
    """The length of the list of row ``number``."""
    if is_missing(k):
        return _DEFAULT_K
    found = plain(k)
    if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1:
        raise DataError(f"row {number}: k is {short(found)}; give a whole number")
    if found < 1:
        raise DataError(f"row {number}: k must be at least 1")
    return int(found)


def event_types(number: int, cell: object) -> list[str] | None:
    """The types of the events of the history of row ``number``; None is none given."""
    if cell is None:
        return None
    types = _listed(number, EVENTS, cell)
    if wrong := [each for each in types if not isinstance(each, str)]:
        raise DataError(f"row {number}: {EVENTS} holds {short(wrong[0])}; give the type of each event as a text")
    return [str(each) for each in types]


def event_times(number: int, cell: object) -> list[int] | None:
    """The times of the events of the history of row ``number``; None is none given."""
    if cell is None:
        return None
    times = [moment(number, each, f"{TIMES}, event {place}") for place, each in enumerate(_listed(number, TIMES, cell))]
    if None in times:
        raise DataError(f"row {number}: {TIMES} is {short(cell)}; give the time of each event of history")
    return [each for each in times if each is not None]


def _listed(number: int, name: str, cell: object) -> list[object]:
    if not isinstance(cell, list | tuple | np.ndarray) or (isinstance(cell, np.ndarray) and not cell.ndim):
        raise DataError(f"row {number}: {name} is {short(cell)}; give a list, one for each item of history")
    return list(cell)


def moment(number: int, at: object, name: str = "at") -> int | None:
    """The time of row ``number``, as ``recommend.at`` takes it; None is now."""
    if is_missing(at):
        return None
    try:
        found = seconds_since_1970(at)
    except ValueError as error:
        raise DataError(f"row {number}: {name}: {error}") from error
    if not isinstance(found, int):
        raise DataError(f"row {number}: {name} is {short(at)}; give a date, ISO text or seconds since 1970 UTC")
    return found
