"""The users whom a call asks for: users of the data, anonymous histories, or rows of attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows, Vocabulary, as_ids
from recsys.data.vocabulary import Ids as IdArray
from recsys.engine import Request
from recsys.errors import DataError, described
from recsys.retrieval.anonymous import check_columns, typed_attributes, with_anonymous, with_attributes

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
    """

    data: Dataset
    ids: IdArray
    rows: Rows
    events: Interactions
    owners: Rows
    attributes: pd.DataFrame

    @classmethod
    def of(
        cls, data: Dataset, users: Ids | pd.DataFrame | None = None, histories: Sequence[Ids] | None = None
    ) -> RequestedUsers:
        """Users by id (None: all of ``data``), rows of ``user_id`` and columns, or anonymous users by their histories.

        Raises:
            DataError: an id or a column is unknown, a cell is not of its column's kind, a user occurs twice in a frame,
                or users by id and histories are both given.
        """
        attributes = None
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
            return cls(data, ids, rows, data.interactions, rows, attributes)
        if len(histories) != len(ids):
            raise DataError(f"{len(ids)} users and {len(histories)} histories are given; give one history to each user")
        return cls(data, ids, rows, _events(data, histories), np.arange(len(ids)), attributes)

    def requests(self) -> Iterator[tuple[Rows, Request]]:
        """Blocks of at most `BLOCK` users: their positions in ``ids``, and their `Request`."""
        for start in range(0, len(self.ids), BLOCK):
            block = np.arange(start, min(start + BLOCK, len(self.ids)))
            users = with_anonymous(self.data.users, self.rows[block])
            given = with_attributes(users, self.attributes.iloc[block].reset_index(drop=True))
            histories = Histories.from_interactions(self.events, self.owners[block])
            also_seen = self.data.also_seen(self.rows[block])
            yield block, Request(given, self.data.items, histories, also_seen=also_seen)


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
    if "user_id" not in users:
        raise DataError(f"users lack the column 'user_id'; they have: {', '.join(map(str, users.columns))}")
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


def _events(data: Dataset, histories: Sequence[Ids]) -> Interactions:
    """The interactions of users 0 to n - 1, with positions as times."""
    lengths = np.array([len(history) for history in histories], np.int64)
    items = known_rows(data.items.vocabulary, [item for history in histories for item in history], "item")
    position = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Interactions.of(np.repeat(np.arange(len(histories)), lengths), items, position)
