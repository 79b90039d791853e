"""Online prediction from a bundle: top-k items for a known user by id, or for anyone by their history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.engine import Request
from recsys.errors import DataError
from recsys.ranking import Ranker
from recsys.registry.bundle import Bundle

_DEFAULT_K = 10


class Predictor:
    """Top-k recommendation for rows of ``user_id``, ``history`` and ``k``.

    Args:
        bundle: with its interactions, if a ``user_id`` alone is to be enough.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._data = bundle.data
        self._newest = int(self._data.interactions.time.max(initial=0))
        self._ranker = Ranker(bundle.engine.item_vectors(bundle.items))

    def answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``item_ids`` and ``scores`` of each row, best first, without the items of its history.

        The result of a row does not depend on the other rows, nor on repeated users.

        Args:
            rows: ``user_id`` (answered from the snapshot), ``history`` (item ids, oldest first, takes the place of the
                snapshot; unknown items are passed over) or both, and optionally ``k`` (default 10).

        Raises:
            DataError: a row has neither, an id is unknown and has no history, a history is no list, or ``k`` is
                below 1.
        """
        wanted = [_DEFAULT_K if _absent(k) else int(k) for k in _column(rows, "k")]
        if any(k < 1 for k in wanted):
            raise DataError(f"row {next(i for i, k in enumerate(wanted) if k < 1)}: k must be at least 1")
        users, given = _column(rows, "user_id"), _column(rows, "history")
        k = min(max(wanted, default=1), self._ranker.n_items)  # places beyond the catalogue would stay empty
        found: list[tuple[list[object], list[float]]] = [([], [])] * len(rows)
        for places, request in self._requests(users, given):
            vectors = self._bundle.engine.user_vectors(request)
            ranked = self._ranker.top_k(vectors, k, request.histories)
            for place, items, scores in zip(places, *ranked, strict=True):
                found[place] = self._list(items[: wanted[place]], scores)
        lists, kept = ([answer[part] for answer in found] for part in (0, 1))
        return pd.DataFrame({"item_ids": lists, "scores": kept}, index=rows.index)

    def _list(self, items: Rows, scores: NDArray[np.float32]) -> tuple[list[object], list[float]]:
        """The ids of ``items``, as far as the list is filled, and their scores."""
        ids, filled = self._data.items.vocabulary.ids, items[items != MISSING]
        return [_plain(ids[item]) for item in filled], scores[: len(filled)].tolist()

    def _requests(self, users: Sequence[object], given: Sequence[object]) -> Iterator[tuple[Rows, Request]]:
        """The rows in as few requests as hold each known user once, and which rows each holds."""
        rows = np.array([self._row(number, *pair) for number, pair in enumerate(zip(users, given, strict=True))], int)
        known = Histories.from_interactions(self._data.interactions, rows)
        pasts = [
            known.take(np.array([n])) if _absent(past) else self._past(n, past) for n, past in enumerate(given)
        ]  # a list a row: a request holds a few rows
        histories = _joined(pasts) if pasts else known
        for places in _waves(rows):
            yield places, Request(self._askers(rows[places]), self._data.items, histories.take(places))

    def _past(self, number: int, items: object) -> Histories:
        """A given history of one asker: its items a second apart, the last at the newest moment of the snapshot."""
        if not isinstance(items, list | tuple | np.ndarray):
            raise DataError(f"row {number}: history is {items!r}; give a list of item ids, oldest first")
        rows = self._data.items.vocabulary.rows([_id(item) for item in items]).tolist()
        history = Histories.of([[row for row in rows if row != MISSING]])
        if not self._data.has_timestamps:
            return history
        return replace(history, times=history.times + self._newest - max(len(history.items) - 1, 0))

    def _row(self, number: int, user: object, past: object) -> int:
        row = MISSING if _absent(user) else int(self._data.users.vocabulary.rows([_id(user)])[0])
        if row == MISSING and _absent(past):
            what = "neither user_id nor history" if _absent(user) else f"the unknown user {user!r} and no history"
            raise DataError(f"row {number} has {what}; give the item ids that the user touched as `history`")
        return row

    def _askers(self, rows: Rows) -> EntityTable:
        """The table's cells of known users and missing cells of others, under ids of this request alone."""
        table = self._data.users
        columns = table.columns.reindex([row if row != MISSING else len(table) for row in rows]).reset_index(drop=True)
        ids, made_up = table.vocabulary.ids, _unheld(table.vocabulary)
        named = [_plain(ids[row]) if row != MISSING else next(made_up) for row in rows]
        return EntityTable(Vocabulary(np.array(named, ids.dtype)), columns, table.schema)


def _unheld(vocabulary: Vocabulary) -> Iterator[object]:
    """Ids that ``vocabulary`` does not hold: texts, or integers below its lowest and on from the top of 64 bits."""
    names: Iterator[object] = (f"\x00asker {number}" for number in count())
    if vocabulary.holds_integers:
        lowest = int(vocabulary.ids.min(initial=0))
        names = ((lowest - step + 2**63) % 2**64 - 2**63 for step in count(1))
    return (name for name in names if vocabulary.rows([name])[0] == MISSING)


def _waves(rows: Rows) -> list[Rows]:
    """The places of ``rows`` in lists that hold each row once, and MISSING any number of times.

    Example:
        >>> [places.tolist() for places in _waves(np.array([5, MISSING, 5, 7, MISSING, 5]))]
        [[0, 1, 3, 4], [2], [5]]
    """
    turn = np.where(rows == MISSING, 0, pd.Series(rows).groupby(rows).cumcount())
    return [np.flatnonzero(turn == wave) for wave in range(turn.max(initial=-1) + 1)]


def _joined(parts: Sequence[Histories]) -> Histories:
    """The users of ``parts``, one after another."""
    lengths = np.concatenate([part.lengths for part in parts])
    return Histories(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def _column(rows: pd.DataFrame, name: str) -> list[Any]:
    return list(rows[name]) if name in rows else [None] * len(rows)


def _absent(value: Any) -> bool:
    return value is None or (np.ndim(value) == 0 and bool(pd.isna(value)))


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _id(value: object) -> object:
    """An id as the data holds it: pandas makes floats of integers in a column that lacks some."""
    plain = _plain(value)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
