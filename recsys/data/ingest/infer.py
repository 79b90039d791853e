"""Inference of the kind of each column from its name and cells, used where a schema does not give it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.data.ingest.cells import LARGEST, filled_texts, finite, is_list, numbers
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.reading.lists import tag_mark, written_list
from recsys.data.ingest.types.dates.years import NEAR
from recsys.data.ingest.types.digit_times import digit_times
from recsys.data.ingest.types.numeric_column import as_number_column
from recsys.data.ingest.types.time_column import TOLERATED, are_dates
from recsys.data.ingest.types.time_options import fits
from recsys.data.schema import Column, Kind, Schema

_IMAGE = r"\.(?:jpe?g|png|webp|gif|bmp)$"
_SECONDS = (10**8, 10**10)
"""Integers in this range are seconds since 1970 if the name of the column means a time: the years 1973 to 2286."""

_NO_LISTS = 0.3
"""The share of the cells, as ``-``, that may be no lists in a column of lists that are written as texts."""


def infer_schema(frame: pd.DataFrame, time_formats: tuple[str, ...] = ()) -> Schema:
    """Infers the kind of each column of ``frame``; a schema overrides it.

    - lists of numbers, all of one length, are an embedding, other lists tags;
    - numbers, and texts that are all numbers, are numeric; a time, if the name has ``time``, ``date``, ``created`` or
      ``released`` in it and they are seconds since 1970 of the years 1973 to 2286, milliseconds or finer of the years
      1995 to 2100, or dates of digits, as ``20200131``; categorical, if they are integers of
      at most 12 values, fewer than a tenth of the rows;
    - texts that are numbers but for a few cells, or once a currency sign, a unit or groups of thousands are taken off,
      are as numbers are;
    - paths with the file extension of an image are images; dates are times, if at most a tenth of the
      cells are none, and so is a column of both, milliseconds and dates, but none of years; texts with ``|`` are tags,
      and so are lists of texts that are written as Python or JSON writes them;
    - texts that are lists of few values between one mark, as ``vegan / hot`` or ``milk, soya``, are tags;
    - other texts are text if they have over 30 characters on average or are almost all distinct, else categorical;
    - an empty column is ignored.

    Args:
        frame: the columns.
        time_formats: of strptime: texts that are written so are times, too.

    Example:
        >>> infer_schema(pd.DataFrame({"genres": ["a|b", "c"], "year": ["1995", "1996"]})).to_dict()
        {'genres': 'tags:|', 'year': 'numeric'}
    """
    return Schema({str(name): _column(str(name), frame[name].dropna(), time_formats) for name in frame.columns})


def _column(name: str, cells: Cells, time_formats: tuple[str, ...]) -> Column:
    kind = _kind(name, cells, time_formats)
    mark = tag_mark(filled_texts(cells), surely=True) if kind in (Kind.CATEGORICAL, Kind.TEXT) else None
    return Column(kind) if mark is None else Column(Kind.TAGS, mark)


def _kind(name: str, cells: Cells, time_formats: tuple[str, ...]) -> Kind:
    if not len(cells):
        return Kind.IGNORED
    if cells.map(is_list).any():
        return _list_kind(cells)
    if pd.api.types.is_datetime64_any_dtype(cells):
        return Kind.TIME
    if pd.api.types.is_bool_dtype(cells) or cells.map(lambda cell: isinstance(cell, (bool, np.bool_))).all():
        return Kind.CATEGORICAL
    values = numbers(cells)
    if pd.api.types.is_numeric_dtype(cells) or bool((np.abs(values) <= LARGEST).all()):
        return _number_kind(name, values)
    text = filled_texts(cells)
    if time_formats and fits(text, time_formats) >= 1 - TOLERATED:
        return Kind.TIME
    if _are_numbers_and_dates(text):
        return Kind.TIME
    found = as_number_column(text, finite(cells))
    if found is not None:
        return _number_kind(name, pd.Series(found.values).dropna())
    return _text_kind(text)


def _list_kind(cells: Cells) -> Kind:
    lists = [np.asarray(cell) for cell in cells if is_list(cell)]
    numeric = all(part.dtype.kind in "iuf" or not len(part) for part in lists)
    one_length = len({len(part) for part in lists}) == 1
    fractional = any(part.dtype.kind == "f" for part in lists)
    return Kind.EMBEDDING if numeric and (one_length or fractional) else Kind.TAGS


def _number_kind(name: str, values: Cells) -> Kind:
    if any(word in name.lower() for word in ("time", "date", "created", "released")):
        low, high = values.min(), values.max()
        if (low >= _SECONDS[0] and high < _SECONDS[1]) or digit_times(values.to_numpy(np.float64)).form:
            return Kind.TIME
    distinct = values.nunique()
    whole = bool((values == values.round()).all())
    return Kind.CATEGORICAL if whole and distinct <= 12 and distinct * 10 < len(values) else Kind.NUMERIC


def _are_numbers_and_dates(texts: pd.Series[str]) -> bool:
    """Whether some cells are times since 1970 or dates of digits, and the others dates, as where a log changed."""
    values = numbers(texts).to_numpy(np.float64)
    is_number = np.isfinite(values)
    if not is_number.any() or is_number.all():
        return False
    known = values[is_number]
    are_seconds = bool((known >= _SECONDS[0]).all() and (known < _SECONDS[1]).all())
    return (are_seconds or bool(digit_times(known).form)) and are_dates(texts[~is_number])


def _are_not_only_numbers(dates: pd.Series[str]) -> bool:
    """Whether more than a few of the dates are written as such, and are not years or other small numbers."""
    values = numbers(dates).to_numpy(np.float64)
    small = np.abs(values) < NEAR
    return bool(small.mean() < 1 - TOLERATED) and (not small.any() or are_dates(dates[~small]))


def _text_kind(cells: Cells) -> Kind:
    if cells.str.contains(_IMAGE, case=False).mean() > 0.9:
        return Kind.IMAGE
    if are_dates(cells) and _are_not_only_numbers(cells):
        return Kind.TIME
    if cells.str.contains("|", regex=False).mean() > 0.05 and cells.str.contains(" | ", regex=False).mean() < 0.05:
        return Kind.TAGS
    if cells.str.fullmatch(r"\s*\[.*\]\s*").mean() > 1 - _NO_LISTS:
        lists = [written_list(text) for text in cells.unique()]
        if any(lists) and sum(each is not None for each in lists) > (1 - _NO_LISTS) * len(lists):
            return Kind.TAGS
    long = cells.str.len().mean() > 30
    return Kind.TEXT if long or (cells.nunique() > 0.9 * len(cells) and len(cells) > 20) else Kind.CATEGORICAL
