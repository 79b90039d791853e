"""The way in, for every caller: read -> coerce -> check -> encode.

`read_tables` gives raw tables, `coerce_tables` typed ones, `check_tables` adds what is wrong with them to the issues,
and `encode` turns ids into rows. `validate` stops after the checks; all else ends with a `Dataset`.
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
        files: those of the interactions file, then those of the test file if there is one; in the rows of ``data``.
    """

    data: Dataset
    files: tuple[Interactions, ...]

    @property
    def given(self) -> tuple[Interactions, Interactions] | None:
        """Train and test of the ``given`` split; None without a test file."""
        return self.data.given_files


def ingest(config: DataConfig, issues: ValidationIssues | None = None, joining: Dataset | None = None) -> Ingested:
    """Reads the tables of ``config``, which `recsys.data.sources.resolve` has filled, as a dataset.

    Args:
        config: where the tables are.
        issues: gathers the warnings, which tell what is read otherwise than one may think.
        joining: the dataset that the tables are to join: ids and columns that it has keep their types, so ids of a CSV
            become text where its are text.

    Raises:
        DataError: lists every error of the tables; `recsys.data.ingest.validate` shows the warnings too.
        ConfigError: a schema names an unknown kind.
    """
    issues = ValidationIssues() if issues is None else issues
    tables = typed_tables(config, issues, joining)
    issues.raise_errors()
    return encode(tables, config.name or config.source or "")


def typed_tables(config: DataConfig, issues: ValidationIssues, joining: Dataset | None = None) -> TypedTables:
    """Reads, coerces and checks the tables of ``config``; what is wrong is added to ``issues``.

    Raises:
        DataError: ``config`` names no interactions.
        ConfigError: a schema names an unknown kind.
    """
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    return checked(read_tables(config, issues), config, joining)


def checked(raw: RawTables, config: DataConfig, joining: Dataset | None = None) -> TypedTables:
    """Coerces and checks raw tables; what is wrong is added to their issues."""
    tables = coerce_tables(raw, config, joining)
    check_tables(tables, config.unknown_ids == "error")
    return tables


def encode(tables: TypedTables, name: str) -> Ingested:
    """Turns ids into rows, once and the same way for all files; the vocabulary is sorted by id.

    Args:
        tables: typed tables without an error.
        name: of the dataset; empty for that of the folder of the interactions.
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
        user[keep], item[keep], part.time[keep].astype(np.int64), part.weight[keep].astype(np.float32)
    )


def _entities(seen: list[TypedIds], table: TypedEntities | None) -> EntityTable:
    ids = [column.ids for column in seen]
    if table is None:
        return EntityTable.bare(Vocabulary.of(np.concatenate(ids)))
    vocabulary = Vocabulary.of(np.concatenate([*ids, table.ids.ids]))
    return EntityTable.aligned(vocabulary, table.ids.ids, table.columns, table.schema)
