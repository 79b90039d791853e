"""How tables were understood, column by column, so that it can be corrected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.data.ingest.id_column import IdColumn
from recsys.data.ingest.issues import shown
from recsys.data.ingest.raw_entities import RawEntities
from recsys.data.ingest.raw_interactions import RawInteractions
from recsys.data.ingest.tables import Tables
from recsys.data.schema import Column, Kind


@dataclass(frozen=True)
class ColumnSummary:
    """How a column was understood.

    Args:
        name: of the column.
        role: its kind as a schema names it, or what it is to the interactions.
        filled: cells that are not missing.
        example: the first of them.
    """

    name: str
    role: str
    filled: int
    example: str


@dataclass(frozen=True)
class TableSummary:
    """How a table was understood.

    Args:
        what: ``interactions``, ``test_interactions``, ``users`` or ``items``, as the config names it.
        file: which.
        rows: how many.
        columns: the id first, then in the order of the file; of interactions those that are used.
    """

    what: str
    file: Path
    rows: int
    columns: tuple[ColumnSummary, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"file": str(self.file), "columns": [asdict(column) for column in self.columns]}

    def to_text(self) -> str:
        """A line for the file and one for each column, aligned."""
        names = max((len(column.name) for column in self.columns), default=0)
        roles = max((len(column.role) for column in self.columns), default=0)
        lines = [f"{self.what}: {self.file}, {self.rows:,} rows"]
        for column in self.columns:
            filled = "" if column.filled == self.rows else f"{column.filled:,} filled"
            facts = "; ".join(fact for fact in (filled, column.example) if fact)
            lines.append(f"  {column.name:<{names}}  {column.role:<{roles}}  {facts}".rstrip())
        return "\n".join(lines)


def summaries(tables: Tables) -> Iterator[TableSummary]:
    """Of each table that can be read."""
    user, item = tables.integers
    for what, events in zip(("interactions", "test_interactions"), tables.events, strict=False):
        yield TableSummary(what, events.file, len(events.user), tuple(_of_events(events, user, item)))
    for what, table, integers in (("users", tables.users, user), ("items", tables.items, item)):
        if table is not None:
            columns = [_column(name, column, table) for name, column in table.schema.columns.items()]
            yield TableSummary(what, table.file, len(table.keys), (_key(table.keys, "id", integers), *columns))


def _of_events(events: RawInteractions, user: bool | None, item: bool | None) -> Iterator[ColumnSummary]:
    yield _key(events.user, "user", user)
    yield _key(events.item, "item", item)
    if events.order is not None:
        known = events.time[~np.isnan(events.time)]
        example = _span(known, events.has_timestamps)
        yield ColumnSummary(events.order, "time" if events.has_timestamps else "order", len(known), example)
    if events.weighed_by:
        known = events.weight[~np.isnan(events.weight)]
        example = f"{known.min():g} to {known.max():g}" if len(known) else ""
        yield ColumnSummary(" x ".join(events.weighed_by), "weight", len(known), example)


def _key(keys: IdColumn, role: str, integers: bool | None) -> ColumnSummary:
    kind = "unclear" if integers is None else "integer" if integers else "text"
    good = keys.ids(bool(integers))[keys.good]
    count = f"{len(pd.unique(good)):,} distinct, as {shown(good[0])}" if len(good) else "no id"
    return ColumnSummary(keys.place.column or "", f"{role}, {kind}", int(keys.good.sum()), count)


def _column(name: str, column: Column, table: RawEntities) -> ColumnSummary:
    cells = table.columns[name].dropna()
    role = f"tags:{column.separator}" if column.kind is Kind.TAGS else str(column.kind)
    if not len(cells):
        return ColumnSummary(name, role, 0, "")
    if column.kind is Kind.TIME:
        return ColumnSummary(name, role, len(cells), _span(cells.to_numpy(np.float64), has_timestamps=True))
    if column.kind is Kind.NUMERIC:
        return ColumnSummary(name, role, len(cells), f"{cells.min():g} to {cells.max():g}")
    if column.kind is Kind.CATEGORICAL:
        return ColumnSummary(name, role, len(cells), f"{cells.nunique():,} distinct, as {shown(cells.iloc[0])}")
    if column.kind is Kind.EMBEDDING:
        return ColumnSummary(name, role, len(cells), f"{len(cells.iloc[0])} dimensions")
    return ColumnSummary(name, role, len(cells), shown(cells.iloc[0]))


def _span(times: np.ndarray[Any, Any], has_timestamps: bool) -> str:
    if not len(times):
        return ""
    low, high = float(times.min()), float(times.max())
    if not has_timestamps:
        return f"{low:.0f} to {high:.0f}"
    return f"{_day(low)} to {_day(high)}"


def _day(moment: float) -> str:
    return pd.Timestamp(moment, unit="s").date().isoformat() if abs(moment) < 9e9 else f"{moment:g}"
