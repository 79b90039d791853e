"""Boosts: scores of items that meet a condition are multiplied or raised before items are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows, places
from recsys.engine import Vectors
from recsys.errors import ConfigError
from recsys.ranking import Ranked, Ranker, best_columns, merged
from recsys.retrieval.index import BuildIndex
from recsys.retrieval.rules.conditions import ItemCondition, matching

_LARGEST = 1e20
"""Products of scores and factors below it are finite in single precision."""
_FEW = 0.25
"""Items with a boost for each without one, up to which they are ranked apart."""
_USERS, _ENTRIES = 256, 2**16
"""Users whose boosted items are ranked, and scores that are boosted, at a time, so that they stay in the cache."""


class Boost(Config):
    """Another score for the items that meet a condition.

    Args:
        where: the condition, such as ``margin > 0.3``.
        factor: a score above zero is multiplied by it and one below zero divided, so that a factor above 1 lifts.
        addend: is added afterwards, in the unit of the engine's scores.
    """

    where: ItemCondition
    factor: float = Field(default=1.0, gt=0)
    addend: float = 0.0


@dataclass(frozen=True, eq=False)
class Boosts:
    """What the boosts make of the score of each item.

    Args:
        factors: float32 [I], the product of the factors of the boosts that hold for the item.
        addends: float32 [I], their sum.
    """

    factors: NDArray[np.float32]
    addends: NDArray[np.float32]

    @classmethod
    def of(cls, items: EntityTable, boosts: Sequence[Boost]) -> Boosts:
        """The boosts of ``items`` [I].

        Raises:
            ConfigError: factors multiply, or addends sum, to what single precision cannot hold.
            DataError: a condition is wrong.
        """
        factors, addends = np.ones(len(items)), np.zeros(len(items))
        for boost in boosts:
            met = matching(items, boost.where)
            factors[met] *= boost.factor
            addends[met] += boost.addend
        beyond = ~((factors > 1 / _LARGEST) & (factors < _LARGEST) & (np.abs(addends) < _LARGEST))
        if beyond.any():
            row = int(np.flatnonzero(beyond)[0])
            raise ConfigError(
                f"recommend.rules.boosts: together they give the item {items.vocabulary.ids[row]} the factor "
                f"{factors[row]:.3g} and the addend {addends[row]:.3g}, too large or too small to rank by; give boosts "
                "of an ordinary size"
            )
        return cls(factors.astype(np.float32), addends.astype(np.float32))

    @property
    def boosted(self) -> NDArray[np.bool_]:
        """Bool [I]: the items whose scores change."""
        found: NDArray[np.bool_] = (self.factors != 1) | (self.addends != 0)
        return found

    def apply(self, scores: NDArray[np.float32], items: Rows) -> NDArray[np.float32]:
        """The scores [n] of ``items`` [n] after the boosts."""
        factor = self.factors[items]
        found: NDArray[np.float32] = np.where(scores > 0, scores * factor, scores / factor) + self.addends[items]
        return found

    def index(
        self, build: BuildIndex, exact: bool, multiple: int = 1, device: torch.device | None = None
    ) -> BuildIndex:
        """Makes indexes by boosted scores: those that rank all items, or `BoostedSearch` over what ``build`` makes."""
        if exact:
            return partial(self.ranker, multiple=multiple, device=device)
        return partial(BoostedSearch, boosts=self, build=build)

    def ranker(
        self,
        items: Vectors,
        candidates: NDArray[np.integer] | None = None,
        multiple: int = 1,
        device: torch.device | None = None,
    ) -> BoostedRanker:
        """An index of ``items`` by boosted scores; ``multiple`` and ``device`` are of `recsys.ranking.Ranker`."""
        return BoostedRanker(items, candidates, self, multiple, device)


class BoostedRanker(Ranker):
    """Exact ranking by boosted scores.

    Args:
        items: [I] vectors.
        candidates: rows that may be returned; None is all.
        boosts: of the items.
        multiple: see `recsys.ranking.Ranker`.
        device: see `recsys.ranking.Ranker`.
    """

    def __init__(
        self,
        items: Vectors,
        candidates: NDArray[np.integer] | None,
        boosts: Boosts,
        multiple: int = 1,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(items, candidates, multiple=multiple, last=boosts.boosted, device=device)
        rows = np.arange(len(items)) if self._rows is None else self._rows
        self._boosted = rows[boosts.boosted[rows]]
        self._items, self._boosts = items, boosts
        self._factor = torch.from_numpy(boosts.factors[self._boosted]).to(self.device)
        self._addend = torch.from_numpy(boosts.addends[self._boosted]).to(self.device)

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """The ``k`` items with the highest boosted scores for each of ``users`` [U]; see `recsys.ranking.Ranker`.

        Where few items have a boost and the others are ranked sooner by themselves, the lists of both are merged.
        """
        if not self._apart(min(k, self.n_items)):
            return super().top_k(users, k, exclude)
        plain, boosted = self._parts
        return boosted.joined(plain.top_k(users, k, exclude), users, exclude)

    def joined(self, lists: Ranked, users: Vectors, exclude: Histories | None = None) -> Ranked:
        """The ``lists`` of ``users`` [U] of other items with the candidates that belong into them."""
        rows, scores = lists
        step = min(self.block, _USERS)
        for start in range(0, len(users) if self._width else 0, step):
            some = slice(start, start + step)
            seen = None if exclude is None else exclude.take(some)
            lifted = self.not_below(users.take(some), scores[some, -1], rows.shape[1], seen)
            rows[some], scores[some] = merged((rows[some], scores[some]), lifted)
        return rows, scores

    def not_below(self, users: Vectors, least: NDArray[np.float32], k: int, exclude: Histories | None = None) -> Ranked:
        """The candidates with boosted scores of at least ``least`` [B] for each user of one block, in no order.

        Of more than ``k`` the best ``k`` are taken. See `recsys.ranking.Ranker.ranked`.
        """
        table = self.scores(users)
        self._mask(table, users, exclude)
        found = ~(table.numpy() < least[:, None])  # with what is no number, which is refused below
        counts = found.sum(1)
        width = min(int(counts.max(initial=0)), k, self._width)
        listed, scores = np.zeros((len(users), width), np.int64), np.full((len(users), width), -np.inf, np.float32)
        many = np.flatnonzero(counts > width)
        found[many] = False
        owners, columns = np.divmod(np.flatnonzero(found), self._width)
        place = places(found.sum(1))
        listed[owners, place], scores[owners, place] = columns, table.numpy()[owners, columns]
        if len(many):
            listed[many], scores[many] = best_columns(table[torch.from_numpy(many)], width, self._rows)
        return self._listed(listed, scores)

    def _apart(self, k: int) -> bool:
        plain = self._width - len(self._boosted)
        return 0 < len(self._boosted) <= plain * _FEW and self._alone(plain, k) is not None

    @cached_property
    def _parts(self) -> tuple[Ranker, BoostedRanker]:
        """Of the items without a boost, and of those with one."""
        assert self._rows is not None
        plain = self._rows[: self._width - len(self._boosted)]
        boosted = BoostedRanker(self._items, self._boosted, self._boosts, self._multiple)
        return Ranker(self._items, plain, multiple=self._multiple), boosted

    def scores(self, users: Vectors) -> torch.Tensor:
        """[B, C]: the boosted score of every candidate for a block of users; the next call overwrites it."""
        table = super().scores(users)
        size = len(table) if self.device.type != "cpu" else max(1, _ENTRIES // max(len(self._boosted), 1))
        boosted = table[:, table.shape[1] - len(self._boosted) :]
        for start in range(0, len(boosted), max(size, 1)):
            part = boosted[start : start + size]
            lifted = torch.where(part > 0, part * self._factor, part / self._factor)
            torch.add(lifted, self._addend, out=part)
        return table


class BoostedSearch:
    """An index by boosted scores: any index of the items without a boost, beside a scan of those with one.

    Args:
        items: [I] vectors.
        candidates: rows that may be returned; None is all.
        boosts: of the items.
        build: makes the index of the items without a boost.

    Attributes:
        plain: that index.
    """

    def __init__(self, items: Vectors, candidates: Rows | None, boosts: Boosts, build: BuildIndex) -> None:
        rows = np.arange(len(items)) if candidates is None else np.unique(candidates)
        lifted = boosts.boosted[rows]
        self.plain, self._boosted = build(items, rows[~lifted]), BoostedRanker(items, rows[lifted], boosts)

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """See `recsys.retrieval.index.Index`."""
        return self._boosted.joined(self.plain.top_k(users, k, exclude), users, exclude)
