"""A block of users with what is known of them before their lists are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.ranking import Ranked
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.top_up import Lists, TopUp


@dataclass(frozen=True, eq=False)
class Block:
    """Users whose lists are made together.

    Args:
        request: [U].
        users: [U] vectors.
        excluded: [U] items that are left out; None leaves out none.
        unknown: bool [U], of whom the engine knows nothing, so that the fallback ranks alone.
        named: rows of those who get items of their own list alone.
    """

    request: Request
    users: Vectors
    excluded: Histories | None
    unknown: NDArray[np.bool_]
    named: Rows

    def take(self, rows: Rows) -> Block:
        """The users at rows ``rows``."""
        excluded = None if self.excluded is None else self.excluded.take(rows)
        named = np.flatnonzero(np.isin(rows, self.named))
        return Block(self.request.take(rows), self.users.take(rows), excluded, self.unknown[rows], named)

    def filled(self, ranked: Ranked, top_up: TopUp | None) -> Lists:
        """``ranked`` of these users, with short lists filled from the fallback."""
        rows, scores = ranked
        if top_up is None:
            return Lists(rows, scores, np.zeros(rows.shape, bool))
        rows[self.unknown], scores[self.unknown] = MISSING, -np.inf
        return top_up.fill(self.request, (rows, scores), self.excluded)


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
