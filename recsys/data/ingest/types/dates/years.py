"""Columns of years without a day: numbers, and never seconds since 1970."""

from __future__ import annotations

import pandas as pd

YEAR = r"\s*(?:1[89]\d\d|20\d\d|2100)(?:\.0+)?\s*"
_LEAST = 0.5
"""The share of the filled cells that are years in a column of years; others are zeros, words and odd cells."""
NEAR = 10 * 86400.0
"""Numbers that are all smaller would all be times of the first ten days of 1970, so they are no seconds."""


def are_years(texts: pd.Series[str]) -> bool:
    """Whether most filled cells are four-digit years, and all other numbers are zeros, as ``0000``.

    Example:
        >>> are_years(pd.Series(["1990", "0000", "1985", "unknown"], dtype="str"))
        True
    """
    filled = texts.dropna()
    years = filled.str.fullmatch(YEAR)
    digits = filled[~years].str.strip()
    digits = digits[digits.str.fullmatch(r"[+-]?[0-9]+(?:\.[0-9]+)?")]
    return bool(len(filled)) and float(years.mean()) >= _LEAST and bool(digits.str.fullmatch("0+").all())
