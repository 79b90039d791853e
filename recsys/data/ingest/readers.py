"""Readers: CSV and Parquet files become a `Dataset`, ids unchanged, every error found before anything is used."""

from __future__ import annotations

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.raw_entities import RawEntities
from recsys.data.ingest.raw_interactions import RawInteractions
from recsys.data.ingest.tables import Tables, read_tables
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Ids, Vocabulary
from recsys.errors import DataError


def read_dataset(config: DataConfig, issues: ValidationIssues | None = None, joining: Dataset | None = None) -> Dataset:
    """The tables of ``config``, which `recsys.data.sources.resolve` has filled.

    With a test file the dataset holds train and test together; `read_given` tells them apart.

    Args:
        config: where the tables are.
        issues: gathers the warnings, which say what is read otherwise than it stands there.
        joining: the dataset that they are to join, of whose types their ids are: those of a CSV become text where its
            are text.

    Raises:
        DataError: everything that keeps the tables from being used; `recsys.data.ingest.validate` shows it with the warnings.
    """
    tables = _read(config, ValidationIssues() if issues is None else issues, joining)
    users = _entities([_ids(part, "user", tables) for part in tables.events], tables.users, tables.integers[0])
    items = _entities([_ids(part, "item", tables) for part in tables.events], tables.items, tables.integers[1])
    parts = [_interactions(part, tables, users.vocabulary, items.vocabulary) for part in tables.events]
    joined = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
    name = config.name or config.source or tables.events[0].file.parent.name
    return Dataset(name, users, items, joined, tables.events[0].has_timestamps, tables.has_order)


def read_given(config: DataConfig, data: Dataset) -> tuple[Interactions, Interactions]:
    """Train and test interactions of a given split, in the rows of ``data``.

    Raises:
        DataError: there is no test file.
    """
    if config.interactions is None or config.test_interactions is None:
        raise DataError("the split 'given' needs data.test_interactions, the file of test interactions")
    tables = _read(config, ValidationIssues())
    users, items = data.users.vocabulary, data.items.vocabulary
    train, test = (_interactions(part, tables, users, items) for part in tables.events)
    return train, test


def _read(config: DataConfig, issues: ValidationIssues, joining: Dataset | None = None) -> Tables:
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    tables = read_tables(config, issues, joining)
    issues.raise_errors()
    return tables


def _ids(part: RawInteractions, side: str, tables: Tables) -> Ids:
    keys, integers = (part.user, tables.integers[0]) if side == "user" else (part.item, tables.integers[1])
    assert integers is not None
    return keys.ids(integers)


def _interactions(part: RawInteractions, tables: Tables, users: Vocabulary, items: Vocabulary) -> Interactions:
    user, item = users.rows(_ids(part, "user", tables)), items.rows(_ids(part, "item", tables))
    keep = part.keep
    return Interactions.of(
        user[keep], item[keep], part.time[keep].astype(np.int64), part.weight[keep].astype(np.float32)
    )


def _entities(seen: list[Ids], described: RawEntities | None, integers: bool | None) -> EntityTable:
    assert integers is not None
    if described is None:
        return EntityTable.bare(Vocabulary.of(np.concatenate(seen)))
    ids = described.keys.ids(integers)
    vocabulary = Vocabulary.of(np.concatenate([*seen, ids]))
    return EntityTable.aligned(vocabulary, ids, described.columns, described.schema)


__all__ = ["DataConfig", "InteractionColumns", "read_dataset", "read_given"]
