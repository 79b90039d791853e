"""Reading of tables as a dataset, in four steps: read, coerce, check, encode.

`read_tables` returns raw tables and `coerce_tables` typed ones; `check_tables` adds errors and warnings to the issues;
`encode` maps ids to rows. `recsys.data.ingest.validate` stops after the checks, other callers get a `Dataset`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.cross_checks import check_tables
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.tables import RawTables, TypedTables, coerce_tables, read_tables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.errors import DataError


@dataclass(frozen=True, eq=False)
class Ingested:
    """A dataset, and the interactions of each file that it was read from.

    Args:
        data: the interactions of all files together.
        files: the interactions of the interactions file, and of the test file if there is one, by rows of ``data``.
    """

    data: Dataset
    files: tuple[Interactions, ...]

    @property
    def given(self) -> tuple[Interactions, Interactions] | None:
        """Train and test of the ``given`` split; None without a test file."""
        return self.data.given_files


def ingest(config: DataConfig, issues: ValidationIssues | None = None, joining: Dataset | None = None) -> Ingested:
    """Reads the tables of ``config``, in which `recsys.data.sources.resolve` has completed the paths, as a dataset.

    Args:
        config: paths and options.
        issues: the warnings are added to it.
        joining: the dataset that the tables will be merged into; ids and columns get the types that they have in it.

    Raises:
        DataError: lists all errors of the tables; `recsys.data.ingest.validate` lists the warnings too.
        ConfigError: a schema names an unknown kind.
    """
    issues = ValidationIssues() if issues is None else issues
    tables = typed_tables(config, issues, joining)
    issues.raise_errors()
    return encode(tables, config.name or config.source or "")


def typed_tables(config: DataConfig, issues: ValidationIssues, joining: Dataset | None = None) -> TypedTables:
    """Reads, coerces and checks the tables of ``config``; errors and warnings are added to ``issues``.

    Raises:
        DataError: ``config`` names no interactions.
        ConfigError: a schema names an unknown kind.
    """
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    return checked(read_tables(config, issues), config, joining)


def checked(raw: RawTables, config: DataConfig, joining: Dataset | None = None) -> TypedTables:
    """Coerces and checks raw tables; errors and warnings are added to their issues."""
    tables = coerce_tables(raw, config, joining)
    check_tables(tables, config.unknown_ids, joining)
    return tables


def encode(tables: TypedTables, name: str) -> Ingested:
    """Maps the ids of all files to rows of one sorted vocabulary.

    Args:
        tables: typed tables without errors.
        name: of the dataset; if empty, the name of the folder of the interactions.
    """
    parts = tables.interactions
    users = _entities([part.user for part in parts], tables.users)
    items = _entities([part.item for part in parts], tables.items)
    files = tuple(_interactions(part, users.vocabulary, items.vocabulary) for part in parts)
    joined = files[0] if len(files) == 1 else files[0].joined(files[1])
    name = name or parts[0].location.file.parent.name
    given_files = (files[0], files[1]) if len(files) == 2 else None
    return Ingested(Dataset(name, users, items, joined, parts[0].has_timestamps, tables.has_order, given_files), files)


def _interactions(part: TypedInteractions, users: Vocabulary, items: Vocabulary) -> Interactions:
    keep = part.keep
    user, item = users.rows(part.user.ids), items.rows(part.item.ids)
    return Interactions.of(
        user[keep], item[keep], part.time[keep].astype(np.int64), part.weight[keep].astype(np.float32), part.tie[keep]
    )


def _entities(seen: list[TypedIds], table: TypedEntities | None) -> EntityTable:
    ids = [column.ids for column in seen]
    if table is None:
        return EntityTable.bare(Vocabulary.of(np.concatenate(ids)))
    vocabulary = Vocabulary.of(np.concatenate([*ids, table.ids.ids]))
    return EntityTable.aligned(vocabulary, table.ids.ids, table.columns, table.schema)
