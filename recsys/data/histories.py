"""Histories: the interactions of many users as one ragged array in CSR layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import ranges


@dataclass(frozen=True, eq=False)
class Histories:
    """Ragged array of the histories of U users, each oldest first, without padding.

    Args:
        offsets: int64 [U + 1]; user ``u`` owns positions ``offsets[u]`` to ``offsets[u + 1]``.
        items: int32 [N], item rows; MISSING where the item is unknown.
        times: int64 [N].
        weights: float32 [N].

    Example:
        >>> h = Histories.of([[3, 1], [], [2]])
        >>> h.lengths.tolist(), h.last(1).items.tolist()
        ([2, 0, 1], [1, 2])
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, items: Sequence[Sequence[int]]) -> Histories:
        """Histories from lists of item rows; times count up from zero."""
        lengths = [len(history) for history in items]
        flat = [row for history in items for row in history]
        return cls(
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array(flat, np.int32),
            np.array([step for n in lengths for step in range(n)], np.int64),
            np.ones(len(flat), np.float32),
        )

    @classmethod
    def from_interactions(cls, interactions: Interactions, users: NDArray[np.integer]) -> Histories:
        """The histories of ``users`` [U], in that order, found by binary search in the sorted interactions.

        Args:
            interactions: the interactions of all users.
            users: user rows; MISSING has an empty history.
        """
        column = interactions.user
        rows = users.astype(column.dtype)  # of the same type, so that searchsorted does not copy a memory-mapped column
        start, stop = (np.searchsorted(column, bound) for bound in (rows, rows + 1))
        return cls.gathered(interactions, start, stop)

    @classmethod
    def gathered(cls, source: Interactions, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Histories:
        """Histories from slices: user u has the positions ``start[u]:stop[u]`` of ``source``.

        Slices end to end, as of all users, are views of ``source``; others are copied.
        """
        offsets = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
        if len(start) and (start[1:] == stop[:-1]).all():
            whole = slice(int(start[0]), int(stop[-1]))
            item, time, weight = source.item[whole], source.time[whole], source.weight[whole]
            return cls(offsets, np.asarray(item), np.asarray(time), np.asarray(weight))
        positions = ranges(start, stop - start)
        return cls(offsets, source.item[positions], source.time[positions], source.weight[positions])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [U]: the number of interactions of each user."""
        return np.diff(self.offsets)

    def users(self) -> NDArray[np.int64]:
        """int64 [N]: the user of each position."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def steps_ago(self) -> NDArray[np.int64]:
        """int64 [N]: the distance of each position from the user's newest, which has 0."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.items))

    def ending_at(self, time: int | None) -> Histories:
        """The same events, each user's times shifted so that the newest is at ``time``; None leaves them as they are.

        Example:
            >>> Histories.of([[4, 7], [], [5]]).ending_at(100).times.tolist()
            [99, 100, 100]
        """
        return self if time is None else replace(self, times=_ending_at(self.times, self.lengths, time))

    def take(self, users: NDArray[np.integer] | slice) -> Histories:
        """The histories of the rows ``users``, in that order."""
        start, stop = self.offsets[:-1][users], self.offsets[1:][users]
        return Histories.gathered(Interactions(self.items, self.items, self.times, self.weights), start, stop)

    def where(self, keep: NDArray[np.bool_]) -> Histories:
        """The histories without the positions where the mask ``keep`` (bool [N]) is False."""
        offsets = np.concatenate([[0], np.cumsum(keep)])[self.offsets].astype(np.int64)
        return Histories(offsets, self.items[keep], self.times[keep], self.weights[keep])

    def last(self, n: int) -> Histories:
        """At most the ``n`` newest positions of each user."""
        start, stop = np.maximum(self.offsets[1:] - n, self.offsets[:-1]), self.offsets[1:]
        return Histories.gathered(Interactions(self.items, self.items, self.times, self.weights), start, stop)

    def joined(self, other: Histories) -> Histories:
        """The positions of both for each user, first those of ``self``; of the same number of users.

        Example:
            >>> Histories.of([[3], [2]]).joined(Histories.of([[], [5]])).items.tolist()
            [3, 2, 5]
        """
        order = np.argsort(np.concatenate([self.users(), other.users()]), kind="stable")
        parts = ((getattr(self, name), getattr(other, name)) for name in ("items", "times", "weights"))
        return Histories(self.offsets + other.offsets, *(np.concatenate(part)[order] for part in parts))

    def no_later_than(self, other: Histories) -> Histories:
        """The positions that are no later than the last one of the same user in ``other``."""
        last = np.full(len(self), np.iinfo(np.int64).min)
        filled = np.flatnonzero(other.lengths)
        last[filled] = other.times[other.offsets[1:][filled] - 1]
        return self.where(self.times <= last[self.users()])

    def remap_items(self, rows: NDArray[np.integer]) -> Histories:
        """The histories with item row ``i`` replaced by ``rows[i]``.

        Args:
            rows: [n_items] new rows. Positions that are MISSING, or whose new row is, are left out.
        """
        items = np.append(rows, -1).astype(np.int32)[self.items]
        moved = Histories(self.offsets, items, self.times, self.weights)
        return moved if (items >= 0).all() else moved.where(items >= 0)

    def to_csr(self, n_items: int, values: NDArray[np.floating] | None = None) -> sp.csr_array:
        """float32 [U, n_items]; ``values`` [N] at the positions (default 1), repeats keep the largest."""
        values = np.ones(len(self.items), np.float32) if values is None else values.astype(np.float32)
        order = np.lexsort((-values, self.items, self.users()))
        user, item = self.users()[order], self.items[order]
        first = np.ones(len(order), bool)
        first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        return sp.csr_array(
            (values[order][first], (user[first], item[first])), shape=(len(self), n_items), dtype=np.float32
        )


def concatenated(parts: Sequence[Histories]) -> Histories:
    """The histories of all users of ``parts``, in order."""
    lengths = np.concatenate([part.lengths for part in parts])
    return Histories(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def ending_at(events: Interactions, time: int | None) -> Interactions:
    """The same events, each user's times shifted so that the newest is at ``time``; None leaves them as they are."""
    return events if time is None else replace(events, time=_ending_at(events.time, np.bincount(events.user), time))


def _ending_at(times: NDArray[np.int64], lengths: NDArray[np.int64], time: int) -> NDArray[np.int64]:
    """The times of users one after the other, shifted user by user."""
    newest = times[np.cumsum(lengths) - 1] if len(times) else np.zeros(len(lengths), np.int64)
    return times + time - np.repeat(newest, lengths)
