"""Candidates of single users: a user who is named gets items of the own list alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.ranking import Ranked, check_finite_scores
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.rules.boosts import Boosts
from recsys.retrieval.rules.pairs.paired import gathered_scores
from recsys.retrieval.top_up import Lists, merged_lists


@dataclass(frozen=True, eq=False)
class OwnCandidates:
    """Ranks for each user the items of the user's own list.

    Args:
        eligible: bool [I], items that may be recommended at all.
        items: [I] the catalogue.
        vectors: [I] of the engine.
        boosts: of the scores; None without any.
    """

    eligible: NDArray[np.bool_]
    items: EntityTable
    vectors: Vectors
    boosts: Boosts | None = None

    def top_k(
        self,
        request: Callable[[], Request],
        users: Vectors,
        k: int,
        own: Histories,
        excluded: Histories | None,
        fallback: Fallback | None,
    ) -> Lists:
        """The ``k`` best of the own candidates of each user, and below them those that the fallback ranks.

        Args:
            request: returns the request of the users, for the fallback.
            users: [U] their vectors; not valid where the fallback ranks for the user alone.
            k: length of a list.
            own: [U] the candidates, each once.
            excluded: [U] items that are left out.
            fallback: ranks candidates without a vector; None leaves them out.
        """
        owner, item = own.users(), own.items.astype(np.int64)
        kept = self.eligible[item]
        if excluded is not None:
            kept &= ~contained(owner, item, excluded, len(self.items))
        owner, item = owner[kept], item[kept]
        scores = gathered_scores(users, self.vectors, owner, item)
        if self.boosts is not None:
            scores = self.boosts.apply(scores, item)
        ranked = np.isfinite(scores) | np.isinf(scores)
        rows, best = best_pairs(owner[ranked], item[ranked], scores[ranked], (len(users), k))
        check_finite_scores(rows, best)
        if fallback is None:
            return Lists(rows, best, np.zeros(rows.shape, bool))
        owner, item = owner[~ranked], item[~ranked]
        if not len(owner):
            return Lists(rows, best, np.zeros(rows.shape, bool))
        theirs = gathered_scores(fallback.user_vectors(request()), fallback.item_vectors(self.items), owner, item)
        (rows, best), added = merged_lists((rows, best), best_pairs(owner, item, theirs, (len(users), k)))
        return Lists(rows, best, added)


def best_pairs(owner: Rows, item: Rows, scores: NDArray[np.float32], shape: tuple[int, int]) -> Ranked:
    """The best items of each user among pairs, ties by the lower item row.

    Args:
        owner: [n] users.
        item: [n] item rows.
        scores: [n].
        shape: number of users, and length of a list.
    """
    order = np.lexsort((item, -scores, owner))
    owner, item, scores = owner[order], item[order], scores[order]
    first = np.searchsorted(owner, np.arange(shape[0]))
    place = np.arange(len(owner)) - first[owner]
    kept = place < shape[1]
    rows, best = np.full(shape, MISSING), np.full(shape, -np.inf, np.float32)
    rows[owner[kept], place[kept]], best[owner[kept], place[kept]] = item[kept], scores[kept]
    return rows, best


def contained(owner: Rows, item: Rows, lists: Histories, n_items: int) -> NDArray[np.bool_]:
    """Bool [n]: whether the list of the user ``owner[i]`` holds the item ``item[i]``."""
    known = lists.items >= 0
    pairs = np.sort(lists.users()[known] * n_items + lists.items[known])
    wanted = owner * n_items + item
    if not len(pairs):
        return np.zeros(len(wanted), bool)
    found: NDArray[np.bool_] = pairs[np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)] == wanted
    return found


def of_own(items: Histories, named: Rows, own: Histories, n_items: int) -> Histories:
    """``items`` [U] that are left out, of users who are ``named`` those of their own list alone."""
    owner = items.users()
    return items.where(~np.isin(owner, named) | contained(owner, items.items.astype(np.int64), own, n_items))
