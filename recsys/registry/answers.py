"""Answers to single questions from a bundle: a known user by id, anyone by their history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import Request
from recsys.errors import DataError
from recsys.ranking import Ranker
from recsys.registry.bundle import Bundle

_DEFAULT_K = 10


class Answers:
    """A loaded bundle that answers rows of ``user_id``, ``history`` and ``k``.

    Args:
        bundle: with a snapshot when ``user_id`` alone is to be answered from the past.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._data = bundle.data
        self._ranker = Ranker(bundle.engine.item_vectors(bundle.items))

    def answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``item_ids`` and ``scores`` of each row, best first, without the items of its history.

        Args:
            rows: ``user_id`` (answered from the snapshot), ``history`` (item ids, oldest first, takes the place of the
                snapshot; unknown items are passed over) or both, and optionally ``k`` (default 10).

        Raises:
            DataError: a row has neither, an id is unknown and has no history, a history is no list, or ``k`` is
                below 1.
        """
        n = len(rows)
        wanted = [_DEFAULT_K if _absent(k) else int(k) for k in _column(rows, "k")]
        if any(k < 1 for k in wanted):
            raise DataError(f"row {next(i for i, k in enumerate(wanted) if k < 1)}: k must be at least 1")
        users, given = _column(rows, "user_id"), _column(rows, "history")
        request = self._request(users, given)
        vectors = self._bundle.engine.user_vectors(request)
        found, scores = self._ranker.top_k(vectors, max(wanted, default=1), request.histories)
        ids = self._data.items.vocabulary.ids
        lists = [[_plain(ids[item]) for item in found[i, : wanted[i]] if item != MISSING] for i in range(n)]
        kept = [[float(score) for score in scores[i, : len(lists[i])]] for i in range(n)]
        return pd.DataFrame({"item_ids": lists, "scores": kept}, index=rows.index)

    def _request(self, users: Sequence[Any], given: Sequence[Any]) -> Request:
        rows = np.array([self._row(number, *pair) for number, pair in enumerate(zip(users, given, strict=True))], int)
        known = Histories.from_interactions(self._data.interactions, rows)
        pasts = [
            known.take(np.array([n])) if _absent(past) else self._past(n, past) for n, past in enumerate(given)
        ]  # a list a row: a request holds a few rows
        return Request(self._askers(rows), self._data.items, _joined(pasts) if pasts else known)

    def _past(self, number: int, items: Any) -> Histories:
        """A given history of one asker: its items a second apart, the last at the newest moment of the snapshot."""
        if not isinstance(items, list | tuple | np.ndarray):
            raise DataError(f"row {number}: history is {items!r}; give a list of item ids, oldest first")
        rows = self._data.items.vocabulary.rows([_id(item) for item in items]).tolist()
        history = Histories.of([[row for row in rows if row != MISSING]])
        if not self._data.clock:
            return history
        newest = int(self._data.interactions.time.max(initial=0))
        return replace(history, times=history.times + newest - max(len(history.items) - 1, 0))

    def _row(self, number: int, user: Any, past: Any) -> int:
        row = MISSING if _absent(user) else int(self._data.users.vocabulary.rows([_id(user)])[0])
        if row == MISSING and _absent(past):
            what = "neither user_id nor history" if _absent(user) else f"the unknown user {user!r} and no history"
            raise DataError(f"row {number} has {what}; give the item ids that the user touched as `history`")
        return row

    def _askers(self, rows: np.ndarray[Any, Any]) -> EntityTable:
        """The table's cells of known users and missing cells of others, under ids of this request alone."""
        table = self._data.users
        columns = table.columns.reindex([row if row != MISSING else len(table) for row in rows]).reset_index(drop=True)
        ids = table.vocabulary.ids
        named = [_plain(ids[row]) if row != MISSING else None for row in rows]
        taken, fresh = set[Any](), []
        for number, name in enumerate(named):
            if name is None or name in taken:
                name = -1 - number if table.vocabulary.holds_integers else f"\x00asker {number}"
            taken.add(name)
            fresh.append(name)
        return EntityTable(Vocabulary(np.array(fresh, ids.dtype)), columns, table.schema)


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


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _id(value: Any) -> Any:
    """An id as the data holds it: pandas makes floats of integers in a column that lacks some."""
    plain = _plain(value)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
