"""First interactions of users with items, and the candidates that are in a history already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.engines.two_tower.batches import SequenceBatch, Windows

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FirstInteractions:
    """The first interaction of each user-item pair, by user and in order of time.

    Args:
        position: int64 [M], ascending, their positions among the E interactions.
        item: int64 [M], item rows.
        offsets: int64 [U + 1], user ``u`` owns ``offsets[u]`` to ``offsets[u + 1]``.
        n_interactions: E.
    """

    position: Rows
    item: Rows
    offsets: Rows
    n_interactions: int

    @classmethod
    def of(cls, interactions: Interactions, n_users: int, n_items: int) -> Self:
        pairs = interactions.user.astype(np.int64) * n_items + interactions.item
        position = np.sort(np.unique(pairs, return_index=True)[1])
        item = interactions.item[position].astype(np.int64)
        return cls(position, item, np.searchsorted(position, interactions.offsets(n_users)), len(interactions))

    def mask(self) -> NDArray[np.bool_]:
        """Bool [E]: which interactions are first ones."""
        mask = np.zeros(self.n_interactions, bool)
        mask[self.position] = True
        return mask

    def targets(self, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
        """Bool [E]: the first interactions ``among`` these (None: all); None where that is every interaction."""
        if len(self.position) == self.n_interactions:
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
        ordered, items = candidates[order], self.item[event]
        found, column = _ranges(np.searchsorted(ordered, items), np.searchsorted(ordered, items, side="right"))
        event = event[found]
        begin, end = self.offsets[windows.user], np.searchsorted(self.position, windows.stop)
        window, match = _ranges(np.searchsorted(event, begin), np.searchsorted(event, end))
        step = self.position[event[match]] - windows.start[window]
        row = window * batch.items.shape[1]
        bounds = row + np.maximum(step + 1, 0), row + batch.items.shape[1]
        start, stop = (np.searchsorted(batch.positions, bound) for bound in bounds)
        filled = np.flatnonzero(start < stop)
        filled = filled[np.argsort(start[filled], kind="stable")]
        return start[filled], stop[filled], order[column[match[filled]]]


def _ranges(start: NDArray[np.integer], stop: NDArray[np.integer]) -> tuple[Rows, Rows]:
    """The integers of the ranges ``start[i]`` to ``stop[i]`` end to end: the i of each, and the integers."""
    size = stop - start
    owner = np.repeat(np.arange(len(size)), size)
    return owner, np.arange(len(owner)) + np.repeat(start - (np.cumsum(size) - size), size)
