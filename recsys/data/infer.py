"""Guessing what kind of thing a column is, so that a table can be used before anyone wrote a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.data.schema import Column, Kind, Schema

_IMAGE = r"\.(?:jpe?g|png|webp|gif|bmp)$"
_SECONDS = (10**8, 10**10)
"""Integers in this range under a name that speaks of time are seconds since 1970 (1973 to 2286)."""


def infer_schema(frame: pd.DataFrame, root: Path | None = None) -> Schema:
    """The kind of each column of ``frame``, to be printed and corrected.

    - lists of numbers are an embedding; numbers are numeric, or a time where name and range say so, or categorical
      where they are few integers (at most 12 distinct, fewer than a tenth of the rows);
    - paths with an image's ending are images; ISO dates are times; text with ``|`` in it is tags;
    - other text is text where it is long (over 30 characters on average) or almost all distinct, else categorical;
    - a column that is empty is ignored.

    Args:
        frame: the columns, without the id.
        root: takes no part in the guess; where image paths start.
    """
    return Schema({str(name): Column(_kind(str(name), frame[name].dropna())) for name in frame.columns})


def _kind(name: str, cells: pd.Series[Any]) -> Kind:
    if not len(cells):
        return Kind.IGNORED
    if isinstance(cells.iloc[0], (list, np.ndarray)):
        return Kind.EMBEDDING
    if pd.api.types.is_datetime64_any_dtype(cells):
        return Kind.TIME
    if pd.api.types.is_bool_dtype(cells):
        return Kind.CATEGORICAL
    if pd.api.types.is_numeric_dtype(cells):
        return _number_kind(name, cells)
    return _text_kind(cells.astype(str))


def _number_kind(name: str, cells: pd.Series[Any]) -> Kind:
    if any(word in name.lower() for word in ("time", "date", "created", "released")):
        low, high = cells.min(), cells.max()
        if low >= _SECONDS[0] and high < _SECONDS[1]:
            return Kind.TIME
    distinct = cells.nunique()
    whole = bool((cells == cells.round()).all())
    return Kind.CATEGORICAL if whole and distinct <= 12 and distinct * 10 < len(cells) else Kind.NUMERIC


def _text_kind(texts: pd.Series[Any]) -> Kind:
    if texts.str.contains(_IMAGE, case=False).mean() > 0.9:
        return Kind.IMAGE
    if texts.str.match(r"\d{4}-\d{2}-\d{2}").mean() > 0.9:
        return Kind.TIME
    if texts.str.contains("|", regex=False).mean() > 0.05 and texts.str.contains(" | ", regex=False).mean() < 0.05:
        return Kind.TAGS
    long = texts.str.len().mean() > 30
    return Kind.TEXT if long or (texts.nunique() > 0.9 * len(texts) and len(texts) > 20) else Kind.CATEGORICAL
