"""Summaries of typed tables: role, filled cells and an example of each column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import shown
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.schema import Column, Kind


@dataclass(frozen=True)
class ColumnSummary:
    """Summary of one column.

    Args:
        name: of the column.
        role: its kind, or its use in the interactions, such as ``time``.
        filled: the number of cells that are not missing.
        example: the first of them, or their range.
    """

    name: str
    role: str
    filled: int
    example: str


@dataclass(frozen=True)
class TableSummary:
    """Summary of one table.

    Args:
        what: ``interactions``, ``test_interactions``, ``users`` or ``items``.
        file: the table.
        rows: the number of rows.
        columns: the id first, then the others in the order of the file; of interactions only those that are used.
    """

    what: str
    file: Path
    rows: int
    columns: tuple[ColumnSummary, ...]

    def to_dict(self) -> dict[str, object]:
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


def summaries(tables: TypedTables) -> Iterator[TableSummary]:
    """A summary of each table that could be read."""
    for what, part in zip(("interactions", "test_interactions"), tables.interactions, strict=False):
        yield TableSummary(what, part.location.file, len(part), tuple(_of_interactions(part)))
    for what, table in (("users", tables.users), ("items", tables.items)):
        if table is not None:
            columns = [_column(name, column, table) for name, column in table.schema.columns.items()]
            yield TableSummary(what, table.location.file, len(table.ids), (_ids(table.ids, "id"), *columns))


def _of_interactions(part: TypedInteractions) -> Iterator[ColumnSummary]:
    yield _ids(part.user, "user")
    yield _ids(part.item, "item")
    if part.order is not None:
        known = part.time[~np.isnan(part.time)]
        example = _span(known, part.has_timestamps)
        yield ColumnSummary(part.order, "time" if part.has_timestamps else "order", len(known), example)
    if part.weight_columns:
        known = part.weight[~np.isnan(part.weight)]
        example = f"{known.min():g} to {known.max():g}" if len(known) else ""
        yield ColumnSummary(" x ".join(part.weight_columns), "weight", len(known), example)


def _ids(column: TypedIds, role: str) -> ColumnSummary:
    kind = "unclear" if column.integers is None else "integer" if column.integers else "text"
    good = column.ids[column.good]
    count = f"{len(pd.unique(good)):,} distinct, as {shown(good[0])}" if len(good) else "no id"
    return ColumnSummary(column.location.column or "", f"{role}, {kind}", int(column.good.sum()), count)


def _column(name: str, column: Column, table: TypedEntities) -> ColumnSummary:
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


def _span(times: NDArray[np.float64], has_timestamps: bool) -> str:
    if not len(times):
        return ""
    low, high = float(times.min()), float(times.max())
    if not has_timestamps:
        return f"{low:.0f} to {high:.0f}"
    return f"{_day(low)} to {_day(high)}"


def _day(moment: float) -> str:
    if abs(moment) >= 2.5e11:  # beyond the year 9999
        return f"{moment:g}"
    return str(np.datetime64(int(moment // 1), "s").astype("datetime64[D]"))
