"""Raw histories of a file: sessions of people who are no users of the data, answered as users are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import ending_at
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, VectorModel, Vectors
from recsys.retrieval.anonymous import with_anonymous
from recsys.retrieval.rules.id_lists import ids_in_type


@dataclass(frozen=True, eq=False)
class Sessions:
    """The sessions of a file as a dataset, whose users they are.

    Args:
        data: the sessions with missing columns, the items of the data, and the rows of the file.
        told: a line about the sessions and one about unknown items, if any.
    """

    data: Dataset
    told: tuple[str, ...]


def read_sessions(path: Path, config: DataConfig, data: Dataset, at: int | None = None) -> Sessions:
    """Reads a file of the columns that the interactions have, with the id of a session in that of the user.

    Rows of items that ``data`` does not have are passed over and counted; a session of such items alone has an empty
    history, and gets the list of the fallback. Where the file has no times and ``data`` has, a session ends at the
    newest time of ``data``, or a second before ``at``.

    Args:
        path: CSV or other separated text, JSON lines, Parquet.
        config: the names of the columns and the options of reading.
        data: the items, and the columns that users have.
        at: the time of the recommendation; None is now.

    Raises:
        DataError: the file cannot be read, or lists all its errors.
    """
    alone = {"interactions": path, "source": None, "users": None, "items": None, "test_interactions": None}
    read = ingest(config.model_copy(update={**alone, "unknown_ids": "add"})).data
    ids = ids_in_type(data.items.vocabulary, read.items.vocabulary.ids.tolist(), True, "recommend.histories")
    rows = data.items.vocabulary.rows(ids)
    blank = with_anonymous(data.users, np.full(read.n_users, MISSING)).columns
    users = EntityTable(read.users.vocabulary, blank, data.users.schema)
    events, non_likes = (_of_items(part, rows) for part in (read.interactions, read.non_likes))
    if data.has_timestamps and not read.has_timestamps:
        events = ending_at(events, data.history_end(at))
    found = Dataset(data.name, users, data.items, events, read.has_timestamps, read.has_order)
    told = [f"{read.n_users:,} histories of {path}"]
    if lost := len(read.interactions) - len(events):
        unknown = np.flatnonzero(rows == MISSING)
        told.append(
            f"{lost:,} of {len(read.interactions):,} rows of {path.name} are passed over: they name {len(unknown):,} "
            f"items that are not in the data, first {ids[unknown[0]]!r}"
        )
    return Sessions(replace(found, non_likes=non_likes), tuple(told))


def _of_items(events: Interactions, rows: Rows) -> Interactions:
    """The events of items that have a row, by these rows."""
    item = rows[events.item]
    kept = events.select(item != MISSING)
    return Interactions.of(kept.user, rows[kept.item], kept.time, kept.weight, kept.tie)


class AnonymousUsers:
    """An engine for users whom it must not know by their ids: every user of a request is anonymous to it.

    Args:
        engine: a fitted engine.
        users: of its data, of which no anonymous user has the id.
    """

    def __init__(self, engine: VectorModel, users: EntityTable) -> None:
        self.kind = engine.kind
        self.engine, self._users = engine, users

    def user_vectors(self, request: Request) -> Vectors:
        """[U] the vectors of histories."""
        users = with_anonymous(self._users, np.full(len(request), MISSING))
        return self.engine.user_vectors(replace(request, users=users))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] those of the engine."""
        return self.engine.item_vectors(items, at)
