"""Columns of raw tables that may be ids: those with a value a row, those that repeat values, and which meet."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.files import RawTable
from recsys.data.ingest.infer import infer_schema
from recsys.data.schema import Kind

MEETS = 0.3
"""Share of the distinct ids of one column that must be in the other."""


def id_like(table: RawTable) -> list[str]:
    """Columns that repeat values, with many of them, and are no fractions and no times."""
    kinds = infer_schema(table.frame).columns
    found = []
    for name in map(str, table.frame.columns):
        distinct = table.frame[name].map(str).nunique()
        if kinds[name].kind not in (Kind.TIME, Kind.IGNORED, Kind.EMBEDDING, Kind.IMAGE, Kind.TAGS):
            whole = not table.frame[name].map(str).str.fullmatch(r"-?\d+\.\d*[1-9]\d*").any()
            found += [name] if whole and 12 < distinct < len(table) else []
    return found


def keys_of(table: RawTable) -> list[str]:
    """Columns with a value of its own in every row."""
    names = map(str, table.frame.columns)
    return [name for name in names if table.frame[name].notna().all() and table.frame[name].map(str).is_unique]


def key_met(table: RawTable, name: str, other: RawTable) -> bool:
    """Whether many values of a column are in a key of another table."""
    ids = set(distinct_texts(table.frame[name]))
    return any(overlap(ids, set(distinct_texts(other.frame[key]))) >= MEETS for key in keys_of(other))


def overlap(ids: set[str], keys: set[str]) -> float:
    """Share of ``ids`` that are among ``keys``."""
    return len(ids & keys) / max(len(ids), 1)


def distinct_texts(cells: Cells) -> Iterable[str]:
    """The distinct cells as texts, without missing ones."""
    return cells.dropna().map(str).unique().tolist()
