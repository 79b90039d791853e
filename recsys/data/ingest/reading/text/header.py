"""Whether the first row of a text table holds names of columns or data."""

from __future__ import annotations

import re

import pandas as pd

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?|\d\d?[./]\d\d?[./]\d{2,4}")
_COMPARED = 1000
"""Rows in which the cells of the first row are searched for."""


def looks_like_data(names: list[str], frame: pd.DataFrame) -> bool:
    """Whether the first row looks like data: numbers, dates, or a third of its cells occur again.

    Names that count up, as 0, 1, 2 of a table of vectors, may be names where others are no numbers.

    Args:
        names: the cells of the first row.
        frame: the rows below, with the columns in the order of ``names``.

    Example:
        >>> looks_like_data(["196", "242", "3"], pd.DataFrame({"a": ["22"], "b": ["377"], "c": ["1"]}))
        True
        >>> looks_like_data(["user_id", "2019", "2020"], pd.DataFrame({"a": ["1"], "b": ["2"], "c": ["3"]}))
        False
    """
    filled = [name for name in names if name.strip()]
    numbers = [name for name in filled if _NUMBER.fullmatch(name)]
    if any(_DATE.fullmatch(name) for name in filled):
        return True
    if numbers and not (len(numbers) < len(filled) and _counts_up(numbers)):
        return True
    head = frame.head(_COMPARED)
    again = [bool(name.strip()) and bool((head.iloc[:, n] == name).any()) for n, name in enumerate(names)]
    return sum(again) * 3 >= len(filled) > 0


def _counts_up(numbers: list[str]) -> bool:
    values = [int(number) if number.isdigit() else -9 for number in numbers]
    return len(values) > 1 and values == list(range(values[0], values[0] + len(values)))
