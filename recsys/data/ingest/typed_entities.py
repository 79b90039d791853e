"""Typed table of users or items: ids and columns coerced to the kinds of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recsys.data.entities import RESERVED
from recsys.data.ingest.cells import coerce
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.files import RawTable, without_missing
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.infer import infer_schema
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.types.numeric_column import warn_missing_words, warn_mixed_amounts, warn_odd_categories
from recsys.data.ingest.types.odd_numbers import warn_odd_numbers
from recsys.data.ingest.types.time_options import TimeOptions
from recsys.data.schema import Column, Kind, Schema


@dataclass(frozen=True, eq=False)
class TypedEntities:
    """A table of users or items whose columns have their types.

    Args:
        location: the file.
        ids: [n], in the order of the file.
        columns: n rows, index 0..n-1, without the id column.
        schema: the kind of each of ``columns``.
    """

    location: Location
    ids: TypedIds
    columns: pd.DataFrame
    schema: Schema


def coerce_entities(
    table: RawTable,
    ids: TypedIds,
    kinds: Mapping[str, str],
    missing: tuple[str, ...],
    inherited: Schema,
    times: TimeOptions,
) -> TypedEntities:
    """Coerces each column to its kind: ``inherited`` first, else ``kinds``, else inferred.

    Args:
        table: the raw table.
        ids: its id column.
        kinds: column -> kind, from the config. A column that the table lacks is an error, unless it is ignored; with
            ``inherited`` a warning, as tables of newer data may lack columns.
        missing: texts that mean a missing cell.
        inherited: the schema of the table that this one will be merged into; empty without one.
        times: how times are written.

    Raises:
        ConfigError: a kind is unknown.
    """
    given = {**Schema.of(kinds).columns, **inherited.columns}
    cells = table.frame.drop(columns=[ids.location.column or ""])
    for name in sorted(RESERVED & set(cells.columns)):
        table.location.at(name).error(f"the stored dataset has a column {name} of its own", "rename the column")
    cells = pd.DataFrame({name: without_missing(cells[name], missing) for name in cells}, index=cells.index)
    unknown = sorted(name for name in set(kinds) - set(cells.columns) if given[name].kind is not Kind.IGNORED)
    if unknown:
        found = f"the schema names {', '.join(unknown)}, which the table lacks"
        has = f"it has {', '.join(map(str, cells.columns)) or 'no column but the id'}"
        if inherited.columns:
            table.location.warn(found, f"{has}; known rows keep their cells, and new ones have none: export it too")
        else:
            table.location.error(found, has)
    schema = Schema({name: given.get(name, guess) for name, guess in infer_schema(cells, times.format).columns.items()})
    columns = {
        name: coerce(cells[name], kind, table.location.at(name), given=name in kinds, times=times)
        for name, kind in schema.columns.items()
    }
    schema = Schema({name: _with_times(kind, columns[name], times) for name, kind in schema.columns.items()})
    for name in schema.names(Kind.NUMERIC):
        warn_odd_numbers(columns[name].to_numpy(np.float64), table.location.at(name))
    for name in schema.names(Kind.CATEGORICAL):
        if name not in kinds:
            warn_odd_categories(columns[name], table.location.at(name))
    for name in schema.names(Kind.CATEGORICAL, Kind.TEXT):
        if name not in kinds:
            warn_mixed_amounts(columns[name], table.location.at(name))
    for name in schema.names(Kind.TAGS):
        if name not in given and schema.columns[name].separator != Column(Kind.TAGS).separator:
            _note_tags(columns[name], schema.columns[name].separator, table.location.at(name))
    for name in schema.names(Kind.CATEGORICAL, Kind.TAGS):
        warn_missing_words(columns[name], table.location.at(name), given=name in kinds)
    return TypedEntities(table.location, ids, pd.DataFrame(columns, index=range(len(table))), schema)


def _note_tags(cells: Cells, mark: str, location: Location) -> None:
    """Says where the cells of a column were taken for lists."""
    first = next(cell for cell in cells.dropna() if mark in cell)
    found = f"cells are read as tags between {mark!r}, as {shown(first)}"
    location.note(found, 'if a cell is one value, give the column the kind "categorical" in the schema')


def _with_times(column: Column, cells: Cells, times: TimeOptions) -> Column:
    """The column with the options by which its times were read."""
    if column.kind is not Kind.TIME or column.times:
        return column
    return replace(column, times=times.stored(cells.to_numpy(np.float64)))
