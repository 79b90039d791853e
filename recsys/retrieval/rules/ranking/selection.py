"""Greedy selection: fills the places of many lists at once, best candidate first, under all rules of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING, Rows
from recsys.retrieval.rules.ranking.at_least import AtLeastRule, Deficits
from recsys.retrieval.rules.ranking.caps import CapRule
from recsys.retrieval.rules.ranking.pool import Constraint, Filling, Pool, Term
from recsys.retrieval.rules.reasons import bit

CHUNK = 256
"""Users whose lists are filled together: their candidates fit into the cache of the processor."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The lists that were chosen.

    Args:
        picked: int64 [B, k], columns of the pool; MISSING after the end of a short list.
        reasons: int32 [B, k], see `recsys.retrieval.rules.reasons`; incomplete where they are not asked for.
        lacking: int64 [B, Q], items that each quota lacks for want of candidates; 0 where some are left, but no place.
        undrawn: bool [B], whether a place that is given to exploration had no draw from beyond the first k.
    """

    picked: Rows
    reasons: NDArray[np.int32]
    lacking: NDArray[np.int64]
    undrawn: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Greedy:
    """Fills places one after the other.

    A place that is given to exploration takes the user's first open draw. Where the other places that are left are all
    needed for quotas, the best open candidate that lessens one is taken; where all places are, draws give way to it.
    Any other place takes the open candidate of the highest value; equal values in the order of the ranking. A place for
    which there is nothing of its kind is filled as any other. Diversity and calibration count the items of the
    ranking's pool alone, not what exploration and quotas took from beyond it.

    Args:
        k: places of a list.
        constraints: close candidates as places are filled.
        quotas: at least so many items of a kind; None without any.
        terms: change the values of candidates; without any the order of the ranking is kept.
        reasons: whether it is told why items were taken.
    """

    k: int
    constraints: Sequence[Constraint] = ()
    quotas: AtLeastRule | None = None
    terms: Sequence[Term] = ()
    reasons: bool = True

    def select(self, pool: Pool, explored: NDArray[np.bool_] | None = None) -> Selection:
        """The lists of the users of ``pool``.

        Args:
            pool: [B] users.
            explored: bool [B, k], the places that are given to the draws of the pool; None gives none.
        """
        if self.keeps_order and explored is None and len(self.constraints) == 1:
            found = self._without_repeats(pool, self.constraints[0])
            if found is not None:
                return found
        state, left = _State(self, pool), np.arange(self.k, 0, -1)[None]
        if explored is not None:
            left = (~explored)[:, ::-1].cumsum(1)[:, ::-1]  # a draw lessens nothing that a list lacks
        for place in range(self.k):
            filled = state.fill(place, left[:, place], None if explored is None else explored[:, place])
            if not filled and explored is None:
                break
        state.close_gaps()
        return Selection(state.picked, state.reasons, state.lacking(), state.undrawn)

    @property
    def keeps_order(self) -> bool:
        """Whether lists are in the order of the ranking, less what constraints close."""
        return not self.terms and self.quotas is None

    def _without_repeats(self, pool: Pool, constraint: Constraint) -> Selection | None:
        """One constraint on a column of one value an item, for all places at once; None if it is of another kind.

        An item is taken if fewer than the most of its value stand before it in the ranking.
        """
        if not isinstance(constraint, CapRule) or constraint.values.codes.shape[1] > 1:
            return None
        width, values = pool.rows.shape[1], len(constraint.values.names)
        kind = np.int16 if values + width < 2**15 else np.int64  # 16 bits are sorted by radix
        codes = constraint.values.take(pool.rows)[:, :, 0]
        codes = np.where(codes == MISSING, values + np.arange(width), codes).astype(kind)
        order = np.argsort(codes, axis=1, kind="stable")
        ordered = np.take_along_axis(codes, order, axis=1)
        full = np.zeros(codes.shape, bool)
        full[:, constraint.most :] = ordered[:, constraint.most :] == ordered[:, : width - constraint.most]
        closed = np.zeros(codes.shape, bool)
        np.put_along_axis(closed, order, full, axis=1)
        taken = ~closed & (pool.rows != MISSING)
        place = np.cumsum(taken, axis=1) - 1
        user, column = np.nonzero(taken & (place < self.k))
        picked, reasons = np.full((len(pool), self.k), MISSING), np.zeros((len(pool), self.k), np.int32)
        picked[user, place[user, column]] = column
        before = np.cumsum(closed, axis=1)[user, column] > 0
        reasons[user, place[user, column]] = np.where(before & (column >= self.k), bit(constraint.name), 0)
        return Selection(picked, reasons, np.zeros((len(pool), 0), np.int64), np.zeros(len(pool), bool))


class _State:
    """Lists that are being filled, of the users of one pool."""

    def __init__(self, rules: Greedy, pool: Pool) -> None:
        self.rules, self.pool = rules, pool
        self.users = np.arange(len(pool))
        self.open = pool.rows != MISSING
        self.closed_by = np.zeros(pool.rows.shape, np.int32)
        self.filling: list[tuple[int, Filling]] = [(bit(c.name), c.start(pool, rules.k)) for c in rules.constraints]
        self.terms = [(term, term.start(pool, rules.k)) for term in rules.terms]
        self.deficits: Deficits | None = None if rules.quotas is None else rules.quotas.start(pool)
        rest = 1 - sum(term.weight for term in rules.terms)
        main = self.open[:, : pool.main]
        self.base = np.zeros(main.shape, np.float32)
        if self.terms and rest:  # 0 times the -inf of an empty place is no number
            self.base = pool.relevance(rules.k) * np.float32(rest)
        self.base[~main] = -np.inf
        self.value = np.empty_like(self.base) if self.terms else self.base
        # places for which every user has a candidate left, whatever is taken
        self.certain = 0 if self.filling else int(main.sum(1).min(initial=main.shape[1]))
        self.picked = np.full((len(pool), rules.k), MISSING)
        self.reasons = np.zeros((len(pool), rules.k), np.int32)
        self.undrawn = np.zeros(len(pool), bool)

    def fill(self, place: int, left: NDArray[np.integer], explored: NDArray[np.bool_] | None) -> bool:
        """Fills one place of every list that can be; whether any was.

        Args:
            place: of the list.
            left: places from this on that exploration does not take, of all users or of each.
            explored: bool [B], the users whose place is given to a draw.
        """
        column, reason = self._best(place)
        if self.deficits is not None:
            self._forced(self.deficits.due(left), column, reason)
            if explored is not None:
                explored = explored.copy()
                explored[self.deficits.due(self.rules.k - place)] = False
        if explored is not None and explored.any():
            self._explored(np.flatnonzero(explored), column, reason)
        users = self.users if place < self.certain else np.flatnonzero(column != MISSING)
        self.picked[:, place] = column
        if len(users):
            self.reasons[users, place] = reason[users]
            self._take(users, column)
        return len(users) > 0

    def close_gaps(self) -> None:
        """Moves draws up behind the end of the ranking: places between may have found no candidate."""
        empty = self.picked == MISSING
        if (empty[:, :-1] & ~empty[:, 1:]).any():
            order = np.argsort(empty, axis=1, kind="stable")
            self.picked, self.reasons = (
                np.take_along_axis(each, order, axis=1) for each in (self.picked, self.reasons)
            )

    def lacking(self) -> NDArray[np.int64]:
        """Int64 [B, Q]: what each quota lacks; 0 where open candidates that count are left."""
        if self.deficits is None:
            return np.zeros((len(self.pool), 0), np.int64)
        end = self.pool.main + self.pool.extra
        left = (self.deficits.matches[:, :, :end] & self.open[:, :end]).any(2).T
        return np.where(left, 0, self.deficits.lacking)

    def _best(self, place: int) -> tuple[Rows, NDArray[np.int32]]:
        """The open candidate of the ranking with the highest value, MISSING without any, and the reasons."""
        value, parts = self.base, [state.values() for _, state in self.terms]
        for part in parts:
            value = np.add(value, part, out=self.value)
        column = value.argmax(1)
        reason = self._reasons(column, parts) if self.rules.reasons else np.zeros(len(value), np.int32)
        if place >= self.certain:
            column[np.isneginf(value[self.users, column])] = MISSING
        return column, reason

    def _reasons(self, column: Rows, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.int32]:
        """int32 [B]: why ``column`` is the best candidate of each user, by the values of the terms."""
        users, reason = self.users, np.zeros(len(column), np.int32)
        first = self.open[:, : self.pool.main].argmax(1)
        for (term, _), part in zip(self.terms, parts, strict=True):
            moved = (column != first) & (part[users, column] > part[users, first])
            reason[moved] |= bit(term.name)
        outside = column >= self.rules.k
        if self.filling and outside.any():
            rows = np.flatnonzero(outside)
            before = np.arange(self.pool.main)[None] < column[rows, None]
            reason[rows] |= np.bitwise_or.reduce(self.closed_by[rows, : self.pool.main] * before, axis=1)
        return reason

    def _forced(self, users: Rows, column: Rows, reason: NDArray[np.int32]) -> None:
        """Replaces the choice of ``users`` by the best open candidate that lessens what their lists lack."""
        assert self.deficits is not None
        if not len(users):
            return
        end = self.pool.main + self.pool.extra
        needed = (self.deficits.needed(users) & self.open[users])[:, :end]
        value = np.full(needed.shape, -np.inf, np.float32)
        value[:, : self.pool.main] = self.value[users]
        extra = np.arange(self.pool.extra, dtype=np.float32)
        value[:, self.pool.main :] = -1e30 * (1 + extra / (1 + len(extra)))  # below the ranking, in their own order
        value[~needed] = -np.inf
        best, found = value.argmax(1), needed.any(1)
        already = best == column[users]
        column[users[found]] = best[found]
        changed = users[found & ~already]
        reason[changed] = bit("at_least")

    def _explored(self, users: Rows, column: Rows, reason: NDArray[np.int32]) -> None:
        """Replaces the choice of ``users`` by their first open draw."""
        assert self.pool.drawn is not None, "places are given to draws"
        drawn = self.pool.drawn[users]
        left = (drawn != MISSING) & self.open[users[:, None], drawn]
        found, rows = left.any(1), np.arange(len(users))
        chosen = drawn[rows, left.argmax(1)]
        column[users[found]] = chosen[found]
        reason[users[found]] = bit("exploration")
        self.undrawn[users[~found | (chosen < self.rules.k)]] = True

    def _take(self, users: Rows, column: Rows) -> None:
        picked = column[users]
        self._close(users, picked)
        for name, state in self.filling:
            rows, columns = state.closed_by(users, picked)
            if not len(rows):
                continue
            still = self.open[rows, columns]
            rows, columns = rows[still], columns[still]
            self._close(rows, columns)
            self.closed_by[rows, columns] = name
        if self.deficits is not None:
            self.deficits.took(users, picked)
        if self.terms:
            beyond = self.pool.rows.shape[1] > self.pool.main
            of_ranking = np.where(column < self.pool.main, column, MISSING) if beyond else column
            for _, term in self.terms:
                term.took(of_ranking)

    def _close(self, users: Rows, columns: Rows) -> None:
        self.open[users, columns] = False
        if self.pool.rows.shape[1] > self.pool.main:
            main = columns < self.pool.main
            users, columns = users[main], columns[main]
        self.base[users, columns] = -np.inf
