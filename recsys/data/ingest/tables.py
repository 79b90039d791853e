"""The tables of a dataset, raw as read and typed after coercion."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import RawTable, read_table
from recsys.data.ingest.id_column import IdColumn, as_integers, read_ids
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.typed_entities import TypedEntities, coerce_entities
from recsys.data.ingest.typed_interactions import TypedInteractions, coerce_interactions
from recsys.data.ingest.types.shared_ids import meeting_id, shared_id
from recsys.data.ingest.types.time_options import TimeOptions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary

Source = str | Path | pd.DataFrame
"""A table: the path of a file or a folder of parts, an address, or a DataFrame."""


@dataclass(frozen=True, eq=False)
class RawTables:
    """The tables of a dataset as read.

    Args:
        interactions: the interactions file and the test file; those that do not exist or cannot be read are left out.
        users: the users table; None if there is none or it cannot be read.
        items: the items table; None if there is none or it cannot be read.
    """

    interactions: tuple[RawTable, ...]
    users: RawTable | None
    items: RawTable | None


@dataclass(frozen=True, eq=False)
class TypedTables:
    """The tables of a dataset with typed columns; user ids, and item ids, have one type in all tables.

    Args:
        interactions: the interactions file, and the test file if there is one.
        users: the users table; None if there is none.
        items: the items table; None if there is none.
        integers: whether user ids and item ids are integers; None if no type fits all tables.
        only_listed: whether users and items that their tables do not list are left out with their interactions.
    """

    interactions: tuple[TypedInteractions, ...]
    users: TypedEntities | None
    items: TypedEntities | None
    integers: tuple[bool | None, bool | None]
    only_listed: bool = False

    @property
    def has_order(self) -> bool:
        """Whether every file of interactions has a time or a position."""
        return all(part.order is not None for part in self.interactions)

    def listed(self, part: TypedInteractions) -> NDArray[np.bool_]:
        """Bool [n]: the rows of a file of interactions whose user and item are not left out."""
        found = np.ones(len(part), bool)
        for column, table in ((part.user, self.users), (part.item, self.items)):
            if self.only_listed and table is not None:
                found &= pd.Index(column.distinct).isin(pd.Index(table.ids.distinct))[column.codes]
        return found


def read_tables(config: DataConfig, issues: ValidationIssues) -> RawTables:
    """Reads the files of ``config``; errors are added to ``issues``."""
    paths = (config.interactions, config.test_interactions, config.users, config.items)
    return read_sources([path for path in paths[:2] if path is not None], paths[2], paths[3], issues, config)


def read_sources(
    interactions: list[Path] | list[Source],
    users: Source | None,
    items: Source | None,
    issues: ValidationIssues,
    config: DataConfig | None = None,
) -> RawTables:
    """Reads paths and DataFrames; errors are added to ``issues``.

    Args:
        interactions: the interactions, and the test interactions if there are any.
        users: the users table.
        items: the items table.
        issues: the errors are added to it.
        config: the options of reading files; None guesses them.
    """
    roles = ("interactions", "test_interactions")
    events = [_read(source, role, issues, config) for source, role in zip(interactions, roles, strict=False)]
    for table in events:
        if table is not None and not len(table) and not any(e.file == table.location.file for e in issues.errors):
            table.location.error("the file has no rows", "give a file with interactions")
    filled = tuple(table for table in events if table is not None and len(table))
    return RawTables(filled, _read(users, "users", issues, config), _read(items, "items", issues, config))


def coerce_tables(raw: RawTables, config: DataConfig, joining: Dataset | None = None) -> TypedTables:
    """Coerces every column to its type; errors are added to the issues of the tables.

    Args:
        raw: the tables as read.
        config: the names and kinds of columns.
        joining: the dataset that the tables will be merged into; ids and columns get the types that they have in it.

    Raises:
        ConfigError: a schema names an unknown kind.
    """
    for kinds in (config.user_schema, config.item_schema):
        Schema.of(kinds)
    columns = config.columns
    pairs = [
        (
            read_ids(t, columns.user_id, "user ids", _seen_remedy(t, columns.user_id, "user", raw.users)),
            read_ids(t, columns.item_id, "item ids", _seen_remedy(t, columns.item_id, "item", raw.items)),
        )
        for t in raw.interactions
    ]
    users = _described_ids(raw.users, columns.users_table_id, columns.user_id, "user", raw)
    items = _described_ids(raw.items, columns.items_table_id, columns.item_id, "item", raw)
    user = _shared_type([pair[0] for pair in pairs], users, joining.users.vocabulary if joining else None)
    item = _shared_type([pair[1] for pair in pairs], items, joining.items.vocabulary if joining else None)
    events = [
        coerce_interactions(table, u.converted(user), i.converted(item), config)
        for table, (u, i) in zip(raw.interactions, pairs, strict=True)
        if u is not None and i is not None
    ]
    return TypedTables(
        tuple(events),
        _entities("users", raw.users, users, user, config, joining.users.schema if joining else Schema({})),
        _entities("items", raw.items, items, item, config, joining.items.schema if joining else Schema({})),
        (user, item),
        config.unknown_ids == "drop",
    )


def _read(source: Source | None, role: str, issues: ValidationIssues, config: DataConfig | None) -> RawTable | None:
    if source is None:
        return None
    options = None if config is None else config.format_of(role)
    section = f"data.{role}_format" if role in ("users", "items") else "data"
    if isinstance(source, pd.DataFrame):
        return read_table(Location(issues, Path(role)), source, options, section)
    ids = () if config is None or role in ("users", "items") else config.columns.only_ids
    return read_table(Location(issues, Path(source)), options=options, section=section, ids=ids)


def _seen_remedy(table: RawTable, name: str, what: str, described: RawTable | None) -> str | None:
    """What to do where interactions lack their column of ids; None for the usual."""
    if name in table.frame.columns or described is None:
        return None
    shared = shared_id(table.frame, described.frame)
    return None if shared is None else _named(f"{what}_id", shared, f", as in {described.location.file.name}")


def _described_ids(table: RawTable | None, own: str | None, name: str, what: str, raw: RawTables) -> IdColumn | None:
    """The ids of the users or items table, whose column is ``own``, or else called as in the interactions."""
    if table is None or (own or name) in table.frame.columns:
        return None if table is None else read_ids(table, own or name, "ids")
    seen, key = raw.interactions[0] if raw.interactions else None, f"{what}s_table_id"
    shared = None if seen is None or name in seen.frame.columns else shared_id(seen.frame, table.frame)
    if shared is not None:
        return read_ids(table, own or name, "ids", _named(f"{what}_id", shared, " in both tables"))
    met = None if seen is None or name not in seen.frame.columns else meeting_id(seen.frame[name], table.frame)
    return read_ids(table, own or name, "ids", _named(key, met or "NAME", " of this table"))


def _named(key: str, name: str, where: str) -> str:
    return f'data.columns.{key} = "{name}" names the column{where} (--column {key}={shlex.quote(name)})'


def _shared_type(seen: list[IdColumn | None], described: IdColumn | None, joining: Vocabulary | None) -> bool | None:
    """Whether the user ids, or the item ids, of all tables are integers."""
    joined = joining.holds_integers if joining else None  # None for an empty vocabulary, which has no type
    return as_integers([part for part in (*seen, described) if part is not None], joined)


def _entities(
    what: Literal["users", "items"],
    raw: RawTable | None,
    ids: IdColumn | None,
    integers: bool | None,
    config: DataConfig,
    inherited: Schema,
) -> TypedEntities | None:
    if raw is None or ids is None:
        return None
    kinds = config.user_schema if what == "users" else config.item_schema
    times = TimeOptions.of(config.format_of(what), f"data.{what}_format")
    return coerce_entities(raw, ids.converted(integers), kinds, config.missing, inherited, times)
