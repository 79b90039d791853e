"""Tables: the files of a dataset, each read and checked on its own, and then against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.id_column import IdColumn, as_integers
from recsys.data.ingest.issues import Location, ValidationIssues, shown
from recsys.data.ingest.raw_entities import RawEntities, read_entities
from recsys.data.ingest.raw_interactions import RawInteractions, read_events
from recsys.data.vocabulary import Ids, Vocabulary


@dataclass(frozen=True, eq=False)
class Tables:
    """All files of a dataset; the parts that could not be read at all are missing.

    Args:
        events: the interactions, and those of the test file.
        users: their table, if there is one.
        items: their table, if there is one.
        integers: whether the ids of users and of items are integers; None where no one type fits.
    """

    events: list[RawInteractions]
    users: RawEntities | None
    items: RawEntities | None
    integers: tuple[bool | None, bool | None]

    @property
    def has_order(self) -> bool:
        """Whether every file of interactions says in which order they came."""
        return all(part.order is not None for part in self.events)


def read_tables(config: DataConfig, issues: ValidationIssues, joining: Dataset | None = None) -> Tables:
    """Everything that can be read of the tables of ``config``; what is wrong goes to ``issues``.

    Args:
        config: where the tables are.
        issues: gathers what is wrong.
        joining: the dataset that they are to join, of whose types their ids are.
    """
    paths = [path for path in (config.interactions, config.test_interactions) if path is not None]
    read = [read_events(Location(issues, path), config) for path in paths]
    events = [part for part in read if part is not None]
    if len({part.has_timestamps for part in events}) > 1:
        Location(issues, paths[1]).error("one file has times and the other has none", "give both the same columns")
    users = read_entities(config.users, config.columns.user_id, config.user_schema, config.missing, issues)
    items = read_entities(config.items, config.columns.item_id, config.item_schema, config.missing, issues)
    known = (None, None) if joining is None else (joining.users.vocabulary, joining.items.vocabulary)
    user = _related([part.user for part in events], users, config, known[0])
    item = _related([part.item for part in events], items, config, known[1])
    if len(events) == 2 and user is not None and item is not None:
        _look_at_repeats(events[0], events[1], user, item)
    return Tables(events, users, items, (user, item))


def _look_at_repeats(train: RawInteractions, test: RawInteractions, user: bool, item: bool) -> None:
    """Looks for pairs of user and item that stand in both files."""
    pairs = [pd.MultiIndex.from_arrays([part.user.ids(user), part.item.ids(item)]) for part in (train, test)]
    good = [part.user.good & part.item.good & part.keep for part in (train, test)]
    repeated = np.flatnonzero(good[1] & pairs[1].isin(pairs[0][good[0]]))
    if len(repeated):
        test.user.place.warn(
            f"user and item stand in {train.file.name} too; with the seen filter on, such items are never recommended",
            "take them out of one file, or set evaluate.filter_seen to false",
            repeated,
        )


def _related(
    seen: list[IdColumn], described: RawEntities | None, config: DataConfig, joining: Vocabulary | None
) -> bool | None:
    """Whether one side's ids are integers; looks for ids of the interactions that the table lacks."""
    joined = joining.holds_integers if joining else None  # one without ids has no type to keep
    integers = as_integers([*seen, *([described.keys] if described else [])], joined)
    if described is None or integers is None:
        return integers
    known = described.keys.ids(integers)[described.keys.good]
    for keys in seen:
        ids = keys.ids(integers)
        unknown = np.flatnonzero(keys.good & ~pd.Index(ids).isin(pd.Index(known)))
        if len(unknown):
            _report_unknown(keys, ids, unknown, described.file, config.unknown_ids == "error")
    return integers


def _report_unknown(keys: IdColumn, ids: Ids, rows: NDArray[np.int64], table: Path, wrong: bool) -> None:
    count = len(pd.unique(ids[rows]))
    found = f"{count:,} id{'s are' if count > 1 else ' is'} not in {table.name}, as {shown(ids[rows[0]])}"
    if wrong:
        keys.place.error(found, 'describe them, or set data.unknown_ids to "add"', rows)
    else:
        keys.place.warn(found, "describe them; until then their features are missing", rows)
