"""Profiles of the columns of users and items: kind, values, missing share, and warnings of columns of little use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import number_text, shown
from recsys.data.ingest.reading.lists import tag_mark
from recsys.data.schema import Column, Kind, Schema, split_tags

_NEARLY_EMPTY = 0.95
_UNIQUE = 0.95
_LEAST_ROWS, _LEAST_NUMBERS = 20, 100
"""Filled rows from which texts, and whole numbers, can be called unique-valued."""
_FEW, _MANY_RARE = 5, 1000
_TITLES = ("title", "name", "item_name", "product_title")


@dataclass(frozen=True)
class ColumnWarning:
    """A reason why a column may be of no use, or harmful.

    Args:
        what: ``constant``, ``nearly empty``, ``unique values``, ``rare values``, ``leaking``, or ``several values``,
            which is no fault.
        found: the reason, with numbers.
        remedy: what to do.
        kind: that the schema may give the column; empty where the remedy is none.
    """

    what: str
    found: str
    remedy: str
    kind: str = ""


@dataclass(frozen=True)
class ColumnProfile:
    """The contents of one column.

    Args:
        name: of the column.
        kind: as a schema gives it, such as ``tags:|``.
        rows: the number of entities.
        values: the number of distinct values; of tags, of distinct tags.
        missing: the share of missing cells.
        example: the first filled cell; of numbers and times the range.
        warnings: of columns that are constant, nearly empty, unique-valued or of thousands of rare values.
    """

    name: str
    kind: str
    rows: int
    values: int
    missing: float
    example: str
    warnings: tuple[ColumnWarning, ...]

    def facts(self) -> str:
        """One line, for a comment or a table.

        Example:
            >>> column_profile("size", pd.Series([1.0, 2.0, None, 4.0]), Column(Kind.NUMERIC)).facts()
            'numeric, 3 values, 25 % missing, 1 to 4'
        """
        share = f"{100 * self.missing:.{0 if self.missing in (0, 1) or 0.01 <= self.missing <= 0.99 else 1}f} % missing"
        mark = self.kind.removeprefix("tags:")
        kind = self.kind if mark in (self.kind, "|") else f"tags between {mark!r}"
        count = f"{self.values:,} value{'' if self.values == 1 else 's'}"
        return ", ".join(part for part in (kind, count, share, self.example) if part)

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self) | {"warnings": [asdict(warning) for warning in self.warnings]}


def column_profiles(columns: pd.DataFrame, schema: Schema) -> Iterator[ColumnProfile]:
    """The profile of each column of ``schema``, in its order."""
    for name, column in schema.columns.items():
        yield column_profile(name, columns[name], column)


def column_profile(name: str, cells: Cells, column: Column) -> ColumnProfile:
    """The profile of a column whose cells have the type of its kind.

    Example:
        >>> profile = column_profile("shop", pd.Series(["main"] * 9), Column(Kind.CATEGORICAL))
        >>> profile.values, [warning.what for warning in profile.warnings]
        (1, ['constant'])
    """
    text = column.kind not in (Kind.NUMERIC, Kind.TIME, Kind.EMBEDDING)
    filled = cells.dropna()
    filled = filled[filled.str.strip() != ""] if text and len(filled) else filled
    counts = _counts(filled, column)
    missing = 1 - len(filled) / max(len(cells), 1)
    several = tuple(_tags_note(name, filled, column))
    faults = _warnings(name, filled, column, counts, missing)
    warnings = (*(each for each in faults if not several or each.what != "unique values"), *several)
    kind = f"tags:{column.separator}" if column.kind is Kind.TAGS else str(column.kind)
    return ColumnProfile(name, kind, len(cells), len(counts), missing, _example(filled, column), warnings)


def _counts(filled: Cells, column: Column) -> pd.Series[int]:
    """Value -> number of rows that have it."""
    if column.kind is Kind.EMBEDDING:
        filled = filled.map(lambda cell: np.asarray(cell).tobytes())
    if column.kind is Kind.TAGS:
        tags = [tag for cell in filled for tag in dict.fromkeys(split_tags(str(cell), column.separator))]
        return pd.Series(tags, dtype="str").value_counts()
    return filled.value_counts()


def _warnings(
    name: str, filled: Cells, column: Column, counts: pd.Series[int], missing: float
) -> Iterator[ColumnWarning]:
    ignore = f'give {name} the kind "ignored" in the schema, or leave it out'
    if not len(filled):
        yield ColumnWarning(
            "nearly empty", "every cell is missing, so the column is ignored", "fill it, or leave it out"
        )
        return
    if column.kind is Kind.IGNORED:
        return
    if missing >= _NEARLY_EMPTY:
        found = f"{missing:.1%} of the cells are missing, so the column tells little"
        yield ColumnWarning("nearly empty", found, f"fill it; else {ignore}")
    elif missing <= 1 - _NEARLY_EMPTY and len(filled) > 1 and filled.map(str).nunique() == 1:
        found = f"every row has the same value, {shown(filled.iloc[0])}, so the column tells nothing"
        yield ColumnWarning("constant", found, ignore)
    elif _unique(name, filled, column, counts):
        found = f"almost every row has a value of its own, as {shown(filled.iloc[0])}, so nothing is learnt from it"
        yield ColumnWarning("unique values", found, f"if it is a code, an address or another id, {ignore}")
    elif column.kind in (Kind.CATEGORICAL, Kind.TAGS) and _many_rare(counts):
        found = f"{int((counts < _FEW).sum()):,} of {len(counts):,} values are of fewer than {_FEW} rows"
        yield ColumnWarning("rare values", found, "join rare values to coarser ones, or raise features.min_count")


def _tags_note(name: str, filled: Cells, column: Column) -> Iterator[ColumnWarning]:
    """A note where cells of texts or categories hold several values, which tags would read one by one."""
    mark = tag_mark(filled) if column.kind in (Kind.TEXT, Kind.CATEGORICAL) else None
    if mark is None:
        return
    cell = next(cell for cell in filled if mark in cell)
    key, kind = json.dumps(name, ensure_ascii=False) if re.search("[^A-Za-z0-9_-]", name) else name, f"tags:{mark}"
    found = f"cells hold several values between {mark!r}, as {shown(cell)}"
    remedy = f'{key} = "{kind}" in the schema reads each of them; if a cell is one value, nothing is to be done'
    yield ColumnWarning("several values", found, remedy, kind)


def _unique(name: str, filled: Cells, column: Column, counts: pd.Series[int]) -> bool:
    if column.kind is Kind.NUMERIC:
        whole = bool((filled == filled.round()).all())
        return whole and len(filled) >= _LEAST_NUMBERS and len(counts) == len(filled)
    if column.kind not in (Kind.CATEGORICAL, Kind.TAGS, Kind.TEXT) or len(filled) < _LEAST_ROWS:
        return False
    distinct = len(counts) >= _UNIQUE * counts.sum()
    return distinct and (column.kind is not Kind.TEXT or (name.lower() not in _TITLES and _are_codes(filled)))


def _are_codes(texts: Cells) -> bool:
    """Whether texts are single words, or short and with a number in each, as article codes and addresses are."""
    single = (~texts.str.strip().str.contains(r"\s")).mean() > 0.9
    numbered = texts.str.contains(r"\d").mean() > 0.9 and texts.str.len().mean() <= 30
    return bool(single or numbered)


def _many_rare(counts: pd.Series[int]) -> bool:
    rare = int((counts < _FEW).sum())
    return rare >= _MANY_RARE and 2 * rare >= len(counts)


def _example(filled: Cells, column: Column) -> str:
    if not len(filled):
        return ""
    if column.kind is Kind.NUMERIC:
        return f"{number_text(filled.min())} to {number_text(filled.max())}"
    if column.kind is Kind.TIME:
        return " to ".join(_day(float(value)) for value in (filled.min(), filled.max()))
    if column.kind is Kind.EMBEDDING:
        return f"{len(filled.iloc[0])} dimensions"
    return f"as {shown(filled.iloc[0])}"


def _day(moment: float) -> str:
    if abs(moment) >= 2.5e11:  # beyond the year 9999
        return f"{moment:g}"
    return str(np.datetime64(int(moment // 1), "s").astype("datetime64[D]"))
