"""Topping up: lists of an engine that are shorter than asked are filled from the fallback."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.ranking import Ranked, Ranker
from recsys.retrieval.anonymous import with_anonymous
from recsys.retrieval.fallback import Fallback

_TOLERANCE = 1e-5


class Lists(NamedTuple):
    """Top-k lists, as `recsys.ranking.Ranked`, and the items that are of the fallback.

    Args:
        rows: int64 [U, K], item rows, best first; padded with MISSING.
        scores: float32 [U, K], never rising; padded with -inf.
        fallback: bool [U, K], whether the item is of the fallback. Such items follow those of the engine.
        reasons: int32 [U, K], the rules that gave each item its place (`recsys.retrieval.rules.reasons`); None where
            they were not asked for. With rules that order items, ``rows`` has their order and scores may rise.
    """

    rows: Rows
    scores: NDArray[np.float32]
    fallback: NDArray[np.bool_]
    reasons: NDArray[np.int32] | None = None


@runtime_checkable
class HasFallback(Protocol):
    """A model with its own fallback, such as a bundle."""

    @property
    def fallback(self) -> Fallback | None: ...


class TopUp:
    """Fills short lists with the items that the fallback ranks best among those that are eligible and not yet listed.

    Args:
        fallback: returns the fallback; called when the first short list is met.
        items: [I] the catalogue.
        candidates: rows of ``items`` that may be returned; None is all of them.
    """

    def __init__(self, fallback: Callable[[], Fallback], items: EntityTable, candidates: Rows | None) -> None:
        self._make, self._items, self._candidates = fallback, items, candidates

    @cached_property
    def fallback(self) -> Fallback:
        """The fallback, made when it is first asked for."""
        return self._make()

    @cached_property
    def _vectors(self) -> Vectors:
        return self.fallback.item_vectors(self._items)

    @cached_property
    def _ranker(self) -> Ranker:
        return Ranker(self._vectors, self._candidates)

    def within(self, rows: Rows | None) -> TopUp:
        """The same with the items at ``rows`` alone."""
        return _Within(self, rows)

    def fill(self, request: Request, ranked: Ranked, seen: Histories | None) -> Lists:
        """The lists with k items each, or as many as are eligible.

        A list of the fallback alone has its scores, the probabilities of a choice. Below items of an engine the scores
        go on from the last one s as s - 1 + p, because a list is ordered by score.

        Args:
            request: [U] users.
            ranked: their lists; item rows and scores [U, K], changed in place.
            seen: [U] items that are left out; None leaves out none.
        """
        rows, scores = ranked
        added = np.zeros(rows.shape, bool)
        short = self.short(rows)
        if len(short):
            filled, below = merged_lists(
                (rows[short], scores[short]), self._ranked(request.take(short), rows[short], seen, short)
            )
            rows[short], scores[short] = filled
            added[short] = below
        return Lists(rows, scores, added)

    def short(self, rows: Rows) -> Rows:
        """The users whose lists, item rows [U, K], have fewer than K items and fewer than there are candidates."""
        eligible = rows.shape[1] if self._candidates is None else min(rows.shape[1], len(self._candidates))
        return np.flatnonzero((rows != MISSING).sum(1) < eligible)

    def _ranked(self, request: Request, listed: Rows, seen: Histories | None, short: Rows) -> Ranked:
        """The fallback's lists without the items ``listed`` [U, K] and those of ``seen`` at the rows ``short``."""
        users = self.fallback.user_vectors(request)
        return self._ranker.top_k(users, listed.shape[1], _excluded(listed, None if seen is None else seen.take(short)))


class _Within(TopUp):
    """A part of the candidates of ``whole``, whose fallback and vectors are computed once."""

    def __init__(self, whole: TopUp, rows: Rows | None) -> None:
        super().__init__(lambda: whole.fallback, whole._items, rows)
        self._whole = whole

    @cached_property
    def _vectors(self) -> Vectors:
        return self._whole._vectors


def merged_lists(own: Ranked, other: Ranked) -> tuple[Ranked, NDArray[np.bool_]]:
    """The lists of ``own`` followed by those of ``other``, as long as before, and which items are of ``other``."""
    rows, scores = own
    count = (rows != MISSING).sum(1)[:, None]
    column = np.arange(rows.shape[1]) - count
    user = np.arange(len(rows))[:, None]
    found, share = other[0][user, np.maximum(column, 0)], other[1][user, np.maximum(column, 0)]
    added = (column >= 0) & (found != MISSING)
    last = scores[user, np.maximum(count - 1, 0)]
    continued = np.where(count > 0, last - 1 + share, share)
    return (np.where(added, found, rows), np.where(added, continued, scores).astype(np.float32)), added


def _excluded(listed: Rows, seen: Histories | None) -> Histories:
    """[U] the items of each user's list and history."""
    owner, place = np.nonzero(listed != MISSING)
    item = listed[owner, place]
    if seen is not None:
        owner, item = np.concatenate([owner, seen.users()]), np.concatenate([item, seen.items])
    order = np.argsort(owner, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(listed)))]).astype(np.int64)
    n = len(order)
    return Histories(offsets, item[order].astype(np.int32), np.zeros(n, np.int64), np.ones(n, np.float32))


def unknown_users(
    request: Request, users: Vectors, items: Vectors, encode: Callable[[Request], Vectors]
) -> NDArray[np.bool_]:
    """Bool [U]: the users of whom an engine knows nothing, although it gives them a vector.

    Their history has no item with a vector, and their vector is that of an anonymous user without history and features.
    Nobody is unknown to an engine whose vectors have one dimension, such as popularity: it ranks alike for all.

    Args:
        request: [U] users.
        users: [U] their vectors.
        items: [I] the vectors of the catalogue.
        encode: the engine's user vectors.
    """
    unknown: NDArray[np.bool_] = np.ones(len(request), bool) if users.valid is None else users.valid.copy()
    if items.sparse is None and items.dense is not None and items.dense.shape[1] == 1:
        return np.zeros(len(request), bool)
    valid = np.ones(len(items), bool) if items.valid is None else items.valid
    known = np.append(valid, False)[request.histories.items]
    unknown &= np.bincount(request.histories.users()[known], minlength=len(request)) == 0
    suspects = np.flatnonzero(unknown)
    if not len(suspects):
        return unknown
    at = None if request.at is None else request.at[:1]
    table = with_anonymous(request.users, np.array([MISSING]))
    blank = encode(Request(table, request.items, Histories.of([[]]), at))
    if blank.valid is not None and not blank.valid[0]:
        return np.zeros(len(request), bool)
    unknown[suspects] = _alike(users.take(suspects), blank)
    return unknown


def _alike(vectors: Vectors, other: Vectors) -> NDArray[np.bool_]:
    """Bool [n]: whether each vector is that of ``other`` [1], but for rounding."""
    alike: NDArray[np.bool_] = np.ones(len(vectors), bool)
    for part, its in ((vectors.dense, other.dense), (vectors.sparse, other.sparse)):
        if part is not None and its is not None:
            blank = sp.csr_array(its)
            difference = sp.csr_array(part) - sp.csr_array(np.ones((len(vectors), 1), np.float32)) @ blank
            alike &= abs(difference).max(axis=1).toarray().ravel() <= _TOLERANCE * float(abs(blank).max())
    return alike
