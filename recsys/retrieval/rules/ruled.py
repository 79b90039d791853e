"""Top-k lists under all rules of a plan, for blocks of users at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import fields
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, VectorModel
from recsys.ranking import device_of
from recsys.retrieval.approximate.choice import index_builder
from recsys.retrieval.approximate.search import Approximate
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.retriever import EncodedUsers, Retriever
from recsys.retrieval.rules.block import Block, Given, beside, empty_lists, put
from recsys.retrieval.rules.block import positions as placed
from recsys.retrieval.rules.boosts import BoostedSearch
from recsys.retrieval.rules.candidates import Candidates
from recsys.retrieval.rules.explain import Explained
from recsys.retrieval.rules.pairs.own_candidates import of_own
from recsys.retrieval.rules.pairs.paired import gathered_scores
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ranking.calibration import CalibrationRule, history_shares
from recsys.retrieval.rules.ranking.diversity import DiversityRule
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.rules.ranking.selection import CHUNK, Greedy, Selection
from recsys.retrieval.rules.reasons import bit
from recsys.retrieval.top_up import Lists

_CELLS = 2**22
"""Candidates of all users of a block at the most, where a few users need very many."""
_PAIRS = 2**24
"""Pairs of candidates that are compared at a time, so that memory stays low where users need very many candidates."""


class RuledRetriever:
    """An engine with an index, which returns the top-k items of each user under the rules of a plan.

    Without rules the lists are those of `recsys.retrieval.retriever.Retriever`. With rules that choose among candidates
    a list is chosen from the best ones, and from twice as many again for users whose list is not full, until it is or
    all eligible items were candidates: no list is shorter than ``k`` while an eligible item is left that no rule
    forbids. The list of a user does not depend on the other users of a request.

    Args:
        retriever: of the items that ``plan`` lets through, with their scores after its boosts.
        plan: the rules.

    Attributes:
        eligible: rows of the items that ``plan`` lets through.
    """

    def __init__(self, retriever: Retriever, plan: RulePlan) -> None:
        self.retriever, self._items, self.item_vectors = retriever, plan.data.items, retriever.item_vectors
        self._follow(plan)
        self._diversity = self._diversity_rule()
        self._parts: dict[bytes, RuledRetriever] = {}
        self._held = 0

    @classmethod
    def of(
        cls,
        engine: VectorModel,
        plan: RulePlan,
        index: str = "exact",
        at: int | None = None,
        fallback: Callable[[], Fallback] | None = None,
        multiple: int = 1,
        beside: Path | None = None,
    ) -> RuledRetriever:
        """The retriever of an engine.

        Args:
            engine: a fitted engine.
            plan: the rules.
            index: a name in `recsys.retrieval.INDEXES`.
            at: the time for which item vectors are computed; None is now.
            fallback: see `recsys.retrieval.retriever.Retriever`.
            multiple: see `recsys.ranking.Ranker`, of exact search.
            beside: the folder of the bundle, beside which an approximate index is kept; None keeps it in memory.

        Raises:
            ConfigError: vectors are compared that an engine has not.
            ArtifactError: the vector of an item holds NaN or an infinite value.
        """
        build = index_builder(index, engine, plan.data, beside, multiple)
        if plan.boosts is not None:
            build = plan.boosts.index(build, index == "exact", multiple, device_of(engine))
        return cls(Retriever(engine, plan.data.items, build, plan.eligible.rows, at, fallback), plan)

    @classmethod
    def over(cls, retriever: Retriever, plan: RulePlan) -> RuledRetriever:
        """By the vectors and the kind of index of ``retriever``, which may have other candidates."""
        build, exact = None, not isinstance(retriever.index, Approximate)
        if plan.boosts is not None:
            build = plan.boosts.index(retriever.build, exact, device=retriever.device)
        return cls(retriever.narrowed(plan.eligible.rows, build), plan)

    def at(self, moment: float) -> RuledRetriever:
        """The same rules at another moment, see `RulePlan.at`; what does not depend on time is shared."""
        made, plan = copy(self), self._plan.at(moment)
        made.retriever, made._parts, made._held = self.retriever.narrowed(plan.eligible.rows), {}, 0
        made._follow(plan)
        return made

    def _follow(self, plan: RulePlan) -> None:
        """Takes up the items, quotas, own candidates and reasons of ``plan``."""
        self._plan = plan
        self._candidates = Candidates(self.retriever, plan)
        self.eligible = self._candidates.eligible
        self._explained = Explained(plan, self.item_vectors, self.retriever.build) if plan.rules.reasons else None

    @property
    def told(self) -> tuple[str, ...]:
        """How widely an approximate index searches."""
        index = self.retriever.index
        index = index.plain if isinstance(index, BoostedSearch) else index
        return (index.told,) if isinstance(index, Approximate) and index.told else ()

    def encode(self, request: Request) -> EncodedUsers:
        """See `recsys.retrieval.retriever.Retriever.encode`."""
        return self.retriever.encode(request)

    def top_k(self, request: Request, k: int, filter_seen: bool = True, encoded: EncodedUsers | None = None) -> Lists:
        """The lists of the users of ``request``.

        Args:
            request: [U] users and their histories.
            k: length of a list; cut at the size of the catalogue.
            filter_seen: whether items of a user's history are left out.
            encoded: [U] what `encode` returned for the users, where it is known already.

        Returns:
            Item rows [U, k] in the order of the list, scores, marks of the fallback, and reasons if the plan asks.
            With rules that order items the scores, those of the engine after boosts, may rise along a list.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        return self.rank(encoded or self.encode(request), k, Given.of(request, filter_seen))

    def rank(self, users: EncodedUsers, k: int, given: Given) -> Lists:
        """See `top_k`, of users [U] whose vectors are known."""
        k = min(k, len(self._items))
        if self._plan.by_user is not None:
            lists = empty_lists((len(given), k))
            for rows, part in self.parts(given.request()):
                lists = put(lists, rows, part.rank(users.take(rows), k, given.take(rows)))
            return lists if self._plan.rules.reasons else lists._replace(reasons=None)
        by_rule, (named, own) = self._plan.excluded(given), self._plan.own(given)
        if own is not None and len(named):
            by_rule = {name: of_own(items, named, own, len(self._items)) for name, items in by_rule.items()}
        excluded = reduce(Histories.joined, by_rule.values()) if by_rule else None
        block = Block(given, users.vectors, excluded, users.unknown, named, own)
        if not self._plan.rules.reranks:
            lists = self._candidates.ranking(block, k)
            positions = np.broadcast_to(np.arange(lists.rows.shape[1]), lists.rows.shape)
            found = lists._replace(reasons=np.zeros(lists.rows.shape, np.int32))
        else:
            found, positions = self._chosen(block, k)
        if self._explained is None:
            return found._replace(reasons=None)
        return self._explained.explained(block, found, positions, by_rule)

    def parts(self, request: Request) -> Iterator[tuple[Rows, RuledRetriever]]:
        """The users of ``request`` who may get the same items, if any, and what ranks these."""
        if self._plan.by_user is None:
            yield np.arange(len(request)), self
            return
        for rows, met in self._plan.by_user.groups(request.users):
            if (met & self._plan.mask).any():
                yield rows, self._part(met)

    def _part(self, met: NDArray[np.bool_]) -> RuledRetriever:
        """What ranks the items ``met`` [I]; of the last ones, vectors are kept up to twice the catalogue."""
        key = met.tobytes()
        if key not in self._parts:
            made, plan = copy(self), self._plan.narrowed(met)
            made.retriever = self.retriever.narrowed(np.flatnonzero(plan.mask))
            made._follow(plan)
            self._parts[key] = made
            self._held += len(made.eligible)
            while len(self._parts) > 1 and self._held > 2 * len(met):
                self._held -= len(self._parts.pop(next(iter(self._parts))).eligible)
        self._parts[key] = found = self._parts.pop(key)
        return found

    def _chosen(self, block: Block, k: int) -> tuple[Lists, Rows]:
        """The lists of a block, and where each item stands in the ranking without rules; MISSING where it does not."""
        shape = (len(block), k)
        found = empty_lists(shape)
        positions = np.full(shape, MISSING)
        waiting, depth, scale = np.arange(shape[0]), min(self._plan.depth(k), len(self.eligible)), 1
        while len(waiting):
            unfinished = []
            size = max(1, _CELLS // max(depth, 1))
            for start in range(0, len(waiting), size):
                rows = waiting[start : start + size]
                part = block if len(rows) == shape[0] else block.take(rows)
                lists, places, short = self._selected(part, k, depth, scale)
                found = put(found, rows, lists)
                positions[rows] = places
                unfinished.append(rows[short])
            waiting = np.concatenate(unfinished)
            depth, scale = min(2 * depth, max(len(self.eligible), 1)), 2 * scale
        return found, positions

    def _selected(
        self, block: Block, k: int, depth: int, scale: int, number: int = 0
    ) -> tuple[Lists, Rows, NDArray[np.bool_]]:
        """The lists of a block chosen from ``depth`` candidates, positions, and whether more candidates may help.

        Users for whom ``number`` draws of exploration, 0 is as many as usual, are not enough get more.
        """
        lists = self._candidates.ranking(block, depth)
        extras = [self._candidates.of_quota(block, n, need * scale) for n, need in enumerate(self._least)]
        drawn = self._candidates.drawn(block, k, number)
        extra = beside([part for part in extras if part is not None])
        pool = Pool.of(lists, extra, None if drawn is None else drawn.items, k)
        chosen = self._greedy(block, pool, k, None if drawn is None else drawn.places)
        short = ((chosen.picked != MISSING).sum(1) < k) & (lists.rows[:, -1] != MISSING) & (depth < len(self.eligible))
        for place, part in enumerate(extras):
            more = lists if part is None else part
            whole = len(self.eligible if part is None else self._candidates.quotas[place].rows)
            short |= (chosen.lacking[:, place] > 0) & (more.rows[:, -1] != MISSING) & (more.rows.shape[1] < whole)
        positions = np.where(chosen.reasons & bit("exploration"), MISSING, placed(pool, chosen.picked))
        found = self._picked(block, pool, chosen.picked, chosen.reasons)
        if drawn is None:
            return found, positions, short
        waiting, number = np.flatnonzero(chosen.undrawn & ~drawn.complete), 4 * drawn.number
        size = max(1, _CELLS // (depth + number))
        for start in range(0, len(waiting), size):
            rows = waiting[start : start + size]
            again, positions[rows], short[rows] = self._selected(block.take(rows), k, depth, scale, number)
            found = put(found, rows, again)
        return found, positions, short

    @property
    def _least(self) -> list[int]:
        return [] if self._plan.quotas is None else self._plan.quotas.least.tolist()

    def _greedy(self, block: Block, pool: Pool, k: int, explored: NDArray[np.bool_] | None) -> Selection:
        """See `recsys.retrieval.rules.ranking.selection.Selection`, of all users of the block."""
        shares, found = self._shares(block), []
        diversity = None if self._diversity is None else self._diversity.afresh()
        size = CHUNK if self._diversity is None else max(1, min(CHUNK, _PAIRS // max(pool.main, 1) ** 2))
        for start in range(0, len(pool), size):
            part = slice(start, start + size)
            of_users = None if shares is None else shares.take(part)
            terms = [term for term in (diversity, of_users) if term is not None]
            greedy = Greedy(k, self._plan.constraints, self._plan.quotas, terms, self._explained is not None)
            found.append(greedy.select(pool.take(part), None if explored is None else explored[part]))
        names = [each.name for each in fields(Selection)]
        return Selection(*(np.concatenate([getattr(each, name) for each in found]) for name in names))

    def _picked(self, block: Block, pool: Pool, picked: Rows, reasons: NDArray[np.int32]) -> Lists:
        filled, width = picked != MISSING, pool.rows.shape[1]
        place = np.maximum(picked, 0) + np.arange(len(picked))[:, None] * width
        rows = np.where(filled, pool.rows.take(place), MISSING)
        scores = np.where(filled, pool.scores.take(place), np.float32(-np.inf))
        fallback = filled & pool.fallback.take(place)
        owner, drawn = np.nonzero(picked >= pool.main + pool.extra)
        item = rows[owner, drawn]
        found = gathered_scores(block.users, self.item_vectors, owner, item)
        found = found if self._plan.boosts is None else self._plan.boosts.apply(found, item)
        scores[owner, drawn] = np.nan_to_num(found)  # an item without a vector has no score
        return Lists(rows, scores, fallback, reasons)

    def _shares(self, block: Block) -> CalibrationRule | None:
        rule, values = self._plan.rules.calibration, self._plan.calibration
        if rule is None or values is None:
            return None
        return CalibrationRule(rule.weight, values, history_shares(block.given.histories, values))

    def _diversity_rule(self) -> DiversityRule | None:
        rule, values = self._plan.rules.diversity, self._plan.diversity
        if rule is None:
            return None
        if values is not None:
            return DiversityRule(rule.weight, rule.method, values=values)
        return DiversityRule.of_vectors(rule.weight, rule.method, self.item_vectors)
