"""Masks of the negatives: the target of each position, and the items of its history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SeenRanges:
    """The candidates that are in the history before each of N positions, as ranges of positions.

    Candidate ``candidate[m]`` is in the history before positions ``start[m]`` to ``stop[m]`` (exclusive).
    A seen item is left out of recommendations, so it is no negative either: the softmax is over the items that can
    still be recommended. The ranges take one entry per window and seen candidate, where a mask would take N x C.

    Shapes:
        all ``[M]``

    Args:
        start: int64, ascending.
        stop: int64, ascending, above ``start``.
        candidate: int64, from 0 to C.
        edges: ``start`` and ``stop`` on the host, which stay there when the tensors are sent to a device: the sizes of
            what is masked are known without waiting for it. None reads them from the tensors.
    """

    start: Tensor
    stop: Tensor
    candidate: Tensor
    edges: tuple[Places, Places] | None = None

    def __post_init__(self) -> None:
        if self.edges is None:
            object.__setattr__(self, "edges", (self.start.cpu().numpy(), self.stop.cpu().numpy()))

    def meeting(self, first: Places, last: Places) -> tuple[Places, Places]:
        """The ranges that meet the positions ``first`` to ``last``, int64 [B] each: where they begin and end."""
        start, stop = self._edges
        return np.searchsorted(stop, first, "right"), np.searchsorted(start, last)

    def pairs(self, first: int, last: int, met: slice | None = None) -> tuple[Tensor, Tensor]:
        """Index pairs of a [last - first, C] mask: positions, counted from ``first``, and their seen candidates.

        Args:
            first: the first position of the mask.
            last: the end of its positions.
            met: the ranges that meet these positions, as `meeting` finds them; None looks for them.

        Example:
            >>> seen = SeenRanges(torch.tensor([1, 3]), torch.tensor([3, 4]), torch.tensor([7, 5]))
            >>> [part.tolist() for part in seen.pairs(2, 4)]
            [[0, 1], [7, 5]]
        """
        if met is None:
            low, high = self.meeting(np.array(first), np.array(last))
            met = slice(int(low), int(high))
        total = (np.minimum(self._edges[1][met], last) - np.maximum(self._edges[0][met], first)).sum()
        start, stop = self.start[met].clamp(min=first), self.stop[met].clamp(max=last)
        size = stop - start
        of_range = torch.repeat_interleave(size, output_size=int(total))
        position = (
            torch.arange(len(of_range), device=of_range.device) + (start - first - (size.cumsum(0) - size))[of_range]
        )
        return position, self.candidate[met][of_range]

    @property
    def _edges(self) -> tuple[Places, Places]:
        assert self.edges is not None, "they are read from the tensors"
        return self.edges


def own_targets(candidate_rows: Tensor, target_rows: Tensor) -> SeenRanges:
    """Where a candidate is the position's own target: ranges of one position each, in their order.

    Args:
        candidate_rows: int64 [C].
        target_rows: int64 [N]; the result is on their device.

    Example:
        >>> own = own_targets(torch.tensor([3, 1, 3]), torch.tensor([2, 3]))
        >>> own.start.tolist(), sorted(own.candidate.tolist())
        ([1, 1], [0, 2])
    """
    candidates, targets = candidate_rows.cpu().numpy(), target_rows.cpu().numpy()
    order = np.argsort(candidates, kind="stable")
    ordered = candidates[order]
    first = np.searchsorted(ordered, targets)
    count = np.searchsorted(ordered, targets, "right") - first
    position = np.repeat(np.arange(len(targets)), count)
    repeat = np.arange(len(position)) - (count.cumsum() - count)[position]
    parts = position, position + 1, order[first[position] + repeat]
    start, stop, candidate = (torch.from_numpy(part).to(target_rows.device) for part in parts)
    return SeenRanges(start, stop, candidate, parts[:2])


def negative_mask(candidate_rows: Tensor, target_rows: Tensor, seen: SeenRanges | None) -> Tensor:
    """Bool [N, C]: where the candidate is neither the position's own target nor seen before."""
    mask = candidate_rows != target_rows[:, None]
    if seen is not None:
        mask[seen.pairs(0, len(mask))] = False
    return mask
