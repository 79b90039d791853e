"""Candidates of a block of users, from which the rules choose: the ranking, the items of quotas, random draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.retrieval.retriever import Retriever
from recsys.retrieval.rules.block import Block, empty_lists, put
from recsys.retrieval.rules.pairs.own_candidates import OwnCandidates
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ranking.drawn import Drawn
from recsys.retrieval.rules.ranking.exploration import first_number
from recsys.retrieval.top_up import Lists


class Candidates:
    """The candidates of each user among the items that a plan lets through.

    Args:
        retriever: of these items, with their scores after the boosts of the plan.
        plan: the rules.

    Attributes:
        eligible: rows of the items.
        quotas: those that count for each quota.
    """

    def __init__(self, retriever: Retriever, plan: RulePlan) -> None:
        self.retriever, self._plan, self._items = retriever, plan, plan.data.items
        self.eligible = np.flatnonzero(plan.mask)
        self.quotas = [
            retriever.within(np.flatnonzero(met & plan.mask))
            for met in ([] if plan.quotas is None else plan.quotas.matches)
        ]
        self._own = OwnCandidates(plan.mask, self._items, retriever.item_vectors, plan.boosts)

    def ranking(self, block: Block, depth: int) -> Lists:
        """[U, depth]: the ranking of the eligible items, and of the own candidates for users who have some."""
        if len(block.named) == len(block):
            lists = empty_lists((len(block), min(depth, len(self._items))))._replace(reasons=None)
        else:
            lists = block.filled(self.retriever.index.top_k(block.users, depth, block.excluded), self.retriever.top_up)
        return self._with_own(block, lists, None)

    def _with_own(self, block: Block, lists: Lists, met: NDArray[np.bool_] | None) -> Lists:
        """``lists`` with the best of their own candidates, of those that are ``met`` [I], for users who have some."""
        if block.own is None or not len(block.named):
            return lists
        part = block.take(block.named)
        assert part.own is not None, "a part has the lists of the block"
        own = part.own if met is None else part.own.where(met[part.own.items])
        known = ~part.unknown if part.users.valid is None else part.users.valid & ~part.unknown
        top_up, users = self.retriever.top_up, replace(part.users, valid=known)
        fallback = None if top_up is None else top_up.fallback
        found = self._own.top_k(part.given.request, users, lists.rows.shape[1], own, part.excluded, fallback)
        return put(lists, block.named, found)

    def of_quota(self, block: Block, place: int, depth: int) -> Lists | None:
        """The best items of a quota, of users with candidates of their own among these; None where no item meets it."""
        subset = self.quotas[place]
        if not len(subset.rows):
            return None
        depth = min(depth, len(subset.rows))
        found = block.filled(subset.ranking.top_k(block.users, depth, block.excluded), subset.top_up)
        if not len(block.named):
            return found
        met = np.zeros(len(self._items), bool)
        met[subset.rows] = True
        return self._with_own(block, found, met)

    def drawn(self, block: Block, k: int, number: int) -> Drawn | None:
        """What exploration draws for lists of ``k``, ``number`` items or as many as usual; None without exploration."""
        rule = self._plan.rules.exploration
        if rule is None or not len(self.eligible):
            return None
        return Drawn.of(rule, block, (number or first_number(rule, k), k), self.eligible, self._plan.mask)
