"""Summaries of typed tables: role, filled cells and an example of each column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.feedback.event_types import EventType
from recsys.data.feedback.likes import BELOW, DISLIKE, LIKE, REMOVAL, RETURN
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import number_text, shown
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.overview.column_use import NEGATIVE_ENGINES, WEIGHTED_ENGINES, ColumnReaders
from recsys.data.schema import Column, Kind
from recsys.files.addresses import without_password

_MOST_TYPES = 20
"""Event types that are listed."""


@dataclass(frozen=True)
class ColumnSummary:
    """Summary of one column.

    Args:
        name: of the column.
        role: its kind, or its use in the interactions, such as ``time``.
        filled: the number of cells that are not missing.
        example: the first of them, or their range.
        use: whether and by what it is used, or why not.
    """

    name: str
    role: str
    filled: int
    example: str
    use: str = "used"


@dataclass(frozen=True)
class TableSummary:
    """Summary of one table.

    Args:
        what: ``interactions``, ``test_interactions``, ``users`` or ``items``.
        file: the table.
        rows: the number of rows, without those of event types that are ignored.
        columns: the id first, then the others in the order of the file, those that are not used last.
        notes: sentences about weights and about feedback that is no like.
        event_types: of the column of event types that the config names: rows, meaning and weight of each.
    """

    what: str
    file: Path
    rows: int
    columns: tuple[ColumnSummary, ...]
    notes: tuple[str, ...] = ()
    event_types: tuple[EventType, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self) | {
            "file": without_password(str(self.file)),
            "columns": [asdict(column) for column in self.columns],
        }

    def to_text(self) -> str:
        """A line for the file and one for each column, aligned."""
        names = max((len(column.name) for column in self.columns), default=0)
        roles = max((len(column.role) for column in self.columns), default=0)
        ignored = sum(kind.rows for kind in self.event_types if kind.meaning == "ignore")
        left_out = f" besides {ignored:,} that are left out" if ignored else ""
        lines = [f"{self.what}: {without_password(str(self.file))}, {self.rows:,} rows{left_out}"]
        for column in self.columns:
            filled = "" if column.filled == self.rows else f"{column.filled:,} of {self.rows:,} rows"
            use = "" if column.use == "used" else column.use
            facts = "; ".join(fact for fact in (filled, column.example, use) if fact)
            lines += _wrapped(f"  {column.name:<{names}}  {column.role:<{roles}}  ", facts)
        lines += _event_lines(self.event_types)
        return "\n".join([*lines, *(line for note in self.notes for line in _wrapped("  ", note))])


def summaries(tables: TypedTables, readers: ColumnReaders | None = None) -> Iterator[TableSummary]:
    """A summary of each table that could be read.

    Args:
        tables: the typed tables.
        readers: what reads the columns of users and items; None names the kinds of engines that can.
    """
    readers = readers or ColumnReaders()
    for what, part in zip(("interactions", "test_interactions"), tables.interactions, strict=False):
        columns = tuple(_of_interactions(part))
        types = part.event_types.types if part.event_types is not None and part.event_types.named else ()
        yield TableSummary(
            what, part.location.file, len(part), columns, tuple(_notes(part, tables.listed(part))), types
        )
    for what, table in (("users", tables.users), ("items", tables.items)):
        if table is not None:
            columns = tuple(
                replace(_column(name, column, table), use=readers.use(what, name, column.kind))
                for name, column in table.schema.columns.items()
            )
            yield TableSummary(what, table.location.file, len(table.ids), (_ids(table.ids, "id"), *columns))


def _of_interactions(part: TypedInteractions) -> Iterator[ColumnSummary]:
    yield _ids(part.user, "user")
    yield _ids(part.item, "item")
    if part.order is not None:
        known = part.time[~np.isnan(part.time)]
        example = "; ".join(fact for fact in (_span(known, part.has_timestamps), part.time_reading) if fact)
        yield ColumnSummary(part.order, "time" if part.has_timestamps else "order", len(known), example)
    if part.weight_columns:
        known = part.weight[~np.isnan(part.weight)]
        low, high = (known.min(), known.max()) if len(known) else (np.nan, np.nan)
        example = ""
        if len(known):
            texts = number_text(low), number_text(high)
            example = f"{texts[0]} to {texts[1]}" if low < high else f"all are {texts[0]}"
        yield ColumnSummary(" x ".join(part.weight_columns), "weight", len(known), example)
    for column in part.unused:
        use = "not used: no option names it"
        use += " (data.columns.weight = NAME takes it as weights)" if column.numeric and not part.weight_columns else ""
        yield ColumnSummary(column.name, "unused", column.filled, column.example, use)


def _event_lines(types: tuple[EventType, ...]) -> Iterator[str]:
    """A line for each event type, the most frequent first."""
    if not types:
        return
    shown_types = sorted(types, key=lambda kind: -kind.rows)[:_MOST_TYPES]
    names, width = max(len(kind.name) for kind in shown_types), len(f"{shown_types[0].rows:,}")
    yield "  event types, rows and meaning:"
    for kind in shown_types:
        meaning = kind.meaning or "like"
        like = "no weight and no meaning" if kind.weight is None else f"like, weight {number_text(kind.weight)}"
        told = {"like": like, "ignore": "ignore: left out"}.get(meaning, meaning)
        yield f"    {kind.name:<{names}}  {kind.rows:>{width},}  {told}"
    if len(types) > len(shown_types):
        yield f"    and {len(types) - len(shown_types):,} more"


def _wrapped(head: str, text: str) -> list[str]:
    """``text`` after ``head``, on lines of at most 120 characters that start below it."""
    width = max(120, len(head) + 60)
    found = textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
    return found or [head.rstrip()]


def _notes(part: TypedInteractions, listed: NDArray[np.bool_]) -> Iterator[str]:
    """What weights and feedback come to."""
    known = part.weight[~np.isnan(part.weight)]
    if len(known) and (known != known[0]).any():
        yield f"weights are used by {', '.join(WEIGHTED_ENGINES)}; other engines count every interaction once"
    names = {LIKE: "likes", BELOW: "below positive_from", DISLIKE: "dislikes", REMOVAL: "removals", RETURN: "returns"}
    counts = {name: int((part.meaning == meaning).sum()) for meaning, name in names.items()}
    if counts["likes"] < len(part):
        counted = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        learned = f", and {', '.join(NEGATIVE_ENGINES)} learn them as negatives" * (part.non_likes == "negatives")
        kept = "non-likes are dropped" if part.non_likes == "drop" else "non-likes stay in the seen filter"
        yield f"feedback: {counted}; {kept}{learned}"
        repeated = f"; {len(part.repeated):,} repeated rows are left out" if len(part.repeated) else ""
        yield from part.feedback.counts.sentences()
        if not part.location.issues.errors:  # with errors it is not known what was taken back
            stand, unlisted = part.feedback.likes & listed[part.kept], int((~listed[part.kept]).sum())
            left_out = f"; {unlisted:,} rows of unknown ids are left out" if unlisted else ""
            yield f"{int(stand.sum()):,} likes stand{repeated}{left_out}"


def _ids(column: TypedIds, role: str) -> ColumnSummary:
    kind = "unclear" if column.integers is None else "integer" if column.integers else "text"
    count = f"{len(column.distinct):,} distinct, as {shown(column.distinct[0])}" if len(column.distinct) else "no id"
    return ColumnSummary(column.location.column or "", f"{role}, {kind}", int(column.good.sum()), count)


def _column(name: str, column: Column, table: TypedEntities) -> ColumnSummary:
    cells = table.columns[name].dropna()
    role = f"tags:{column.separator}" if column.kind is Kind.TAGS else str(column.kind)
    if not len(cells):
        return ColumnSummary(name, role, 0, "")
    if column.kind is Kind.TIME:
        return ColumnSummary(name, role, len(cells), _span(cells.to_numpy(np.float64), has_timestamps=True))
    if column.kind is Kind.NUMERIC:
        return ColumnSummary(name, role, len(cells), f"{number_text(cells.min())} to {number_text(cells.max())}")
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
