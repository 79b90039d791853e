"""Numbers as people write them: with a currency sign or a unit, groups of thousands, or a decimal comma."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.types.dates.years import are_years

_CURRENCIES = (
    "EUR|USD|GBP|CHF|JPY|CNY|RMB|SEK|NOK|DKK|PLN|CZK|HUF|INR|AUD|CAD|NZD|SGD|HKD|BRL|MXN|RUB|TRY|ZAR|KRW|"
    "US\\$|A\\$|C\\$|R\\$|kr\\.?|z\u0142|K\u010d|Ft|Rs\\.?|Fr\\.|[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u0e3f\u20aa\u20ab\u20a6\u20b1\u20b4\u00a2]"
)
_UNITS = r"%|kg|g|mg|lbs?|oz|cm|mm|km|ml|min|years?|yrs?"
_BLANKS = "[ \u00a0\u202f\u2009]*"
_WRITTEN = (
    rf"(?i:(?P<minus>[-\u2212\u2013]?){_BLANKS}(?P<before>{_CURRENCIES})?{_BLANKS}(?P<sign>[-+\u2212\u2013]?)"
    rf"(?P<body>[0-9](?:[0-9.,'\u2019 \u00a0\u202f\u2009]*[0-9])?){_BLANKS}"
    rf"(?P<after>{_CURRENCIES}|{_UNITS})?(?P<dash>,-|\.-)?)"
)
_POINT = r"(?:[1-9][0-9]{0,2}(?:[,'\u2019 \u00a0\u202f\u2009][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_COMMA = r"(?:[1-9][0-9]{0,2}(?:[.'\u2019 \u00a0\u202f\u2009][0-9]{3})+|[0-9]+)(?:,[0-9]+)?"
_SAME = {"EUR": "\u20ac", "USD": "$", "US$": "$", "GBP": "\u00a3", "JPY": "\u00a5", "RS": "\u20b9", "INR": "\u20b9"}
_SAME |= {"RUB": "\u20bd", "LBS": "LB", "YEARS": "YEAR", "YRS": "YEAR", "YR": "YEAR", "FR": "CHF"}

_NO_VALUE = (
    "|-|--|\u2013|\u2014|?|??|.|unknown|unbekannt|unk|undefined|missing|none|nil|na|n.a.|n.a|n/a|#n/a|nan|null|#null!|"
    "#value!|#div/0!|#ref!|\\n|tbd|tba|not available|not known|not specified|not set|no value|no data|no info|"
    "no answer|inf|+inf|-inf|infinity|-infinity|none given|not given|empty|blank|xxx"
)
NO_VALUE = frozenset(_NO_VALUE.split("|"))
"""Texts, in small letters, by which exports say that there is no value."""


@dataclass(frozen=True)
class NumberColumn:
    """A column of texts read as numbers.

    Args:
        values: float64 [n]; NaN where a cell is no number of the column's format.
        marked: bool [n], cells whose currency sign, unit, thousands or decimal comma was taken off.
        sign: the currency sign or unit of the format; empty for none.
        texts: [n] the cells.
    """

    values: NDArray[np.float64]
    marked: NDArray[np.bool_]
    sign: str
    texts: pd.Series[str]

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Bool [n]: cells that are filled and no number."""
        return np.isnan(self.values) & self.texts.notna().to_numpy(bool)

    @property
    def is_likely(self) -> bool:
        """Whether a quarter of the filled cells are numbers, so that it is worth to look at all of them."""
        return 4 * int(np.isfinite(self.values).sum()) >= int(self.texts.notna().sum())

    @property
    def mostly_numbers(self) -> bool:
        """Whether at least nine of ten filled cells are numbers, or the others say that there is no value.

        Codes with leading zeros, as postal codes, are no numbers, unless all of the column are; ``0000`` among years is
        no code.
        """
        filled = int(self.texts.notna().sum())
        wrong = self.texts[self.wrong]
        if not len(wrong):
            return filled > 0
        if filled == len(wrong):
            return False
        if bool(self.texts.str.fullmatch("0[0-9]+", na=False).any()) and not are_years(self.texts):
            return False
        words = int(wrong.str.strip().str.lower().isin(list(NO_VALUE)).sum())
        return len(wrong) - words <= 0.1 * filled and len(wrong) <= 0.5 * filled


def number_column(texts: pd.Series[str], plain: NDArray[np.float64]) -> NumberColumn:
    """Reads a column of texts as numbers of the format that most cells have.

    A format is a currency sign or unit (or none) and a decimal mark. ``1,299`` is read with the decimal mark that the
    other cells show, else as a group of thousands.

    Args:
        texts: [n], missing where empty.
        plain: float64 [n], the cells that are numbers as computers write them; NaN for others.

    Example:
        >>> cells = pd.Series(["$1,299.00", "$5", "free"], dtype="str")
        >>> number_column(cells, np.full(3, np.nan)).values.tolist()
        [1299.0, 5.0, nan]
    """
    odd = np.flatnonzero(np.isnan(plain) & texts.notna().to_numpy(bool))
    best = NumberColumn(plain, np.zeros(len(plain), bool), "", texts)
    if not len(odd):
        return best
    parts = _parts(texts.iloc[odd])
    if not parts[[".", ","]].notna().to_numpy().any():
        return best
    for sign, decimal in [("", "."), ("", ","), *((sign, mark) for sign in _signs(parts) for mark in ".,")]:
        values = plain.copy() if not sign and decimal == "." else _whole_only(plain, texts, bool(sign))
        values[odd] = np.where(parts["sign"] == sign, parts[decimal], np.nan)
        if np.isfinite(values).sum() > np.isfinite(best.values).sum():
            marked = np.zeros(len(plain), bool)
            marked[odd] = np.isfinite(values[odd])
            best = NumberColumn(values, marked, sign, texts)
    return best


def plain_number(text: str) -> str | None:
    """A written number as computers write it, for a remedy; None if ``text`` is none.

    Example:
        >>> plain_number("\u20ac12,99"), plain_number("1.299,00 EUR"), plain_number("soon")
        ('12.99', '1299', None)
    """
    parts = _parts(pd.Series([text], dtype="str"))
    value = next((float(parts[mark].iloc[0]) for mark in ".," if np.isfinite(parts[mark].iloc[0])), None)
    return None if value is None else f"{value:.10g}"


def sign_of(text: str) -> str:
    """The currency sign or unit of a written number, as `number_column` calls it; empty without one.

    Example:
        >>> sign_of("13.88 CHF"), sign_of("12 eur"), sign_of("7")
        ('CHF', '\u20ac', '')
    """
    sign = _parts(pd.Series([text], dtype="str"))["sign"].iloc[0]
    return sign if isinstance(sign, str) else ""


def amounts(texts: pd.Series[str]) -> NDArray[np.bool_]:
    """Bool [n]: whether each cell is a number in some spelling, with a currency sign or without any sign.

    Example:
        >>> amounts(pd.Series(["12,99", "\u20ac12.99", "7 kg", "red"], dtype="str")).tolist()
        [True, True, False, False]
    """
    parts = _parts(texts)
    is_unit = parts["sign"].fillna("").str.fullmatch(f"(?i:{_UNITS})").to_numpy(bool)
    return np.asarray(parts[[".", ","]].notna().any(axis=1).to_numpy(bool) & ~is_unit, bool)


def _parts(texts: pd.Series[str]) -> pd.DataFrame:
    """The sign of each cell, and its number with a decimal point (column ``.``) and with a decimal comma."""
    found = texts.str.strip(" \t\u00a0").str.extract(f"^{_WRITTEN}$")
    if not found["body"].notna().any():
        return pd.DataFrame({"sign": "", ".": np.nan, ",": np.nan}, index=texts.index)
    found = found.fillna("")
    negative = (found["minus"] + found["sign"]).str.contains("[-\u2212\u2013]")
    body, factor = found["body"], np.where(negative, -1.0, 1.0)
    signs = found["before"].where(found["before"] != "", found["after"]).str.upper().str.rstrip(".").replace(_SAME)
    return pd.DataFrame({"sign": signs, ".": factor * _read(body, _POINT, "."), ",": factor * _read(body, _COMMA, ",")})


def _read(bodies: pd.Series[str], pattern: str, decimal: str) -> NDArray[np.float64]:
    fits = bodies.str.fullmatch(pattern)
    digits = bodies.str.replace(f"[^0-9{decimal}]", "", regex=True).str.replace(decimal, ".", regex=False)
    return np.asarray(pd.to_numeric(digits.where(fits, ""), errors="coerce"), np.float64)


def _signs(parts: pd.DataFrame) -> Iterator[str]:
    """The two most frequent signs."""
    yield from parts["sign"][parts["sign"] != ""].value_counts().index[:2]


def _whole_only(plain: NDArray[np.float64], texts: pd.Series[str], with_point: bool) -> NDArray[np.float64]:
    """The plain numbers that have a place in a column of another format: with a decimal comma, those without a point.

    Beside a currency sign none has, as it may be another currency.
    """
    if with_point:
        return np.full(len(plain), np.nan)
    return np.where(texts.str.contains(".", regex=False, na=True).to_numpy(bool), np.nan, plain)
