"""Groups of questions: what one `Request` to an engine holds, with the histories that feedback has extended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories, concatenated
from recsys.data.vocabulary import Rows
from recsys.engine import Request
from recsys.retrieval.anonymous import given_cells, with_anonymous, with_attributes, without_repeats
from recsys.retrieval.recipients.asked import Id, names_of
from recsys.service.live_histories import FeedbackEvent, LiveHistories, extended, unchanged
from recsys.service.questions import Lookup
from recsys.service.vector_cache import cache_key


@dataclass(frozen=True, eq=False)
class Group:
    """Questions of different users, all with a time or all without: what one `Request` holds.

    Args:
        data: the users and items.
        asked: [U] the questions.
        keys: [U] of the cache of vectors.
        histories: of the U users.
        also_seen: of the U users, items outside the histories that the seen filter masks too; None without any.
        blocked: of the U users, items that feedback disliked or removed last; None without any.
        at: int64 [U], the times of the recommendations; None is now.
    """

    data: Dataset
    asked: list[Lookup]
    keys: list[tuple[Id, int] | None]
    histories: Histories
    also_seen: Histories | None
    blocked: Histories | None
    at: NDArray[np.int64] | None

    @cached_property
    def request(self) -> Request:
        """The users as an engine is asked."""
        return Request(self.users, self.data.items, self.histories, self.at, self.also_seen)

    @cached_property
    def users(self) -> EntityTable:
        """The users with the columns that questions give."""
        users = with_anonymous(self.data.users, np.array([each.user for each in self.asked], np.int64))
        cells = [pd.DataFrame(index=[0]) if each.attributes is None else each.attributes for each in self.asked]
        if any(len(frame.columns) for frame in cells):
            users = with_attributes(users, pd.concat(cells, ignore_index=True))
        return users

    @property
    def names(self) -> NDArray[np.object_]:
        """[U], see `recsys.retrieval.recipients.asked.names_of`."""
        described = [each.name is None and each.attributes is not None for each in self.asked]
        cells = [
            given_cells(each.attributes)[0] if has and each.attributes is not None else {}
            for each, has in zip(self.asked, described, strict=True)
        ]
        return names_of(self.asked, self.histories, self.data.items.vocabulary, cells)

    def take(self, rows: Rows) -> Group:
        """The questions at ``rows``."""
        return Group(
            self.data,
            [self.asked[row] for row in rows],
            [self.keys[row] for row in rows],
            self.histories.take(rows),
            self.also_seen and self.also_seen.take(rows),
            self.blocked and self.blocked.take(rows),
            None if self.at is None else self.at[rows],
        )


class Groups:
    """Makes the groups of questions about the users of a dataset.

    Args:
        data: the users, their histories and the items.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data

    def all(self, asked: Mapping[int, Lookup], live: LiveHistories) -> Iterator[tuple[list[int], Group]]:
        """The questions by their numbers, in groups that one request can hold, each with its numbers."""
        for timed in (False, True):
            numbers = [number for number, each in asked.items() if (each.question.at is not None) == timed]
            rows = np.array([asked[number].user for number in numbers], np.int64)
            for positions in without_repeats(rows) if numbers else ():
                chosen = [numbers[position] for position in positions]
                yield chosen, self.of([asked[number] for number in chosen], live)

    def of(self, asked: list[Lookup], live: LiveHistories) -> Group:
        """The group of questions of different users, all with a time or all without.

        Args:
            asked: [U].
            live: events that extend the histories.
        """
        data = self._data
        keys = [cache_key(each, live) for each in asked]  # before the events: a vector is never older than its key
        rows = np.array([each.user for each in asked], np.int64)
        histories, also_seen = Histories.from_interactions(data.interactions, rows), data.also_seen(rows)
        at = None if asked[0].question.at is None else np.array([each.question.at for each in asked], np.int64)
        if also_seen is not None and at is not None:
            also_seen = also_seen.where(also_seen.times < at[also_seen.users()])
        changed = {n: self._events(e, live) for n, e in enumerate(asked)}
        blocked = None
        if any(changed.values()) or any(each.history is not None for each in asked):
            parts = []
            for number, each in enumerate(asked):
                if each.history is not None:
                    parts.append(replace(unchanged(each.history), also_seen=each.non_likes))
                    continue
                own, events = histories.take(slice(number, number + 1)), changed[number]
                parts.append(extended(own, events, data, live.types) if events else unchanged(own))
            histories = concatenated([each.history for each in parts])
            blocked = concatenated([each.blocked for each in parts])
            others = concatenated([each.also_seen for each in parts]).joined(blocked)
            if len(others.items):
                also_seen = others if also_seen is None else also_seen.joined(others)
        if at is not None:
            given = np.array([each.history is not None for each in asked], bool)
            owner = histories.users()
            histories = histories.where(given[owner] | (histories.times < at[owner]))
        return Group(data, asked, keys, histories, also_seen, blocked, at)

    def _events(self, each: Lookup, live: LiveHistories) -> tuple[FeedbackEvent, ...]:
        """What feedback tells of the user before the time of the question."""
        events, at = live.events(each.question.user_id), each.question.at
        if at is None or not self._data.has_timestamps:
            return events
        return tuple(event for event in events if event.time < at)
