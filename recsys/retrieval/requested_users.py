"""The users whom a call asks for: users of the data, anonymous histories, or rows of attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories, ending_at
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows, Vocabulary, as_ids, places
from recsys.data.vocabulary import Ids as IdArray
from recsys.engine import Request
from recsys.errors import DataError, described
from recsys.retrieval.anonymous import anonymous_name, check_columns, typed_attributes, with_anonymous, with_attributes

BLOCK = 4096
"""Users or items at a time; memory beside the result does not grow with their number."""

Ids = Sequence[int | str]


@dataclass(frozen=True, eq=False)
class RequestedUsers:
    """Users of a dataset and others, with their histories and attributes.

    Args:
        data: the dataset.
        ids: [U] their ids in the result.
        rows: [U] their rows in ``data.users``; MISSING where the data does not have them.
        events: the interactions that hold their histories.
        owners: [U] the user of ``events`` who has the history of each.
        attributes: [U] given columns of users.
        at: the time of the recommendation; None is after the last interaction of each.
        is_part: whether ``events`` are a given part of those of the users, whose later feedback is not known.
        told: a line about items of histories that the data does not have, if any.
        anonymous: whether they are known by their histories alone, and ``ids`` are their places.
    """

    data: Dataset
    ids: IdArray
    rows: Rows
    events: Interactions
    owners: Rows
    attributes: pd.DataFrame
    at: int | None = None
    is_part: bool = False
    told: tuple[str, ...] = ()
    anonymous: bool = False

    @classmethod
    def of(
        cls,
        data: Dataset,
        users: Ids | pd.DataFrame | None = None,
        histories: Sequence[Ids] | Interactions | None = None,
        at: int | None = None,
    ) -> RequestedUsers:
        """Users by id (None: all of ``data``), rows of ``user_id`` and columns, or anonymous users by their histories.

        Interactions as ``histories`` stand for those of ``data``; from ``at`` on they are left out.

        Raises:
            DataError: an id or a column is unknown, a cell is not of its column's kind, a user occurs twice in a frame,
                or users by id and histories are both given.
        """
        attributes = None
        events, is_part = data.interactions, isinstance(histories, Interactions)
        if isinstance(histories, Interactions):
            events, histories = histories, None
        if histories is not None:
            _check_histories(histories)
        if isinstance(users, pd.DataFrame):
            ids, attributes = _described(data, users)
            rows = data.users.vocabulary.rows(ids)
        elif histories is not None:
            if users is not None:
                raise DataError("users and histories are both given; give users of the data or histories of others")
            ids, rows = np.arange(len(histories)), np.full(len(histories), MISSING)
        else:
            rows = np.arange(data.n_users) if users is None else known_rows(data.users.vocabulary, users, "user")
            ids = Vocabulary(data.users.vocabulary.ids[rows]).ids
        attributes = pd.DataFrame(index=range(len(ids))) if attributes is None else attributes
        if histories is None:
            return cls(data, ids, rows, _before(events, at), rows, attributes, at, is_part)
        if len(histories) != len(ids):
            raise DataError(f"{len(ids)} users and {len(histories)} histories are given; give one history to each user")
        found, told = _events(data, histories, at)
        return cls(data, ids, rows, found, np.arange(len(ids)), attributes, at, told=told, anonymous=users is None)

    @property
    def counted(self) -> Dataset:
        """The dataset with the interactions of its users that the histories are taken from."""
        events = self.events if self.owners is self.rows else _before(self.data.interactions, self.at)
        return replace(self.data, interactions=events)

    def names(self, block: Rows, request: Request) -> IdArray:
        """By which lists of single users and random draws of a block are found, see `recsys.retrieval.rules.block`."""
        if not self.anonymous:
            return self.ids[block]
        ids, histories = self.data.items.vocabulary.ids, request.histories
        found = [ids[histories.take(slice(n, n + 1)).items].tolist() for n in range(len(histories))]
        return np.array([anonymous_name(history, {}) for history in found], object)

    def requests(self) -> Iterator[tuple[Rows, Request]]:
        """Blocks of at most `BLOCK` users: their positions in ``ids``, and their `Request`."""
        for start in range(0, len(self.ids), BLOCK):
            block = np.arange(start, min(start + BLOCK, len(self.ids)))
            users = with_anonymous(self.data.users, self.rows[block])
            given = with_attributes(users, self.attributes.iloc[block].reset_index(drop=True))
            histories = Histories.from_interactions(self.events, self.owners[block])
            also_seen = self.data.also_seen(self.rows[block], histories if self.is_part else None)
            if also_seen is not None and self.at is not None:
                also_seen = also_seen.where(also_seen.times < self.at)
            at = None if self.at is None else np.full(len(block), self.at)
            yield block, Request(given, self.data.items, histories, at, also_seen)


def _before(events: Interactions, at: int | None) -> Interactions:
    """What came before ``at``; all of it for None."""
    return events if at is None else events.select(np.asarray(events.time) < at)


_REMEDIES = {
    "user": "leave them out, or give new users as a frame with their columns, or their histories",
    "item": "leave them out, or give the dataset that has them",
}


def known_rows(vocabulary: Vocabulary, ids: Ids, what: str) -> Rows:
    """int64 [n]: the row of each id.

    Args:
        vocabulary: of the users or the items.
        ids: [n].
        what: ``"user"`` or ``"item"``, for the message.

    Raises:
        DataError: some ids are not in the data; names the first five. Or they are one id.
    """
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise DataError(f"{what} ids are a list, not {_shown(ids)}; write [{ids!r}]")
    if not len(ids):
        return np.zeros(0, np.int64)
    rows = vocabulary.rows(list(ids))
    unknown = [key for key, row in zip(ids, rows, strict=True) if row == MISSING]
    if unknown:
        raise DataError(
            f"{len(unknown)} {what} ids are not in the data, first {unknown[:5]!r}; its {what} ids look like "
            f"{vocabulary.ids[:2].tolist()!r}: {_REMEDIES[what]}"
        )
    return rows


def _check_histories(histories: Sequence[Ids]) -> None:
    """Refuses histories that are not a list of lists, whose texts would be read letter by letter."""
    expected = "histories are a list of lists of item ids, one list for each user"
    if isinstance(histories, str | pd.DataFrame) or not isinstance(histories, Iterable):
        raise DataError(f"{expected}, not {_shown(histories)}")
    for place, history in enumerate(histories):
        if isinstance(history, str) or not isinstance(history, Iterable):
            one = f"[[{history!r}{', ...' if len(histories) > 1 else ''}]]"
            raise DataError(f"{expected}; place {place} has {_shown(history)}; for one user write {one}")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, int) else described(value)


def _described(data: Dataset, users: pd.DataFrame) -> tuple[IdArray, pd.DataFrame]:
    """The ids and the attributes of a frame of users."""
    check_column(users, "user_id", data.users.vocabulary, "users")
    check_columns(data.users.schema, users, ("user_id",))
    ids = as_ids(users["user_id"].tolist())
    twice = users["user_id"].duplicated().to_numpy()
    if twice.any():
        raise DataError(f"users hold the user {users.loc[twice, 'user_id'].iloc[0]!r} twice; keep one row of each user")
    known = data.users.vocabulary
    if len(ids) and len(known) and (ids.dtype.kind == "i") != known.holds_integers:
        raise DataError(
            f"user ids are {ids[:1].tolist()[0]!r}, and those of the data like {known.ids[:1].tolist()[0]!r}"
        )
    return ids, typed_attributes(data.users.schema, users, "users")


def check_column(frame: pd.DataFrame, name: str, vocabulary: Vocabulary, what: str) -> None:
    """Checks that ``frame`` has the column ``name`` of ids.

    Raises:
        DataError: it has not; names the column with most ids of ``vocabulary``, which is to be renamed.
    """
    if name in frame:
        return
    ids = pd.Index(vocabulary.ids)
    met = {column: float(frame[column].isin(ids).mean()) for column in frame.columns} if len(frame) else {}
    best = max(met, key=lambda column: met[column], default=None)
    other = f"{best!r}" if best is not None and met[best] > 0 else "NAME"
    raise DataError(
        f"{what} lack the column {name!r}; they have: {', '.join(map(str, frame.columns))}; the names that "
        f"read_dataset(columns=...) took are those of its tables alone, so rename the column of the ids: "
        f'{what}.rename(columns={{{other}: "{name}"}})'
    )


def _events(data: Dataset, histories: Sequence[Ids], at: int | None) -> tuple[Interactions, tuple[str, ...]]:
    """The interactions of users 0 to n - 1; and a line about items that ``data`` does not have, if any.

    Times are positions. Where those of ``data`` are seconds, items are a second apart, the last at
    `recsys.data.dataset.Dataset.history_end`, as the service and a registered model take them.
    """
    lengths = np.array([len(history) for history in histories], np.int64)
    flat = [item for history in histories for item in history]
    items = data.items.vocabulary.rows(flat) if flat else np.zeros(0, np.int64)
    known, user = items != MISSING, np.repeat(np.arange(len(histories)), lengths)
    left = np.bincount(user[known], minlength=len(histories))
    position = places(left)
    told = []
    if not known.all():
        unknown = list(dict.fromkeys(flat[place] for place in np.flatnonzero(~known)))
        told.append(
            f"{(~known).sum():,} of {len(flat):,} items of histories are passed over: {len(unknown):,} item ids are "
            f"not in the data, first {unknown[:5]!r}; its item ids look like {data.items.vocabulary.ids[:2].tolist()!r}"
        )
    found = Interactions.of(user[known], items[known], position)
    return ending_at(found, data.history_end(at)), tuple(told)
