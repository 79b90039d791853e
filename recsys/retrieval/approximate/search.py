"""Approximate lists: what an index finds, and an exact scan where that costs less or finds more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.errors import ConfigError
from recsys.ranking import Ranked, Ranker, check_finite
from recsys.retrieval.approximate.built import LENGTH, MORE, Built, IndexSetting
from recsys.retrieval.approximate.candidates import Searched
from recsys.retrieval.approximate.kinds import Graph, InvertedLists, Kind, require_faiss
from recsys.retrieval.approximate.store import kept

EXACT_UP_TO = 20_000
"""So many items are scanned in less time than an index is searched."""


class Approximate:
    """Maximum inner product search with an index of Faiss over all items, whatever the candidates.

    Up to 20,000 candidates are ranked exactly. Of more, the index retrieves for each user among the candidates, which
    it is given as a bitmap, the items of a list, 16 more, and as many as are excluded for that very user; these are
    ranked by their exact scores. Vectors with a sparse part are searched by their dense part, the best by the sparse
    part join them, and both are in the score. Where so few candidates are left that the index would be searched as long
    as a scan takes, where a list is short although items are left, and where the index misses the recall, the scan is
    made.

    Args:
        items: [I] vectors with a dense part.
        candidates: item rows that may be returned; None is all of them.
        setting: what the index is built with.
        built: returns an index over all valid ``items``; None loads or builds it.

    Raises:
        ConfigError: Faiss is not installed, or the vectors have no dense part.
        ArtifactError: the vector of an item holds NaN or an infinite value.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        items: Vectors,
        candidates: NDArray[np.integer] | None = None,
        setting: IndexSetting | None = None,
        built: Callable[[], Built] | None = None,
    ) -> None:
        require_faiss()
        if items.dense is None:
            raise ConfigError("approximate search needs vectors with a dense part; use index = 'exact' here")
        valid = np.ones(len(items), bool) if items.valid is None else items.valid
        rows = np.arange(len(items)) if candidates is None else np.unique(candidates)
        self._items, self._rows = items, rows[valid[rows]].astype(np.int64)
        self._built: Built | None = None
        self._share = 1.0
        if len(self._rows) <= EXACT_UP_TO:
            check_finite(items.take(self._rows), self._rows, "item rows")
        else:
            check_finite(items, np.arange(len(items)), "item rows")
            self._built = kept(self.kind, items, setting or IndexSetting()) if built is None else built()
            self._share = len(self._rows) / len(self._built.rows)

    @classmethod
    def sharing(cls, setting: IndexSetting) -> Callable[[Vectors, Rows | None], Approximate]:
        """Makes indexes of the same items for any candidates, which search what is built once."""
        made: list[Built] = []

        def index(items: Vectors, candidates: Rows | None = None) -> Approximate:
            def once() -> Built:
                if not made:
                    made.append(kept(cls.kind, items, setting))
                return made[0]

            return cls(items, candidates, built=once)

        return index

    @property
    def told(self) -> str:
        """How widely it searches and what it finds of the exact lists; empty where it ranks exactly."""
        if self._built is None or (self._scans and not self._built.missed):
            return ""
        return self._built.told(self.kind) + (
            ", too few: lists are made by an exact scan" if self._built.missed else ""
        )

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """See `recsys.retrieval.index.Index`; equal scores are ordered by row among those that the search found.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        k = min(k, len(self._items))
        if self._built is None or self._scans:
            return self._exact.top_k(users, k, exclude)
        check_finite(users, np.arange(len(users)), "user rows")
        rows = np.full((len(users), k), MISSING, np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        left_out = np.zeros(len(users), np.int64) if exclude is None else exclude.lengths
        depths = np.minimum(_rounded(k + MORE + left_out), len(self._rows))
        for depth in np.unique(depths).tolist():
            some = np.flatnonzero(depths == depth)
            part = None if exclude is None else exclude.take(some)
            found = self._searched.best(users.take(some), k, depth, self._breadth(depth), part)
            rows[some], scores[some] = found
        short = (rows != MISSING).sum(1) < min(k, len(self._rows))
        again = np.flatnonzero(short if users.valid is None else short & users.valid)
        if len(again):
            part = None if exclude is None else exclude.take(again)
            rows[again], scores[again] = self._exact.top_k(users.take(again), k, part)
        return rows, scores

    def _breadth(self, depth: int) -> int:
        """As wide for longer lists, and for a share of the items, as finds what the chosen breadth does for 100."""
        assert self._built is not None
        return int(np.ceil(self._built.breadth * max(1, depth / (LENGTH + MORE)) ** 0.5 / self._share))

    @cached_property
    def _searched(self) -> Searched:
        assert self._built is not None
        allowed = np.zeros(len(self._items), bool)
        allowed[self._rows] = True
        whole = len(self._rows) == len(self._built.rows)
        return Searched(self.kind, self._built.index, self._built.rows, self._items, None if whole else allowed)

    @cached_property
    def _scans(self) -> bool:
        """Whether a scan of the candidates costs less than a search for them, or finds what the index does not."""
        assert self._built is not None
        return self._built.missed or (
            self._share < 1 and self.kind.scans(self._built.index, self._breadth(LENGTH), self._share)
        )

    @cached_property
    def _exact(self) -> Ranker:
        return Ranker(self._items, self._rows)


class Faiss(Approximate):
    """`Approximate` with `recsys.retrieval.approximate.kinds.InvertedLists`."""

    kind = InvertedLists()


class HNSW(Approximate):
    """`Approximate` with `recsys.retrieval.approximate.kinds.Graph`."""

    kind = Graph()


def _rounded(depths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The shortest depth plus a power of two, at least each of ``depths``: a batch is searched in a few groups.

    Example:
        >>> _rounded(np.array([10, 11, 13, 30])).tolist()
        [10, 11, 14, 42]
    """
    if not len(depths):
        return depths
    least = depths.min()
    more = depths - least
    rounded: NDArray[np.int64] = least + 2 ** np.ceil(np.log2(np.maximum(more, 1))).astype(np.int64)
    return np.where(more > 0, rounded, least)
