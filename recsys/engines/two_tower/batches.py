"""Training batches: windows of histories, batched by length so that almost nothing is padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, places, position_type


@dataclass(frozen=True, eq=False)
class Windows:
    """Training windows of histories: interactions ``start[w]`` to ``stop[w]`` of one user.

    Args:
        user: int64 [W], user rows.
        start: int64 [W], positions in the interactions.
        stop: int64 [W].
        first: int64 [W], the position of the first target; earlier ones are context.
    """

    user: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Windows:
        return Windows(self.user[rows], self.start[rows], self.stop[rows], self.first[rows])


@dataclass(frozen=True, eq=False)
class SequenceBatch:
    """B windows padded on the right to one length.

    Args:
        users: int64 [B], user rows.
        items: int64 [B, L], item rows; MISSING is padding.
        positions: int64 [N], the targets as flat positions in [B * L]; the vector that predicts position (b, l) may
            use ``items[b, :l]`` alone.
        targets: int64 [N], the items at ``positions``.
        times: int64 [B, L], as in the interactions; 0 at padding.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    times: NDArray[np.int64]


def cut_windows(
    train: Interactions,
    n_users: int,
    length: int,
    overlap: int,
    phase: int = 0,
    targets: NDArray[np.bool_] | None = None,
) -> Windows:
    """Every interaction as a target once, in windows of at most ``length`` targets after at most ``overlap`` events.

    Args:
        train: the interactions.
        n_users: size of the user vocabulary.
        length: targets per window.
        overlap: events before the first target of a window that does not start the history.
        phase: number of targets by which the first window of a long history is shorter, so that epochs differ.
        targets: bool [E], which interactions are targets; None all. Windows without any are left out.
    """
    offsets = train.offsets(n_users)
    begin, end = offsets[:-1], offsets[1:]
    first = begin if targets is None else _first_true(targets, begin, end)
    size = end - first
    shift = np.where(size > length, phase % length, 0)
    count = -(-(size + shift) // length)
    user = np.repeat(np.arange(n_users), count)
    number = places(count)
    lead = first[user] - shift[user] + number * length
    target = np.maximum(lead, first[user])
    stop = np.minimum(lead + length, end[user])
    start = np.maximum(target - overlap, begin[user])
    windows = Windows(user, start, stop, target)
    if targets is None:
        return windows.select(stop > target)
    counted = np.append(0, np.cumsum(targets, dtype=position_type(len(train))))
    return windows.select(counted[np.maximum(stop, target)] > counted[target])


def _first_true(mask: NDArray[np.bool_], begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first position of each range at which ``mask`` holds, or the end of the range."""
    true = np.append(np.flatnonzero(mask), len(mask))
    first: NDArray[np.int64] = np.minimum(true[np.searchsorted(true, begin)], end)
    return first


def group_by_length(windows: Windows, max_tokens: int, rng: np.random.Generator) -> list[Windows]:
    """Batches of windows of like length, in random order.

    A batch has at most ``max_tokens`` positions, padding included. Less than a twentieth of them is padding, except in
    batches of under an eighth of ``max_tokens``, which are filled up with longer windows instead of being a step alone.
    """
    lengths = windows.stop - windows.start
    order = np.lexsort((rng.random(len(windows)), lengths))
    filled = np.concatenate([[0], np.cumsum(lengths[order])])
    groups: list[Windows] = []
    begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            size = (end - begin + 1) * lengths[order[end]]
            padded = size - (filled[end + 1] - filled[begin]) > 0.05 * size
            full = size > max_tokens or (padded and filled[end] - filled[begin] > max_tokens / 8)
        if end == len(order) or full:
            groups.append(windows.select(order[begin:end]))
            begin = end
    return [groups[i] for i in rng.permutation(len(groups))]


def to_batch(train: Interactions, windows: Windows, targets: NDArray[np.bool_] | None = None) -> SequenceBatch:
    """Pads ``windows`` to a batch; with ``targets`` bool [E], only those of its interactions are targets."""
    lengths = windows.stop - windows.start
    columns = np.arange(int(lengths.max(initial=0)))
    inside = columns < lengths[:, None]
    source = windows.start[:, None] + columns
    items = np.full(inside.shape, MISSING, np.int64)
    times = np.zeros(inside.shape, np.int64)
    items[inside], times[inside] = train.item[source[inside]], train.time[source[inside]]
    is_target = inside & (source >= windows.first[:, None])
    if targets is not None:
        is_target[is_target] = targets[source[is_target]]
    positions = np.flatnonzero(is_target)
    return SequenceBatch(windows.user, items, positions, items.reshape(-1)[positions], times)
