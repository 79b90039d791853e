"""What users meet for the first time, and which candidates they have met before."""

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
    """The interactions in which a user meets an item for the first time, user by user in their order.

    Args:
        place: int64 [M], ascending, where they stand among the E interactions.
        item: int64 [M], item rows.
        offsets: int64 [U + 1], user ``u`` owns ``offsets[u]`` to ``offsets[u + 1]``.
        size: E.
    """

    place: Rows
    item: Rows
    offsets: Rows
    size: int

    @classmethod
    def of(cls, interactions: Interactions, n_users: int, n_items: int) -> Self:
        pairs = interactions.user.astype(np.int64) * n_items + interactions.item
        place = np.sort(np.unique(pairs, return_index=True)[1])
        item = interactions.item[place].astype(np.int64)
        return cls(place, item, np.searchsorted(place, interactions.offsets(n_users)), len(interactions))

    def mask(self) -> NDArray[np.bool_]:
        """Bool [E], where they stand."""
        mask = np.zeros(self.size, bool)
        mask[self.place] = True
        return mask

    def targets(self, asked: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
        """Bool [E], those of ``asked`` (None: all) that are first events; None where that is every interaction."""
        if len(self.place) == self.size:
            return asked
        return self.mask() if asked is None else self.mask() & asked

    def seen_candidates(self, windows: Windows, batch: SequenceBatch, candidates: Rows) -> tuple[Rows, Rows, Rows]:
        """Which of the candidates the history before each target holds, what came before its window included.

        Args:
            windows: what ``batch`` was made of.
            batch: N targets.
            candidates: int64 [C], item rows; an item may stand there more than once.

        Returns:
            int64 [M] each: targets from ``since`` to ``until`` have the ``candidate`` in their history. ``since`` and
            ``until`` are ascending.
        """
        users = np.unique(windows.user)  # a user of many windows is looked through once
        event = _ranges(self.offsets[users], self.offsets[users + 1])[1]
        order = np.argsort(candidates, kind="stable")
        held, items = candidates[order], self.item[event]
        found, column = _ranges(np.searchsorted(held, items), np.searchsorted(held, items, side="right"))
        event = event[found]
        begin, stop = self.offsets[windows.user], np.searchsorted(self.place, windows.stop)
        window, match = _ranges(*(np.searchsorted(event, edge) for edge in (begin, stop)))
        step = self.place[event[match]] - windows.start[window]
        edge = window * batch.items.shape[1]
        places = edge + np.maximum(step + 1, 0), edge + batch.items.shape[1]
        since, until = (np.searchsorted(batch.positions, place) for place in places)
        kept = np.flatnonzero(since < until)
        kept = kept[np.argsort(since[kept], kind="stable")]
        return since[kept], until[kept], order[column[match[kept]]]


def _ranges(start: NDArray[np.integer], stop: NDArray[np.integer]) -> tuple[Rows, Rows]:
    """The numbers of the ranges ``start[i]`` to ``stop[i]`` end to end, each after the i it belongs to."""
    size = stop - start
    owner = np.repeat(np.arange(len(size)), size)
    return owner, np.arange(len(owner)) + np.repeat(start - (np.cumsum(size) - size), size)
