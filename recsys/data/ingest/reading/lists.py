"""Cells that hold several values, such as the items of a session: each value becomes a row."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.schema import split_tags

_POSITION, _LABEL = "position", "label"
_LONGEST_LIST = 1 << 16
"""Characters; longer texts are not taken for lists."""

_MARKS = (" -- ", " / ", "; ", " | ", " > ", ", ", "|", ";", "/", ",")
"""Longer ones first: ``Smith, John; Doe, Ann`` are names between semicolons."""
_MARKED, _SAMPLE, _LEAST_CELLS, _RECUR = 0.1, 2000, 20, 5
"""Share of the cells with a mark, the cells that are looked at, the fewest of them, and how often a value recurs."""
_UNEVEN, _ANYWHERE, _LONGEST_TAG = 0.1, 0.5, 30


def tag_mark(filled: pd.Series[str], surely: bool = False) -> str | None:
    """The mark between the values of cells that hold several, if these are few and each is in many cells; else None.

    Args:
        filled: [n] texts.
        surely: only where each cell is a list: cells hold different numbers of values, which have letters, are short,
            and stand at any place. Names (``Smith, John``), places (``Portland, Oregon``) and sentences do not.

    Example:
        >>> tag_mark(pd.Series(["sea -- travel", "travel", "sea -- art", "art -- travel", "sea", "art"] * 9))
        ' -- '
        >>> tag_mark(pd.Series(["Smith, John", "Smith, Ann", "Doe, John", "Doe, Ann"] * 9), surely=True)
    """
    some = filled.iloc[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _SAMPLE)).astype(np.int64))]
    if len(some) < _LEAST_CELLS:
        return None
    for mark in _MARKS:
        if some.str.contains(mark, regex=False).mean() < _MARKED:
            continue
        cells = [split_tags(cell, mark) for cell in some]
        values = pd.Series([value for cell in cells for value in cell], dtype="str")
        few = 2 * values.nunique() <= some.nunique() and values.nunique() * _RECUR <= len(values)
        if few and (not surely or _are_lists(cells)):
            return mark
    return None


def _are_lists(cells: list[list[str]]) -> bool:
    """Whether cells are lists of short values with letters, of uneven lengths, whose values stand at any place."""
    lengths = np.array([len(cell) for cell in cells])
    uneven = float((lengths != np.bincount(lengths).argmax()).mean())
    first, later = {cell[0] for cell in cells if cell}, [value for cell in cells for value in cell[1:]]
    anywhere = float(np.mean([value in first for value in later])) if later else 0.0
    distinct = {value for cell in cells for value in cell}
    short = float(np.mean([len(value) <= _LONGEST_TAG for value in distinct]))
    lettered = float(np.mean([any(map(str.isalpha, value)) for value in distinct]))
    return uneven >= _UNEVEN and anywhere >= _ANYWHERE and min(short, lettered) >= 1 - _MARKED


def written_list(text: str) -> list[str] | None:
    """The texts of a list that is written as Python or JSON writes it; None for other texts.

    Example:
        >>> written_list("['Comedy', 'Solo']"), written_list('["a"]'), written_list("[1, 2]"), written_list("Comedy")
        (['Comedy', 'Solo'], ['a'], None, None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and len(text) <= _LONGEST_LIST):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            values = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return values
    return None


def explode(
    frame: pd.DataFrame, separators: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """A row for each value of the cells of some columns, and int64 [n], the row that each came from.

    A column ``position``, which counts the values, is added unless there is one. Empty cells give no row.

    Args:
        frame: index 0..n-1.
        separators: column -> the separator of its texts; ``""`` for lists.
        labels: exploded column -> the mark between a value and its label, which go into two columns.

    Raises:
        Unreadable: no such column, cells of one row that hold different numbers of values, or a value without a label.

    Example:
        >>> explode(pd.DataFrame({"s": [1], "items": ["a b"]}), {"items": " "})[0].to_dict("list")
        {'s': [1, 1], 'items': ['a', 'b'], 'position': [0, 1]}
    """
    for name in separators:
        if name not in frame.columns:
            raise Unreadable(
                f"there is no column {name!r} to explode", f"it has {', '.join(map(str, frame.columns[:12]))}"
            )
    cells = {name: [_values(cell, mark) for cell in frame[name]] for name, mark in separators.items()}
    counts = {name: np.array([len(values) for values in column], np.int64) for name, column in cells.items()}
    first, *others = counts
    for name in others:
        uneven = np.flatnonzero(counts[name] != counts[first])
        if len(uneven):
            found = f"row {uneven[0] + 1}: {first!r} and {name!r} hold different numbers of values"
            raise Unreadable(found, "columns that are exploded together need one value each")
    source = np.repeat(np.arange(len(frame)), counts[first])
    rows = frame.iloc[source].reset_index(drop=True)
    for name, column in cells.items():
        values = [value for part in column for value in part]
        rows[name] = pd.Series(values, dtype="str" if all(isinstance(v, str) for v in values) else None)
    for name, mark in (labels or {}).items():
        rows[name], rows[_LABEL] = _labelled(rows, name, mark, source)
    if _POSITION not in rows.columns:
        rows[_POSITION] = np.arange(len(rows))
    return rows, source


def _labelled(
    rows: pd.DataFrame, name: str, mark: str, source: NDArray[np.int64]
) -> tuple[pd.Series[str], pd.Series[str]]:
    """The values without their labels, and the labels."""
    if _LABEL in rows.columns:
        raise Unreadable(f"the labels of {name!r} need a column {_LABEL!r}, and there is one", "rename that one")
    parts = rows[name].astype("str").str.rpartition(mark)
    bare = np.flatnonzero((parts[0] == "") | (parts[2] == ""))
    if len(bare):
        found = f"row {source[bare[0]] + 1}: {rows[name].iloc[bare[0]]!r} in {name!r} has no label after {mark!r}"
        raise Unreadable(found, "correct data.explode_labels, or leave it out if there are no labels")
    return parts[0], parts[2]


def _values(cell: object, separator: str) -> list[object]:
    if isinstance(cell, (list, tuple, np.ndarray)):
        return list(cell)
    if cell is None or cell is pd.NA or cell != cell:  # NaN is not itself
        return []
    if isinstance(cell, str) and separator:
        return [part for part in cell.split(separator) if part]
    return [cell]
