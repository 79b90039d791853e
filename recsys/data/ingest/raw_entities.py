"""RawEntities: a table of users or items, read and checked on its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.data.ingest.cells import tidy
from recsys.data.ingest.files import read_table, without_missing
from recsys.data.ingest.id_column import IdColumn, read_keys
from recsys.data.ingest.infer import infer_schema
from recsys.data.ingest.issues import Location, ValidationIssues, shown
from recsys.data.schema import Schema


@dataclass(frozen=True, eq=False)
class RawEntities:
    """Users or items as they stand in their file: ids, columns in the types of their kinds, and the kinds."""

    file: Path
    keys: IdColumn
    columns: pd.DataFrame
    schema: Schema


def read_entities(
    path: Path | None, column: str, kinds: dict[str, str], missing: tuple[str, ...], issues: ValidationIssues
) -> RawEntities | None:
    """A table of users or items; None without a file, or when it cannot be read at all.

    Raises:
        ConfigError: the schema names an unknown kind.
    """
    given = Schema.of(kinds)
    if path is None:
        return None
    place = Location(issues, path)
    frame = read_table(place)
    keys = None if frame is None else read_keys(frame, column, place, "ids")
    if frame is None or keys is None:
        return None
    twice = np.flatnonzero(keys.cells.duplicated().to_numpy() & keys.good)
    if len(twice):
        found = f"the id {shown(keys.cells.iloc[twice[0]])} stands there before"
        keys.place.error(found, "keep one row an id", twice)
    columns = frame.drop(columns=[column])
    columns = pd.DataFrame({name: without_missing(columns[name], missing) for name in columns}, index=columns.index)
    unknown = sorted(set(kinds) - set(columns.columns))
    if unknown:
        place.error(f"the schema names {', '.join(unknown)}, which the table lacks", f"it has {_names(columns)}")
    schema = Schema({name: given.columns.get(name, guess) for name, guess in infer_schema(columns).columns.items()})
    tidied = {name: tidy(columns[name], kind, place.at(name)) for name, kind in schema.columns.items()}
    return RawEntities(path, keys, pd.DataFrame(tidied, index=range(len(frame))), schema)


def _names(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns)) or "no column but the id"
