"""A block of users with what is known of them before their lists are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.ranking import Ranked
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.top_up import Lists, TopUp


@dataclass(frozen=True, eq=False)
class Given:
    """Users whose lists are made under rules, and what is known of them beside their vectors.

    Args:
        ids: [U] by which lists of single users and random draws are found; integers, texts or both as objects.
        histories: [U].
        also_seen: [U] items outside the histories that the seen filter masks too; None without any.
        filtered: bool [U], whose seen items are left out.
        request: returns the request of the same users; called where their columns are needed.
        excluded: [U] other items that are left out, by the name of the rule that they count as.
        candidates: [U] the items that users who are ``limited`` may get alone, each once; None limits nobody.
        limited: bool [U].
    """

    ids: NDArray[np.generic]
    histories: Histories
    also_seen: Histories | None
    filtered: NDArray[np.bool_]
    request: Callable[[], Request]
    excluded: Mapping[str, Histories] = field(default_factory=dict)
    candidates: Histories | None = None
    limited: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @classmethod
    def of(cls, request: Request, filter_seen: bool, ids: NDArray[np.generic] | None = None) -> Given:
        """The users of a request; ``ids`` are theirs where None is given."""
        found = request.users.vocabulary.ids if ids is None else ids
        filtered = np.full(len(request), filter_seen)
        return cls(found, request.histories, request.also_seen, filtered, lambda: request)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Rows) -> Given:
        """The users at rows ``rows``."""
        return Given(
            self.ids[rows],
            self.histories.take(rows),
            self.also_seen and self.also_seen.take(rows),
            self.filtered[rows],
            lambda: self.request().take(rows),
            {name: items.take(rows) for name, items in self.excluded.items()},
            self.candidates and self.candidates.take(rows),
            self.limited if self.candidates is None else self.limited[rows],
        )


def of_users(items: Histories, users: NDArray[np.bool_]) -> Histories:
    """``items`` [U] of some ``users`` [U] alone."""
    return items if users.all() else items.where(users[items.users()])


@dataclass(frozen=True, eq=False)
class Block:
    """Users whose lists are made together.

    Args:
        given: [U].
        users: [U] vectors.
        excluded: [U] items that are left out; None leaves out none.
        unknown: bool [U], of whom the engine knows nothing, so that the fallback ranks alone.
        named: rows of those who get items of their own list alone.
        own: [U] the lists of those who are named; None where nobody is.
    """

    given: Given
    users: Vectors
    excluded: Histories | None
    unknown: NDArray[np.bool_]
    named: Rows
    own: Histories | None = None

    def take(self, rows: Rows) -> Block:
        """The users at rows ``rows``."""
        excluded = None if self.excluded is None else self.excluded.take(rows)
        named = np.flatnonzero(np.isin(rows, self.named))
        own = None if self.own is None else self.own.take(rows)
        return Block(self.given.take(rows), self.users.take(rows), excluded, self.unknown[rows], named, own)

    def __len__(self) -> int:
        return len(self.given)

    def filled(self, ranked: Ranked, top_up: TopUp | None) -> Lists:
        """``ranked`` of these users, with short lists filled from the fallback."""
        rows, scores = ranked
        if top_up is None:
            return Lists(rows, scores, np.zeros(rows.shape, bool))
        rows[self.unknown], scores[self.unknown] = MISSING, -np.inf
        if not len(top_up.short(rows)):
            return Lists(rows, scores, np.zeros(rows.shape, bool))
        return top_up.fill(self.given.request(), (rows, scores), self.excluded)


def empty_lists(shape: tuple[int, int]) -> Lists:
    """Lists [U, k] without items."""
    scores = np.full(shape, -np.inf, np.float32)
    return Lists(np.full(shape, MISSING), scores, np.zeros(shape, bool), np.zeros(shape, np.int32))


def put(lists: Lists, users: Rows, others: Lists) -> Lists:
    """``lists`` with those of ``users`` [n] replaced, in place, by ``others`` [n]."""
    lists.rows[users], lists.scores[users], lists.fallback[users] = others.rows, others.scores, others.fallback
    if lists.reasons is not None and others.reasons is not None:
        lists.reasons[users] = others.reasons
    return lists


def beside(parts: list[Lists]) -> Lists | None:
    """Lists of the same users side by side; None without any."""
    if not parts:
        return None
    rows, scores, fallback = (np.concatenate([part[n] for part in parts], axis=1) for n in range(3))
    return Lists(rows, scores, fallback)


def positions(pool: Pool, picked: Rows) -> Rows:
    """int64 [U, k]: the place of each item in the ranking; MISSING for those that it did not bring."""
    return np.where(picked < pool.main, picked, MISSING)
