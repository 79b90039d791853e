"""A dataset and newer data of the same kind as one dataset in which old rows keep their place."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.errors import DataError


def merged(old: Dataset, new: Dataset) -> tuple[Dataset, NDArray[np.bool_]]:
    """Both as one; users, items and columns of ``new`` are appended, its cells win where both have one.

    Without a clock, what ``new`` holds of a user comes after all that ``old`` holds. An interaction that stands in both
    (same user, item and time) is kept once, as old.

    Returns:
        The dataset, and which of its interactions [E] are new.

    Raises:
        DataError: one has a clock and the other has none.
    """
    if old.clock != new.clock:
        raise DataError(
            f"the dataset {'has' if old.clock else 'has no'} timestamps and the newer interactions "
            f"{'have' if new.clock else 'have none'}; they cannot be put in order"
        )
    users, items = merged_entities(old.users, new.users), merged_entities(old.items, new.items)
    moved = _renumbered(new, users, items)
    if not old.clock:
        moved = _after(old.interactions, moved, len(users))
    interactions, fresh = _joined(old.interactions, moved)
    return Dataset(old.name, users, items, interactions, old.clock, old.ordered), fresh


def merged_entities(old: EntityTable, new: EntityTable) -> EntityTable:
    """The entities of both, those of ``old`` first; the schema of ``old`` holds for columns that both have."""
    vocabulary = old.vocabulary.extended(new.vocabulary.ids)
    base, other = (
        table.columns.astype(object).set_axis(pd.Index(table.vocabulary.ids), axis=0).reindex(pd.Index(vocabulary.ids))
        for table in (old, new)
    )
    columns = {}
    for name in dict.fromkeys([*base.columns, *other.columns]):
        if name not in other:
            columns[name] = base[name]
        else:
            columns[name] = other[name] if name not in base else other[name].where(other[name].notna(), base[name])
    frame = pd.DataFrame(columns, index=pd.Index(vocabulary.ids)).reset_index(drop=True).infer_objects()
    kinds = {**new.schema.columns, **old.schema.columns}
    return EntityTable(vocabulary, frame, Schema({name: kinds[name] for name in columns}))


def _renumbered(new: Dataset, users: EntityTable, items: EntityTable) -> Interactions:
    user = users.vocabulary.rows(new.users.vocabulary.ids)[new.interactions.user]
    item = items.vocabulary.rows(new.items.vocabulary.ids)[new.interactions.item]
    return Interactions.of(user, item, new.interactions.time, new.interactions.weight)


def _after(old: Interactions, new: Interactions, n_users: int) -> Interactions:
    last = np.full(n_users, -1, np.int64)
    np.maximum.at(last, old.user, old.time)
    first = np.full(n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, new.user, new.time)
    time = new.time - first[new.user] + last[new.user] + 1
    return Interactions.of(new.user, new.item, time, new.weight)


def _joined(old: Interactions, new: Interactions) -> tuple[Interactions, NDArray[np.bool_]]:
    known = _keys(old.user, old.item, old.time)
    unknown = new.select(~_keys(new.user, new.item, new.time).isin(known))
    both = old.joined(unknown)
    return both, ~_keys(both.user, both.item, both.time).isin(known)


def known_to(data: Dataset, events: Interactions, named: Dataset) -> NDArray[np.bool_]:
    """Bool [E]: whether ``data`` holds each of ``events``, whose rows are those of ``named``."""
    user = data.users.vocabulary.rows(named.users.vocabulary.ids)[events.user]
    item = data.items.vocabulary.rows(named.items.vocabulary.ids)[events.item]
    own = data.interactions
    found: NDArray[np.bool_] = _keys(user, item, events.time).isin(_keys(own.user, own.item, own.time))
    return found


def _keys(user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.integer]) -> pd.MultiIndex:
    """What makes two interactions the same."""
    return pd.MultiIndex.from_arrays([user, item, time])
