"""First interactions of users with items, and the candidates that are in a history already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions, pair_keys
from recsys.data.vocabulary import BLOCK, Rows, position_type, ranges
from recsys.engines.two_tower.batches import SequenceBatch, Windows


@dataclass(frozen=True, eq=False)
class FirstInteractions:
    """The first interaction of each user-item pair, by user and in order of time.

    Args:
        item: int32 [E], the item rows of all interactions.
        position: int32 or int64 [M], ascending, the positions of the first interactions; None where all are.
        offsets: int64 [U + 1], user ``u`` owns ``offsets[u]`` to ``offsets[u + 1]`` of the M first interactions.
    """

    item: NDArray[np.int32]
    position: NDArray[np.integer] | None
    offsets: Rows

    @classmethod
    def of(cls, interactions: Interactions, n_users: int, block_size: int = BLOCK) -> Self:
        """Those of all users; about ``block_size`` interactions are sorted at a time."""
        offsets, mask = interactions.offsets(n_users), np.ones(len(interactions), bool)
        for block in interactions.blocks(block_size):
            mask[block] = _is_first(pair_keys(interactions.user[block], interactions.item[block]))
        item = np.asarray(interactions.item)
        if mask.all():
            return cls(item, None, offsets)
        position: NDArray[np.integer] = np.flatnonzero(mask).astype(position_type(len(mask)))
        return cls(item, position, np.searchsorted(position, offsets.astype(position.dtype)))

    def mask(self) -> NDArray[np.bool_]:
        """Bool [E]: which interactions are first ones."""
        if self.position is None:
            return np.ones(len(self.item), bool)
        mask = np.zeros(len(self.item), bool)
        mask[self.position] = True
        return mask

    def targets(self, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
        """Bool [E]: the first interactions ``among`` these (None: all); None where that is every interaction."""
        if self.position is None:
            return among
        return self.mask() if among is None else self.mask() & among

    def seen_candidates(self, windows: Windows, batch: SequenceBatch, candidates: Rows) -> tuple[Rows, Rows, Rows]:
        """Which of the candidates are in the history before each target, events before its window included.

        Args:
            windows: those that ``batch`` was padded from.
            batch: N targets.
            candidates: int64 [C], item rows; repeats are allowed.

        Returns:
            int64 [M] each: targets from ``start`` to ``stop`` have the ``candidate`` in their history. ``start`` and
            ``stop`` are ascending.
        """
        users = np.unique(windows.user)  # a user with many windows is searched once
        event = _ranges(self.offsets[users], self.offsets[users + 1])[1]
        order = np.argsort(candidates, kind="stable")
        ordered, items = candidates[order], self.item[self._position(event)]
        found, column = _ranges(np.searchsorted(ordered, items), np.searchsorted(ordered, items, side="right"))
        event = event[found]
        begin, end = self.offsets[windows.user], self._count_before(windows.stop)
        window, match = _ranges(np.searchsorted(event, begin), np.searchsorted(event, end))
        step = self._position(event[match]) - windows.start[window]
        row = window * batch.items.shape[1]
        bounds = row + np.maximum(step + 1, 0), row + batch.items.shape[1]
        start, stop = (np.searchsorted(batch.positions, bound) for bound in bounds)
        filled = np.flatnonzero(start < stop)
        filled = filled[np.argsort(start[filled], kind="stable")]
        return start[filled], stop[filled], order[column[match[filled]]]

    def _position(self, firsts: Rows) -> NDArray[np.integer]:
        """The positions, among all interactions, of these of the first ones."""
        return firsts if self.position is None else self.position[firsts]

    def _count_before(self, positions: Rows) -> Rows:
        """How many first interactions stand before each position."""
        if self.position is None:
            return positions
        # of the same type, for else searchsorted copies the whole column
        return np.searchsorted(self.position, positions.astype(self.position.dtype))


def _is_first(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool [n]: whether a pair stands for the first time."""
    ordered = np.sort(pairs)
    if (ordered[1:] != ordered[:-1]).all():
        return np.ones(len(pairs), bool)
    first = np.zeros(len(pairs), bool)
    first[np.unique(pairs, return_index=True)[1]] = True
    return first


def _ranges(start: NDArray[np.integer], stop: NDArray[np.integer]) -> tuple[Rows, Rows]:
    """The integers of the ranges ``start[i]`` to ``stop[i]`` end to end: the i of each, and the integers."""
    size = stop - start
    return np.repeat(np.arange(len(size)), size), ranges(start, size)
