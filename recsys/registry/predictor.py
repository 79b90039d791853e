"""Online prediction with a bundle: top-k items for users of its data by id, for anyone by history or attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.histories import Histories, concatenated
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.registry.serving import INPUTS, ServedAs
from recsys.retrieval.anonymous import (
    check_once,
    typed_attributes,
    with_anonymous,
    with_attributes,
    without_repeats,
)
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.retriever import Retriever, check_ranks_seen
from recsys.retrieval.rules.eligible import ItemRules, eligible_items

_DEFAULT_K = 10
_EXACT = 2**53
"""Floats from here on do not hold every integer."""
_BLOCK, _LEFT_OUT = 2**14, 2**21
"""Rows, and item rows that those with candidates leave out, which are answered together."""
_List = tuple[list[object], list[float], list[bool]]
"""Item ids, their scores, and whether each is of the fallback."""


@dataclass(frozen=True, eq=False)
class _Asked:
    """The rows of a call: [n] each.

    Args:
        users: rows of the bundle's users; MISSING where absent or unknown.
        histories: the given history; None takes that of the user.
        non_likes: of one user each, the items of the given history that are seen and no likes.
        excluded: of one user each, the items that are left out besides the history.
        unknown_items: ids that the bundle does not have.
        unknown_user: whether a user was named whom the bundle does not have.
    """

    users: Rows
    histories: list[Histories | None]
    non_likes: list[Histories]
    excluded: list[Histories]
    unknown_items: list[list[str]]
    unknown_user: list[bool]


class Predictor:
    """Top-k recommendation for rows of ``user_id``, ``history``, ``k`` and columns of users.

    Users of whom the engine knows nothing get the list of the bundle's fallback, the most popular items among users of
    the same columns, and lists shorter than ``k`` are filled from it.

    Args:
        bundle: a fitted engine and its data. A row with a ``user_id`` and no ``history`` needs a bundle that keeps
            the interactions.
        served_as: what the config says of lists; None leaves out seen items, and events mean what their names say.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        DataError: lists keep seen items, and the engine was not trained to rank them.
    """

    def __init__(self, bundle: Bundle, served_as: ServedAs | None = None) -> None:
        self._data, self._served_as = bundle.data, served_as or ServedAs()
        check_ranks_seen(bundle.engine, self._served_as.filter_seen)
        self._newest = int(self._data.interactions.time.max(initial=0))
        listed = eligible_items(bundle.items, ItemRules()).rows
        fallback = fallback_of(bundle, bundle.data)
        self._retriever = Retriever(bundle.engine, bundle.items, candidates=listed, fallback=fallback)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``item_ids``, ``scores`` and ``fallback`` for each row, best first.

        Items of the row's history are left out unless the config keeps them (`recsys.registry.serving.ServedAs`). The
        result of a row does not depend on the other rows; a user may occur in several rows.

        Args:
            rows: columns ``user_id``, ``history`` or both, and optionally ``k`` (default 10), ``exclude`` (ids of items
                that are not returned) and ``candidates`` (ids of the only items that are). Any cell may be missing.
                ``history`` lists item ids, oldest first, and ``history_events`` the types of these events, which mean
                and weigh what the config says; without them all are likes. Where ``history`` is missing, it is that of
                ``user_id`` in the bundle's interactions. Columns of users, such as ``age``, describe users whom the
                bundle does not have, or replace the cells of those that it has; a value that no user has is rare.

        Returns:
            One row for each of ``rows``, with their index; lists have ``k`` items, or as many as are eligible.
            ``fallback`` says of each item whether it is one of the fallback; such items follow those of the engine.
            ``unknown_items`` lists, as texts, the ids of the row's lists that the bundle does not have, and
            ``unknown_user`` says that it does not have the ``user_id``; both are passed over.

        Raises:
            DataError: ``rows`` is no frame or has a column twice, a row has neither ``user_id`` nor ``history`` nor a
                column of users, a history is not a list, a cell is not of the kind of its column, or ``k`` is below 1.
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        if not isinstance(rows, pd.DataFrame):
            raise DataError(
                f"rows are {type(rows).__name__}; give a DataFrame with user_id, history or columns of users"
            )
        check_once(rows)
        attributes = self._attributes(rows)
        size = self._block(rows)
        starts = range(0, max(len(rows), 1), size)
        parts = (slice(start, start + size) for start in starts)
        found = [self._predict(rows.iloc[part], attributes.iloc[part], part.start) for part in parts]
        return found[0] if len(found) == 1 else pd.concat(found)

    def _block(self, rows: pd.DataFrame) -> int:
        """Rows that are answered together: those with ``candidates`` leave out nearly the catalogue, each."""
        narrow = not all(_is_missing(cell) for cell in _column(rows, "candidates"))
        return max(1, _LEFT_OUT // max(len(self._data.items), 1)) if narrow else _BLOCK

    def _predict(self, rows: pd.DataFrame, attributes: pd.DataFrame, first: int) -> pd.DataFrame:
        """The answer to some rows, the first of which has the number ``first`` in messages."""
        attributes = attributes.reset_index(drop=True)
        ks = [_length(number, k) for number, k in enumerate(_column(rows, "k"), first)]
        longest = min(max(ks, default=1), len(self._data.items))  # a longer list would only be padding
        lists: list[_List] = [([], [], [])] * len(rows)
        asked = self._asked(rows, attributes, first)
        for numbers, request in self._requests(attributes, asked):
            excluded, filter_seen = concatenated([asked.excluded[n] for n in numbers]), self._served_as.filter_seen
            found = self._retriever.top_k(request, longest, filter_seen, excluded)
            for number, *columns in zip(numbers, *found[:3], strict=True):
                lists[number] = self._without_padding(ks[number], *columns)
        named: dict[str, list[Any]] = {
            name: [row[part] for row in lists] for part, name in enumerate(("item_ids", "scores", "fallback"))
        }
        told = {"unknown_items": asked.unknown_items, "unknown_user": asked.unknown_user}
        return pd.DataFrame({**named, **told}, index=rows.index)

    def _without_padding(self, k: int, items: Rows, scores: NDArray[np.float32], fallback: NDArray[np.bool_]) -> _List:
        """The first ``k`` ids, scores and marks before the first MISSING, which pads a short list."""
        ids, found = self._data.items.vocabulary.ids, items[:k][items[:k] != MISSING]
        return [_plain(ids[item]) for item in found], scores[: len(found)].tolist(), fallback[: len(found)].tolist()

    def _asked(self, rows: pd.DataFrame, attributes: pd.DataFrame, first: int) -> _Asked:
        """The cells of ``rows`` as rows of the bundle's users and items."""
        users, given = _column(rows, "user_id"), _column(rows, "history")
        described = attributes.notna().any(axis=1).tolist()
        found = [self._row(n, *cells) for n, cells in enumerate(zip(users, given, described, strict=True), first)]
        histories: list[Histories | None] = []
        non_likes, excluded, unknown = [], [], []
        sides = zip(given, *(_column(rows, name) for name in ("history_events", "exclude", "candidates")), strict=True)
        for number, (history, events, exclude, candidates) in enumerate(sides, first):
            cells = {"history": history, "exclude": exclude, "candidates": candidates}
            items = {n: None if _is_missing(c) else self._items(number, n, c) for n, c in cells.items()}
            own, others = self._history(number, items["history"] and items["history"][0], events)
            histories.append(own)
            non_likes.append(others)
            left_out = [] if items["exclude"] is None else _known(items["exclude"][0]).tolist()
            if items["candidates"] is not None:
                left_out += np.setdiff1d(np.arange(len(self._data.items)), items["candidates"][0]).tolist()
            excluded.append(Histories.of([left_out]))
            unknown.append([str(key) for pair in items.values() if pair is not None for key in pair[1]])
        nobody = [row == MISSING and not _is_missing(user) for row, user in zip(found, users, strict=True)]
        return _Asked(np.array(found, int), histories, non_likes, excluded, unknown, nobody)

    def _requests(self, attributes: pd.DataFrame, asked: _Asked) -> Iterator[tuple[Rows, Request]]:
        """Requests that cover all rows, each with the numbers of its rows; a request holds a user at most once."""
        known = Histories.from_interactions(self._data.interactions, asked.users)
        each = [
            known.take(np.array([number])) if history is None else history
            for number, history in enumerate(asked.histories)
        ]
        histories = concatenated(each) if each else known
        for numbers in without_repeats(asked.users):
            known_users = with_anonymous(self._data.users, asked.users[numbers])
            table = with_attributes(known_users, attributes.iloc[numbers].reset_index(drop=True))
            also_seen = self._data.also_seen(asked.users[numbers])
            others = concatenated([asked.non_likes[number] for number in numbers])
            if len(others.items):
                also_seen = others if also_seen is None else also_seen.joined(others)
            yield numbers, Request(table, self._data.items, histories.take(numbers), also_seen=also_seen)

    def _attributes(self, asked: pd.DataFrame) -> pd.DataFrame:
        """The columns of users that the rows give."""
        cells = asked.drop(columns=[name for name in INPUTS if name in asked])
        return typed_attributes(self._data.users.schema, cells, "rows")

    def _items(self, number: int, name: str, cell: object) -> tuple[Rows, list[object]]:
        """The rows of the items that a cell lists, MISSING for ids that the bundle does not have, and these ids."""
        if not isinstance(cell, list | tuple | np.ndarray) or (isinstance(cell, np.ndarray) and not cell.ndim):
            raise DataError(f"row {number}: {name} is {short(cell)}; give a list of item ids")
        ids = [_id(number, name, item) for item in cell]
        vocabulary = self._data.items.vocabulary
        fitting = [isinstance(item, int) == vocabulary.holds_integers for item in ids]
        rows = np.full(len(ids), MISSING)
        rows[fitting] = vocabulary.rows([item for item, fits in zip(ids, fitting, strict=True) if fits])
        return rows, [item for item, row in zip(ids, rows, strict=True) if row == MISSING]

    def _history(self, number: int, items: Rows | None, events: object) -> tuple[Histories | None, Histories]:
        """A given history, oldest first, and the items of its events that are no likes.

        It has no times. With a dataset that has timestamps, its items are set one second apart and the last at the
        newest time of the bundle's interactions.
        """
        nothing = Histories.of([[]])
        if items is None or _is_missing(events):
            if items is None and not _is_missing(events):
                raise DataError(f"row {number} has history_events and no history; give the items beside them")
            return (None if items is None else self._timed(Histories.of([_known(items).tolist()]))), nothing
        types = list(events) if isinstance(events, list | tuple | np.ndarray) else []
        if len(types) != len(items) or not all(isinstance(each, str) for each in types):
            raise DataError(
                f"row {number}: history_events is {short(events)}; give the type of each of the {len(items)} events of "
                "history as a text"
            )
        known = [type_ for type_, item in zip(types, items, strict=True) if item != MISSING]
        own, others = self._served_as.events.history(_known(items), known)
        return self._timed(own), others

    def _timed(self, history: Histories) -> Histories:
        return history.ending_at(self._newest) if self._data.has_timestamps else history

    def _row(self, number: int, user: object, history: object, described: bool) -> int:
        """The row of ``user`` in the bundle's users; MISSING where it is absent or unknown."""
        if _is_missing(user) and _is_missing(history) and not described:
            raise DataError(
                f"row {number} has neither user_id nor history nor a column of users; give the ids of the user's "
                "items, oldest first, as `history`, or an empty list for a user of whom nothing is known"
            )
        if _is_missing(user):
            return MISSING
        known, asked = self._data.users.vocabulary, _id(number, "user_id", user)
        if len(known) and isinstance(asked, str) == known.holds_integers:
            raise DataError(f"row {number}: user_id is {short(asked)}, and ids look like {known.ids[:1].tolist()[0]!r}")
        return int(known.rows([asked])[0])


def _column(rows: pd.DataFrame, name: str) -> list[Any]:
    return list(rows[name]) if name in rows else [None] * len(rows)


def _known(items: Rows) -> Rows:
    found: Rows = items[items != MISSING]
    return found


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _id(number: int, name: str, value: object) -> int | str:
    """An id of the type that the data has: pandas turns integers into floats in a column with missing values."""
    plain = _plain(value)
    if isinstance(plain, float) and plain.is_integer():
        if abs(plain) >= _EXACT:
            raise DataError(
                f"row {number}: {name} came as the float {plain!r}, which does not hold all digits of such an id; "
                "send rows with and without it apart"
            )
        return int(plain)
    if isinstance(plain, bool) or not isinstance(plain, int | str):
        raise DataError(f"row {number}: {name} holds {short(plain)}, which is no id")
    return plain


def _length(number: int, k: object) -> int:
    """The length of the list of row ``number``."""
    if _is_missing(k):
        return _DEFAULT_K
    plain = _plain(k)
    if isinstance(plain, bool) or not isinstance(plain, int | float) or plain != plain // 1:
        raise DataError(f"row {number}: k is {short(plain)}; give a whole number")
    if plain < 1:
        raise DataError(f"row {number}: k must be at least 1")
    return int(plain)
