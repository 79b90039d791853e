"""Reasons of the items of lists: the rules without which an item would not have its place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.retrieval.index import BuildIndex
from recsys.retrieval.rules.block import Block
from recsys.retrieval.rules.pairs.own_candidates import best_pairs
from recsys.retrieval.rules.pairs.paired import gathered_scores
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.reasons import bit
from recsys.retrieval.top_up import Lists


class Explained:
    """Finds the rules that let an item into a list.

    A rule that leaves items out is a reason of an item that would lie beyond the last place, had the rule not left out
    better ones. A boost is one of the items that it lifts or lowers, own candidates of all items of the user, and the
    fallback of its items. The rules that choose among candidates tell themselves.

    Args:
        plan: the rules.
        vectors: [I] of the items.
        build: makes an index.
    """

    def __init__(self, plan: RulePlan, vectors: Vectors, build: BuildIndex) -> None:
        self._plan, self._vectors = plan, vectors
        self._removed = {name: build(vectors, rows) for name, rows in plan.eligible.removed.items()}

    def explained(self, block: Block, lists: Lists, positions: Rows, by_rule: Mapping[str, Histories]) -> Lists:
        """``lists`` with their reasons.

        Args:
            block: [U] users.
            lists: [U, k].
            positions: [U, k], the place of each item in the ranking without the rules that choose; MISSING where it has
                none.
            by_rule: [U] the items that rules of pairs left out.
        """
        assert lists.reasons is not None, "the reasons of the selection are there"
        reasons, k = lists.reasons.copy(), lists.rows.shape[1]
        ranked = (positions != MISSING) & (lists.rows != MISSING) & ~lists.fallback
        better = {name: self._best_removed(block, name, k) for name in self._removed} | {
            name: self._best_of(block, items, self._plan.mask, k) for name, items in by_rule.items()
        }
        for name, scores in better.items():
            above = _above(scores, lists.scores)
            reasons[ranked & (above > 0) & (positions + above >= k)] |= bit(name)
        if self._plan.boosts is not None:
            reasons[ranked & self._plan.boosts.boosted[lists.rows]] |= bit("boosts")
        own = np.zeros(len(reasons), bool)
        own[block.named] = True
        reasons[own[:, None] & (lists.rows != MISSING)] |= bit("candidates")
        reasons[lists.fallback] |= bit("fallback")
        return lists._replace(reasons=reasons)

    def _best_removed(self, block: Block, name: str, k: int) -> NDArray[np.float32]:
        """float32 [U, k]: the highest scores of items that a rule of the catalogue left out, or of own candidates."""
        scores = self._removed[name].top_k(block.users, k)[1]
        if block.own is not None and len(block.named):
            part, removed = block.take(block.named), np.zeros(len(self._vectors), bool)
            assert part.own is not None, "a part has the lists of the block"
            removed[self._plan.eligible.removed[name]] = True
            scores[block.named] = self._best_of(part, part.own, removed, k)
        return scores

    def _best_of(self, block: Block, items: Histories, among: NDArray[np.bool_], k: int) -> NDArray[np.float32]:
        """float32 [U, k]: the highest scores of the items ``among`` [I] of ``items``, once each; -inf after them."""
        pairs = np.unique(np.stack([items.users(), items.items.astype(np.int64)], axis=1), axis=0)
        pairs = pairs[pairs[:, 1] >= 0]
        owner, item = pairs[among[pairs[:, 1]]].T
        scores = gathered_scores(block.users, self._vectors, owner, item)
        scores = scores if self._plan.boosts is None else self._plan.boosts.apply(scores, item)
        known = ~np.isnan(scores)
        return best_pairs(owner[known], item[known], scores[known], (len(block), k))[1]


def _above(better: NDArray[np.float32], scores: NDArray[np.float32]) -> Rows:
    """int64 [U, k]: how many of ``better`` [U, n], highest first, lie above each of ``scores`` [U, k]."""
    found = np.empty(scores.shape, np.int64)
    for row, (highest, each) in enumerate(zip(-better, -scores, strict=True)):
        found[row] = np.searchsorted(highest, each)
    return found
