"""Online prediction with a bundle: top-k items for users of its data by id, for anyone by history or attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.retrieval.anonymous import typed_attributes, with_anonymous, with_attributes
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.retriever import Retriever
from recsys.retrieval.rules.eligible import ItemRules, eligible_items

_DEFAULT_K = 10
_RESERVED = ("user_id", "history", "k")
_List = tuple[list[object], list[float], list[bool]]
"""Item ids, their scores, and whether each is of the fallback."""


class Predictor:
    """Top-k recommendation for rows of ``user_id``, ``history``, ``k`` and columns of users.

    Users of whom the engine knows nothing get the list of the bundle's fallback, the most popular items among users of
    the same columns, and lists shorter than ``k`` are filled from it.

    Args:
        bundle: a fitted engine and its data. A row with a ``user_id`` and no ``history`` needs a bundle that keeps
            the interactions.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._data = bundle.data
        self._newest = int(self._data.interactions.time.max(initial=0))
        listed = eligible_items(bundle.items, ItemRules()).rows
        fallback = fallback_of(bundle, bundle.data)
        self._retriever = Retriever(bundle.engine, bundle.items, candidates=listed, fallback=fallback)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``item_ids``, ``scores`` and ``fallback`` for each row, best first, without the items of the row's history.

        The result of a row does not depend on the other rows; a user may occur in several rows.

        Args:
            rows: columns ``user_id``, ``history`` or both, and optionally ``k`` (default 10). ``history`` lists item
                ids, oldest first, of which unknown ones are ignored; where it is missing, the history is that of
                ``user_id`` in the bundle's interactions. Columns of users, such as ``age``, describe users whom the
                bundle does not have, or replace the cells of those that it has; a value that no user has is rare.

        Returns:
            One row for each of ``rows``, with their index; lists have ``k`` items, or as many as are eligible.
            ``fallback`` says of each item whether it is one of the fallback; such items follow those of the engine.

        Raises:
            DataError: a row has neither ``user_id`` nor ``history`` nor a column of users, a history is not a list, a
                cell is not of the kind of its column, or ``k`` is below 1.
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        ks = [_DEFAULT_K if _is_missing(k) else int(k) for k in _column(rows, "k")]
        if any(k < 1 for k in ks):
            raise DataError(f"row {next(i for i, k in enumerate(ks) if k < 1)}: k must be at least 1")
        longest = min(max(ks, default=1), len(self._data.items))  # a longer list would only be padding
        lists: list[_List] = [([], [], [])] * len(rows)
        for numbers, request in self._requests(rows):
            found = self._retriever.top_k(request, longest)
            for number, *columns in zip(numbers, *found, strict=True):
                lists[number] = self._without_padding(ks[number], *columns)
        named = {name: [row[part] for row in lists] for part, name in enumerate(("item_ids", "scores", "fallback"))}
        return pd.DataFrame(named, index=rows.index)

    def _without_padding(self, k: int, items: Rows, scores: NDArray[np.float32], fallback: NDArray[np.bool_]) -> _List:
        """The first ``k`` ids, scores and marks before the first MISSING, which pads a short list."""
        ids, found = self._data.items.vocabulary.ids, items[:k][items[:k] != MISSING]
        return [_plain(ids[item]) for item in found], scores[: len(found)].tolist(), fallback[: len(found)].tolist()

    def _requests(self, asked: pd.DataFrame) -> Iterator[tuple[Rows, Request]]:
        """Requests that cover all rows, each with the numbers of its rows; a request holds a user at most once."""
        users, given = _column(asked, "user_id"), _column(asked, "history")
        attributes = self._attributes(asked)
        described = attributes.notna().any(axis=1).tolist()
        each_row = enumerate(zip(users, given, described, strict=True))
        rows = np.array([self._row(number, *cells) for number, cells in each_row], int)
        known = Histories.from_interactions(self._data.interactions, rows)
        each = [
            known.take(np.array([number])) if _is_missing(items) else self._history(number, items)
            for number, items in enumerate(given)
        ]
        histories = _concatenated(each) if each else known
        for numbers in _without_repeats(rows):
            known_users = with_anonymous(self._data.users, rows[numbers])
            table = with_attributes(known_users, attributes.iloc[numbers].reset_index(drop=True))
            also_seen = self._data.also_seen(rows[numbers])
            yield numbers, Request(table, self._data.items, histories.take(numbers), also_seen=also_seen)

    def _attributes(self, asked: pd.DataFrame) -> pd.DataFrame:
        """The columns of users that the rows give."""
        cells = asked.drop(columns=[name for name in _RESERVED if name in asked])
        return typed_attributes(self._data.users.schema, cells, "rows")

    def _history(self, number: int, items: object) -> Histories:
        """The history that row ``number`` gives, without unknown items.

        A given history has no times. With a dataset that has timestamps, its items are set one second apart and the
        last at the newest time of the bundle's interactions.
        """
        if not isinstance(items, list | tuple | np.ndarray):
            raise DataError(f"row {number}: history is {items!r}; give a list of item ids, oldest first")
        rows = self._data.items.vocabulary.rows([_id(item) for item in items]).tolist()
        history = Histories.of([[row for row in rows if row != MISSING]])
        if not self._data.has_timestamps:
            return history
        return replace(history, times=history.times + self._newest - max(len(history.items) - 1, 0))

    def _row(self, number: int, user: object, history: object, described: bool) -> int:
        """The row of ``user`` in the bundle's users; MISSING where it is absent or unknown."""
        if _is_missing(user) and _is_missing(history) and not described:
            raise DataError(
                f"row {number} has neither user_id nor history nor a column of users; give the ids of the user's "
                "items, oldest first, as `history`, or an empty list for a user of whom nothing is known"
            )
        if _is_missing(user):
            return MISSING
        known, asked = self._data.users.vocabulary, _id(user)
        if len(known) and isinstance(asked, str) == known.holds_integers:
            raise DataError(f"row {number}: user_id is {asked!r}, and ids look like {known.ids[:1].tolist()[0]!r}")
        return int(known.rows([asked])[0])


def _without_repeats(rows: Rows) -> list[Rows]:
    """Positions of ``rows`` in groups: a row occurs at most once in a group, MISSING any number of times.

    A `Request` must not hold a user twice, so the n-th occurrence of a user goes into the n-th group.

    Example:
        >>> [positions.tolist() for positions in _without_repeats(np.array([5, MISSING, 5, 7, MISSING, 5]))]
        [[0, 1, 3, 4], [2], [5]]
    """
    occurrence = np.where(rows == MISSING, 0, pd.Series(rows).groupby(rows).cumcount())
    return [np.flatnonzero(occurrence == group) for group in range(occurrence.max(initial=-1) + 1)]


def _concatenated(parts: Sequence[Histories]) -> Histories:
    """The histories of all users of ``parts``, in order."""
    lengths = np.concatenate([part.lengths for part in parts])
    return Histories(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def _column(rows: pd.DataFrame, name: str) -> list[Any]:
    return list(rows[name]) if name in rows else [None] * len(rows)


def _is_missing(value: Any) -> bool:
    return value is None or (np.ndim(value) == 0 and bool(pd.isna(value)))


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _id(value: object) -> object:
    """An id of the type that the data has: pandas turns integers into floats in a column with missing values."""
    plain = _plain(value)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
