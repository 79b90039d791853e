"""Tables: the files of a dataset, each read and checked on its own, and then against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.cells import event_weights, positions, tidy, times, weights
from recsys.data.config import DataConfig, InteractionColumns
from recsys.data.files import column_of, read_table, without_missing
from recsys.data.findings import Findings, Place, shown
from recsys.data.infer import infer_schema
from recsys.data.keys import Keys, as_integers
from recsys.data.schema import Schema
from recsys.data.vocabulary import Ids


@dataclass(frozen=True, eq=False)
class Events:
    """Interactions as they stand in their file.

    Args:
        file: which.
        user: [n].
        item: [n].
        time: float64 [n], NaN where it cannot be used.
        weight: float64 [n], NaN where it cannot be used.
        order: what gives the order: the name of a column, None without any.
        clock: whether it is a time.
        weighed_by: the columns that give the weight.
        keep: bool [n], what repeated rows leave.
    """

    file: Path
    user: Keys
    item: Keys
    time: NDArray[np.float64]
    weight: NDArray[np.float64]
    order: str | None
    clock: bool
    weighed_by: tuple[str, ...]
    keep: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Described:
    """Users or items as they stand in their file: ids, columns in the types of their kinds, and the kinds."""

    file: Path
    keys: Keys
    columns: pd.DataFrame
    schema: Schema


@dataclass(frozen=True, eq=False)
class Tables:
    """All files of a dataset; the parts that could not be read at all are missing.

    Args:
        events: the interactions, and those of the test file.
        users: their table, if there is one.
        items: their table, if there is one.
        integers: whether the ids of users and of items are integers; None where no one type fits.
    """

    events: list[Events]
    users: Described | None
    items: Described | None
    integers: tuple[bool | None, bool | None]


def read_tables(config: DataConfig, findings: Findings) -> Tables:
    """Everything that can be read of the tables of ``config``; what is wrong goes to ``findings``."""
    paths = [path for path in (config.interactions, config.test_interactions) if path is not None]
    read = [read_events(Place(findings, path), config) for path in paths]
    events = [part for part in read if part is not None]
    if len({part.clock for part in events}) > 1:
        Place(findings, paths[1]).error("one file has times and the other has none", "give both the same columns")
    users = read_entities(config.users, config.columns.user_id, config.user_schema, config.missing, findings)
    items = read_entities(config.items, config.columns.item_id, config.item_schema, config.missing, findings)
    user = _related([part.user for part in events], users, config)
    item = _related([part.item for part in events], items, config)
    return Tables(events, users, items, (user, item))


def read_events(place: Place, config: DataConfig) -> Events | None:
    """A file of interactions; None when it cannot be read at all."""
    frame, columns = read_table(place), config.columns
    if frame is None:
        return None
    if not len(frame):
        place.error("the file has no rows", "there is nothing to learn from")
        return None
    user = _keys(frame, columns.user_id, place, "user ids")
    item = _keys(frame, columns.item_id, place, "item ids")
    name, clock = order_column(frame, columns)
    time = _order(frame, name, clock, place)
    weight = _weights(frame, columns, place)
    if user is None or item is None:
        return None
    keep = _distinct(user, item, time, place, config.duplicates)
    weighed_by = tuple(column for column in (columns.weight, columns.event) if column is not None)
    return Events(place.file, user, item, time, weight, name, clock, weighed_by, keep)


def read_entities(
    path: Path | None, column: str, kinds: dict[str, str], missing: tuple[str, ...], findings: Findings
) -> Described | None:
    """A table of users or items; None without a file, or when it cannot be read at all.

    Raises:
        ConfigError: the schema names an unknown kind.
    """
    given = Schema.of(kinds)
    if path is None:
        return None
    place = Place(findings, path)
    frame = read_table(place)
    keys = None if frame is None else _keys(frame, column, place, "ids")
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
    return Described(path, keys, pd.DataFrame(tidied, index=range(len(frame))), schema)


def order_column(frame: pd.DataFrame, columns: InteractionColumns) -> tuple[str | None, bool]:
    """The column that orders the interactions, and whether it is a clock."""
    if columns.time is not None:
        return columns.time, True
    if columns.order is not None:
        return columns.order, False
    if "timestamp" in frame.columns:
        return "timestamp", True
    return ("position", False) if "position" in frame.columns else (None, False)


def _names(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns)) or "no column but the id"


def _keys(frame: pd.DataFrame, name: str, place: Place, role: str) -> Keys | None:
    cells = column_of(frame, name, place, role)
    if cells is None:
        return None
    return Keys.of(cells, place.at(name), written=place.file.suffix not in (".parquet", ".pq"))


def _order(frame: pd.DataFrame, name: str | None, clock: bool, place: Place) -> NDArray[np.float64]:
    cells = None if name is None else column_of(frame, name, place, "the time" if clock else "the order")
    if name is None or cells is None:
        return np.zeros(len(frame))
    return (times if clock else positions)(without_missing(cells), place.at(name))


def _weights(frame: pd.DataFrame, columns: InteractionColumns, place: Place) -> NDArray[np.float64]:
    weight = np.ones(len(frame))
    if columns.weight is not None:
        cells = column_of(frame, columns.weight, place, "the weight")
        if cells is not None:
            weight = weights(without_missing(cells), place.at(columns.weight))
    if columns.event is not None:
        cells = column_of(frame, columns.event, place, "the event")
        if cells is not None:
            weight = weight * event_weights(cells, columns.event_weights, place.at(columns.event))
    return weight


def _distinct(user: Keys, item: Keys, time: NDArray[np.float64], place: Place, policy: str) -> NDArray[np.bool_]:
    """What the repeats of user, item and time leave."""
    good = user.good & item.good & ~np.isnan(time)
    frame = pd.DataFrame({"user": pd.factorize(user.cells)[0], "item": pd.factorize(item.cells)[0], "time": time})
    frame.loc[~good, "time"] = np.arange((~good).sum()) * -1.0 - 2**60  # a row without a full key repeats nothing
    repeated = frame.duplicated(keep="last" if policy == "last" else "first").to_numpy()
    if not repeated.any():
        return np.ones(len(frame), bool)
    rows = np.flatnonzero(repeated)
    if policy == "error":
        place.error(
            "user, item and time repeat another row",
            'drop the rows, or set data.duplicates to "first", "last" or "keep"',
            rows,
        )
    elif policy != "keep":
        place.warn(f"user, item and time repeat another row; the {policy} is kept", "see that this is meant", rows)
    return np.ones(len(frame), bool) if policy == "keep" else ~repeated


def _related(seen: list[Keys], described: Described | None, config: DataConfig) -> bool | None:
    """Whether one side's ids are integers; looks for ids of the interactions that the table lacks."""
    integers = as_integers([*seen, *([described.keys] if described else [])])
    if described is None or integers is None:
        return integers
    known = described.keys.ids(integers)[described.keys.good]
    for keys in seen:
        ids = keys.ids(integers)
        unknown = np.flatnonzero(keys.good & ~pd.Index(ids).isin(pd.Index(known)))
        if len(unknown):
            _report_unknown(keys, ids, unknown, described.file, config.unknown_ids == "error")
    return integers


def _report_unknown(keys: Keys, ids: Ids, rows: NDArray[np.int64], table: Path, wrong: bool) -> None:
    count = len(pd.unique(ids[rows]))
    found = f"{count:,} id{'s are' if count > 1 else ' is'} not in {table.name}, as {shown(ids[rows[0]])}"
    if wrong:
        keys.place.error(found, 'describe them, or set data.unknown_ids to "add"', rows)
    else:
        keys.place.warn(found, "describe them; until then their features are missing", rows)
