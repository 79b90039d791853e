"""Coercion of a column of users or items to numbers, and the findings about cells that are none."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.types.dates.date_texts import date_texts
from recsys.data.ingest.types.dates.years import are_years
from recsys.data.ingest.types.written_numbers import (
    NO_VALUE,
    NumberColumn,
    amounts,
    number_column,
    plain_number,
    sign_of,
)

_SAMPLE = 2000
_REST, _DATE = 2, 3
"""Groups of cells that are no numbers: those without a better name, and dates among years."""
_FEWEST, _AMOUNTS = 5, 0.9
"""Filled cells, and the share of them that are amounts, of a column that is told to be one of mixed spellings."""
_YES, _NO = ("true", "yes", "y", "t"), ("false", "no", "n", "f")


def as_number_column(texts: pd.Series[str], plain: NDArray[np.float64]) -> NumberColumn | None:
    """The column as numbers; None if most of its cells are none, or they are codes with leading zeros.

    Args:
        texts: [n] cells, missing where empty.
        plain: float64 [n], the cells that are numbers as computers write them; NaN for others.
    """
    some = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), _SAMPLE)).astype(np.int64))
    if not len(texts) or not number_column(texts.iloc[some].reset_index(drop=True), plain[some]).is_likely:
        return None
    column = number_column(texts, plain)
    return column if column.mostly_numbers else None


def coerce_numbers(
    texts: pd.Series[str], plain: NDArray[np.float64], location: Location, given: bool
) -> NDArray[np.float64]:
    """Float64 [n]; NaN for cells that are missing or no number.

    Cells that are no numbers are an error if the kind was given or most cells are none; else a warning, and they count
    as missing. Currency signs and groups of thousands are taken off with a warning; ``true`` and ``false`` are 1 and 0.

    Args:
        texts: [n] cells, missing where empty.
        plain: float64 [n], the cells that are numbers as computers write them; NaN for others.
        location: the column.
        given: whether the config says that the column is numeric.
    """
    truth = _truths(texts)
    if truth is not None:
        return truth
    column = number_column(texts, plain)
    _report_wrong(column, location, given or not column.mostly_numbers)
    marked = np.flatnonzero(column.marked)
    if len(marked):
        found = f"numbers are written as {shown(texts.iloc[marked[0]])} and read as {column.values[marked[0]]:.10g}"
        others = "" if not column.sign else "; amounts in other currencies or units have to be converted before"
        comma = re.search(r",[0-9]{1,2}$|\..*,", texts.iloc[marked[0]]) is not None and not column.sign
        says = 'data.decimal = "," and data.thousands = "." say so; ' * comma
        tell = location.note if given and not column.sign else location.warn  # whoever gave the kind has looked
        tell(found, f"{says}check that this is right, else give the column another kind{others}", marked)
    return column.values


def _report_wrong(column: NumberColumn, location: Location, are_errors: bool) -> None:
    """One issue each for numbers of another format, words that say that there is no value, dates, and the rest."""
    rows = np.flatnonzero(column.wrong)
    groups = pd.Series([_group(text) for text in column.texts.iloc[rows]], index=rows, dtype="int64")
    if (groups == _REST).any() and are_years(column.texts):
        rest = groups.index[groups == _REST]
        groups[rest[np.isfinite(date_texts(column.texts.loc[rest]).seconds)]] = _DATE
    for group in sorted(groups.unique()):
        wrong = groups.index[groups == group].to_numpy(np.int64)
        text = column.texts.iloc[wrong[0]]
        told = remedy(text, column.sign)
        if group == _DATE:
            _report_dates(column.texts, wrong, location, are_errors)
            continue
        if are_errors:
            location.error(f"{shown(text)} is no number", told, wrong)
        elif len(wrong) == 1:
            location.warn(f"{shown(text)} is no number and counts as missing", told, wrong)
        else:
            found = f"{len(wrong):,} cells, as {shown(text)}, are no numbers and count as missing"
            location.warn(found, told, wrong)


def _group(text: str) -> int:
    return 0 if plain_number(text) is not None else 1 if text.strip().lower() in NO_VALUE else _REST


def _report_dates(texts: pd.Series[str], rows: NDArray[np.int64], location: Location, are_errors: bool) -> None:
    """One issue for whole dates among years."""
    text = texts.iloc[rows[0]]
    year = np.datetime64(int(date_texts(texts.iloc[rows[:1]]).seconds[0]), "s").astype("datetime64[Y]")
    counted = "1 cell is a date" if len(rows) == 1 else f"{len(rows):,} cells are dates"
    found = f"{counted} in a column of years, as {shown(text)}, and {'no number' if len(rows) == 1 else 'no numbers'}"
    tell = location.error if are_errors else location.warn
    counts = "" if are_errors else ": not read as a year, " + ("it counts" if len(rows) == 1 else "they count")
    remedy = f"write the year, {year}; or write all cells as dates and give the column the kind time"
    tell(f"{found}{counts and counts + ' as missing'}", remedy, rows)


def remedy(text: str, sign: str = "") -> str:
    """What to do about a cell that is no number, in a column of numbers with a currency sign or unit, or without."""
    number, own = plain_number(text), sign_of(text)
    if number is not None and sign and own != sign:
        if not own:
            return f"write it with its unit, {sign}, as the other cells are, or leave it empty"
        return f"the column is in {sign}: convert the amount from {own}, or leave the cell empty, which is missing"
    if number is not None:
        return f"write {number}; or give the column another kind in the schema"
    if text.strip().lower() in NO_VALUE:
        return f'leave it empty or name it, data.missing = ["{text}"]; or give the column another kind in the schema'
    return "mend the cells, or give the column another kind in the schema"


def _truths(texts: pd.Series[str]) -> NDArray[np.float64] | None:
    """1 and 0 of a column of nothing but ``true`` and ``false``, or ``yes`` and ``no``; None for other columns."""
    words = texts.str.strip().str.lower()
    if not len(words.dropna()) or not words.dropna().isin([*_YES, *_NO]).all():
        return None
    return np.where(words.isna(), np.nan, words.isin(list(_YES)).astype(np.float64))


def unified_truths(texts: pd.Series[str], location: Location) -> pd.Series[str]:
    """The cells of a column of truth values, in which several spellings of one (``True``, ``TRUE``, ``1``) are one.

    Columns of other cells, and those that write each truth one way, stay as they are.

    Args:
        texts: [n] cells, missing where empty.
        location: the column; a warning names the spellings.
    """
    words = texts.str.strip().str.lower()
    spellings = texts.dropna().unique()
    if not 2 < len(spellings) <= 24 or not words.dropna().isin([*_YES, *_NO, "1", "0", "1.0", "0.0"]).all():
        return texts
    if not words.isin(["true", "false", "yes", "no"]).any():
        return texts
    wanted = "true", "false"
    odd = np.flatnonzero(texts.notna().to_numpy(bool) & ~texts.isin(list(wanted)).to_numpy(bool))
    listed = ", ".join(shown(text) for text in spellings[:6])
    location.warn(f"true and false are written as {listed}; they are read as true and false", "write one form", odd)
    true = words.isin([*_YES, "1", "1.0"])
    return pd.Series(np.where(true, *wanted), index=texts.index, dtype="str").where(texts.notna())


def warn_odd_categories(texts: pd.Series[str], location: Location) -> None:
    """Warns of the few cells that are no numbers where all others are few whole numbers, and so categories.

    Args:
        texts: [n] cells, missing where empty.
        location: the column.
    """
    plain = np.asarray(pd.to_numeric(texts, errors="coerce"), np.float64)
    column = as_number_column(texts, np.where(np.isfinite(plain), plain, np.nan))
    wrong = np.array([], np.int64) if column is None else np.flatnonzero(column.wrong)
    if len(wrong):
        text = texts.iloc[wrong[0]]
        found = f"all cells are numbers but for some, as {shown(text)}, which count as values of their own"
        location.warn(found, remedy(text), wrong)


def warn_mixed_amounts(texts: pd.Series[str], location: Location) -> None:
    """Warns of a column that is no number because its amounts are written in several ways, as ``1,9`` and ``1.9 EUR``.

    Args:
        texts: [n] cells, missing where empty.
        location: the column.
    """
    filled = np.flatnonzero(texts.notna().to_numpy(bool))
    some = filled[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _SAMPLE)).astype(np.int64))]
    if len(filled) < _FEWEST or amounts(texts.iloc[some]).mean() < _AMOUNTS:
        return
    plain = np.asarray(pd.to_numeric(texts, errors="coerce"), np.float64)
    rows = filled[amounts(texts.iloc[filled]) & np.isnan(plain[filled])]
    cells = texts.iloc[rows]
    if not len(rows) or as_number_column(texts, plain) is not None or cells.str.fullmatch("0[0-9]+").any():
        return
    spellings = cells.str.replace("[0-9]+", "0", regex=True).drop_duplicates().index[:4]
    listed = ", ".join(shown(texts.loc[row]) for row in spellings)
    number = plain_number(texts.loc[spellings[0]])
    location.warn(
        f"amounts are written in several ways, as {listed}, so that the column is no number",
        f"write all as {number}, in one currency; data.decimal and data.thousands tell how those without a sign are "
        "written; if they are names, give the column its kind in the schema",
        rows,
    )


def warn_missing_words(texts: pd.Series[str], location: Location, given: bool) -> None:
    """Tells of cells as ``-`` and ``?``, which stand for a missing value and count as a value of their own.

    Args:
        texts: [n] cells, missing where empty.
        location: the column.
        given: whether the config gives the kind of the column: then it is a note.
    """
    distinct = texts.dropna().unique()
    words = [text for text in distinct if text.strip().lower() in NO_VALUE]
    if not words or len(words) == len(distinct):
        return
    rows = np.flatnonzero(texts.isin(words).to_numpy(bool))
    listed = json.dumps(words, ensure_ascii=False)
    counted = "1 cell counts as a value of its own" if len(rows) == 1 else f"{len(rows):,} cells count as values"
    tell = location.note if given else location.warn
    tell(
        f"{counted}, as {shown(words[0])}, and may stand for a missing one",
        f"data.missing = {listed} takes them as missing in all tables; if they are values, nothing is to be done",
        rows,
    )
