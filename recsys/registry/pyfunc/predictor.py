"""Online prediction with a bundle: top-k items for users of its data by id, for anyone by history or attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from reprlib import repr as short
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from recsys.data.feedback.given_history import EVENTS, TIMES, GivenHistory
from recsys.data.histories import Histories, concatenated
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request
from recsys.errors import DataError, FieldError
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.cells import (
    column,
    event_times,
    event_types,
    id_of,
    is_missing,
    known_rows,
    length,
    moment,
    plain,
)
from recsys.registry.pyfunc.ruled_lists import RuledLists
from recsys.registry.pyfunc.served_as import ServedAs
from recsys.registry.pyfunc.serving import INPUTS
from recsys.retrieval.anonymous import (
    check_once,
    given_cells,
    typed_attributes,
    with_anonymous,
    with_attributes,
    without_repeats,
)
from recsys.retrieval.recipients.asked import Asked, Id, given_of, names_of
from recsys.retrieval.retriever import check_ranks_seen
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.top_up import Lists

_BLOCK, _CANDIDATES = 2**14, 2**21
"""Rows, and candidates of rows, which are answered together."""
_List = tuple[list[object], list[float], list[bool], list[str]]
"""Item ids, their scores, whether each is of the fallback, and the rules that gave it its place."""


_ITEMS, _NOTHING = ("history", "exclude", "candidates"), Histories.of([[]])
"""Cells that list items, and the history of one user who has none."""


@dataclass(frozen=True, eq=False)
class _Row(Asked):
    """A row of a call, at a time (None: now) and with the length of its list."""

    at: int | None
    k: int


class Predictor:
    """Top-k recommendation by exact search for rows of ``user_id``, ``history``, ``k``, ``at`` and columns of users.

    Lists follow the rules of the config, as those of a batch do.

    Users of whom the engine knows nothing get the list of the bundle's fallback, the most popular items among users of
    the same columns, and lists shorter than ``k`` are filled from it.

    Args:
        bundle: a fitted engine and its data. A row with a ``user_id`` and no ``history`` needs a bundle that keeps
            the interactions.
        served_as: what the config says of lists; None leaves out seen items, and events mean what their names say.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        DataError: lists keep seen items, and the engine was not trained to rank them; or a rule is wrong, or they leave
            no item.
    """

    def __init__(self, bundle: Bundle, served_as: ServedAs | None = None) -> None:
        self._data, self._served_as = bundle.data, served_as or ServedAs()
        check_ranks_seen(bundle.engine, self._served_as.filter_seen)
        self._lists = RuledLists(bundle, self._served_as)
        self._lock = Lock()  # the scores of a block of users share a buffer

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``item_ids``, ``scores`` and ``fallback`` for each row, best first.

        Items of the row's history are left out unless the config keeps them, and rules hold as the config says them
        (`recsys.registry.pyfunc.served_as.ServedAs`). The result of a row does not depend on the other rows; a user may
        occur in several rows.

        Args:
            rows: columns ``user_id``, ``history`` or both, and optionally ``k`` (default 10), ``exclude`` (ids of items
                that are not returned), ``candidates`` (ids of the only items that are) and ``at`` (a date, ISO text or
                seconds since 1970 UTC: later interactions are left out, and rules by time hold as they do then; by
                default now). Any cell may be missing.
                ``history`` lists item ids, oldest first, and ``history_events`` the types of these events, which mean
                and weigh what the config says; without them all are likes. ``history_times`` are their times (a date,
                ISO text or seconds since 1970 UTC), which say their order; those from ``at`` on do not count, and
                without them the last event is as new as the data. Where ``history`` is missing, it is that of
                ``user_id`` in the bundle's interactions. Columns of users, such as ``age``, describe users whom the
                bundle does not have, or replace the cells of those that it has; a value that no user has is rare.

        Returns:
            One row for each of ``rows``, with their index; lists have ``k`` items, or as many as are eligible.
            ``fallback`` says of each item whether it is one of the fallback; such items follow those of the engine.
            ``unknown_items`` lists, as texts, the ids of the row's lists that the bundle does not have, and
            ``unknown_user`` says that it does not have the ``user_id``; both are passed over. ``reasons`` names the
            rules that gave each item its place, where the config asks for them.

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
        """Rows that are answered together."""
        lengths = [len(cell) for cell in column(rows, "candidates") if isinstance(cell, Sized)]
        return min(_BLOCK, max(1, _CANDIDATES // max([*lengths, 1])))

    def _predict(self, rows: pd.DataFrame, attributes: pd.DataFrame, first: int) -> pd.DataFrame:
        """The answer to some rows, the first of which has the number ``first`` in messages."""
        attributes = attributes.reset_index(drop=True)
        lists: list[_List] = [([], [], [], [])] * len(rows)
        asked = self._asked(rows, attributes, first)
        for numbers, request in self._requests(attributes, asked):
            group, cells = [asked[number] for number in numbers], given_cells(attributes.iloc[numbers])
            given_names = names_of(group, request.histories, self._data.items.vocabulary, cells)
            given = given_of(group, given_names, request, np.full(len(group), self._served_as.filter_seen))
            with self._lock:
                retriever = self._lists.at(group[0].at)
                found = retriever.rank(retriever.encode(request), max(each.k for each in group), given)
            for place, (number, each) in enumerate(zip(numbers, group, strict=True)):
                lists[number] = self._without_padding(each.k, found, place)
        names = ("item_ids", "scores", "fallback", *(["reasons"] if self._served_as.rules.reasons else []))
        named: dict[str, list[Any]] = {name: [row[part] for row in lists] for part, name in enumerate(names)}
        unknown = [[str(key) for key in each.unknown_items] for each in asked]
        told = {"unknown_items": unknown, "unknown_user": [each.unknown_user for each in asked]}
        return pd.DataFrame({**named, **told}, index=rows.index)

    def _without_padding(self, k: int, lists: Lists, place: int) -> _List:
        """The first ``k`` ids, scores, marks and reasons of a list before the first MISSING, which pads a short one."""
        items, scores, fallback = (part[place][:k] for part in lists[:3])
        n, ids = int((items != MISSING).sum()), self._data.items.vocabulary.ids
        texts = [] if lists.reasons is None else reason_texts(lists.reasons[place, :n])
        return [plain(ids[item]) for item in items[:n]], scores[:n].tolist(), fallback[:n].tolist(), texts

    def _asked(self, rows: pd.DataFrame, attributes: pd.DataFrame, first: int) -> list[_Row]:
        """The cells of ``rows`` as rows of the bundle's users and items."""
        described = attributes.notna().any(axis=1).tolist()
        names = [name for name in INPUTS if name in rows]
        cells = zip(*(rows[name] for name in names), strict=True) if names else [()] * len(rows)
        found = [dict.fromkeys(INPUTS) | dict(zip(names, row, strict=True)) for row in cells]
        return [self._row(n, row, has) for n, (row, has) in enumerate(zip(found, described, strict=True), first)]

    def _row(self, number: int, cells: Mapping[str, object], described: bool) -> _Row:
        k, at = length(number, cells["k"]), moment(number, cells["at"])
        user, name = self._user(number, cells, described)
        listed = {each: cells[each] for each in _ITEMS if not is_missing(cells[each])}
        items = {each: self._items(number, each, cell) for each, cell in listed.items()}
        rows = {each: found for each, (found, _) in items.items()}
        own, others = self._history(number, rows.get("history"), cells, at)
        candidates = np.unique(known_rows(rows["candidates"])) if "candidates" in rows else None
        unknown = tuple(key for _, others_ in items.values() for key in others_)
        excluded = known_rows(rows.get("exclude", np.zeros(0, np.int64)))
        return _Row(user, name, own, others, excluded, candidates, unknown, at, k)

    def _requests(self, attributes: pd.DataFrame, asked: list[_Row]) -> Iterator[tuple[Rows, Request]]:
        """Requests that cover all rows, each with the numbers of its rows; a request holds a user at most once."""
        rows = np.array([each.user for each in asked], int)
        known = Histories.from_interactions(self._data.interactions, rows)
        for numbers in self._groups(asked, rows):
            at, users = asked[numbers[0]].at, rows[numbers]
            each = [(number, asked[number].history) for number in numbers]
            own = [_before(known.take(np.array([n])), at) if given is None else given for n, given in each]
            table = with_attributes(
                with_anonymous(self._data.users, users), attributes.iloc[numbers].reset_index(drop=True)
            )
            also_seen = self._data.also_seen(users)
            also_seen = None if also_seen is None else _before(also_seen, at)
            others = concatenated([asked[number].non_likes for number in numbers])
            if len(others.items):
                also_seen = others if also_seen is None else also_seen.joined(others)
            times = None if at is None else np.full(len(numbers), at)
            yield numbers, Request(table, self._data.items, concatenated(own), times, also_seen)

    def _groups(self, asked: list[_Row], users: Rows) -> Iterator[Rows]:
        """The rows in groups of one time, one length where lists depend on it, and each user once."""
        groups = dict[tuple[int | None, int], list[int]]()
        by_length = self._served_as.rules.reranks or self._served_as.rules.reasons
        for number, each in enumerate(asked):
            groups.setdefault((each.at, each.k if by_length else 0), []).append(number)
        for found in groups.values():
            numbers = np.array(found)
            yield from (numbers[positions] for positions in without_repeats(users[numbers]))

    def _attributes(self, asked: pd.DataFrame) -> pd.DataFrame:
        """The columns of users that the rows give."""
        cells = asked.drop(columns=[name for name in INPUTS if name in asked])
        return typed_attributes(self._data.users.schema, cells, "rows")

    def _items(self, number: int, name: str, cell: object) -> tuple[Rows, list[Id]]:
        """The rows of the items that a cell lists, MISSING for ids that the bundle does not have, and these ids."""
        if not isinstance(cell, list | tuple | np.ndarray) or (isinstance(cell, np.ndarray) and not cell.ndim):
            raise DataError(f"row {number}: {name} is {short(cell)}; give a list of item ids")
        ids = [id_of(number, name, item) for item in cell]
        vocabulary = self._data.items.vocabulary
        fitting = [isinstance(item, int) == vocabulary.holds_integers for item in ids]
        rows = np.full(len(ids), MISSING)
        rows[fitting] = vocabulary.rows([item for item, fits in zip(ids, fitting, strict=True) if fits])
        return rows, [item for item, row in zip(ids, rows, strict=True) if row == MISSING]

    def _history(
        self, number: int, items: Rows | None, cells: Mapping[str, object], at: int | None
    ) -> tuple[Histories | None, Histories]:
        """A given history, oldest first, and the items of its events that are no likes."""
        sides = {name: cells[name] for name in (EVENTS, TIMES) if not is_missing(cells[name])}
        if items is None:
            for name in sides:
                raise DataError(f"row {number} has {name} and no history; give the items beside them")
            return None, _NOTHING
        given = GivenHistory(items, event_types(number, sides.get(EVENTS)), event_times(number, sides.get(TIMES)))
        try:
            return given.read(self._data, self._served_as.events, at)
        except FieldError as error:
            raise DataError(f"row {number}: {error}") from error

    def _user(self, number: int, cells: Mapping[str, object], described: bool) -> tuple[int, Id | None]:
        """The row of the user, MISSING where it is absent or unknown, and the id."""
        user = cells["user_id"]
        if is_missing(user) and is_missing(cells["history"]) and not described:
            raise DataError(
                f"row {number} has neither user_id nor history nor a column of users; give the ids of the user's "
                "items, oldest first, as `history`, or an empty list for a user of whom nothing is known"
            )
        if is_missing(user):
            return MISSING, None
        known, asked = self._data.users.vocabulary, id_of(number, "user_id", user)
        if len(known) and isinstance(asked, str) == known.holds_integers:
            raise DataError(f"row {number}: user_id is {short(asked)}, and ids look like {known.ids[:1].tolist()[0]!r}")
        return known.row(asked), asked


def _before(history: Histories, at: int | None) -> Histories:
    """What came before ``at``; all of it for None."""
    return history if at is None else history.where(history.times < at)
