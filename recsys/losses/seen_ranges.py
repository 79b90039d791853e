"""Masks of the negatives: the target of each position, and the items of its history."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
    """

    start: Tensor
    stop: Tensor
    candidate: Tensor

    def meeting(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """The ranges that meet the positions ``first`` to ``last``, int64 [B] each: where they begin and end."""
        return torch.searchsorted(self.stop, first, right=True), torch.searchsorted(self.start, last)

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
            edges = self.stop.new_tensor([first, last])
            met = slice(*torch.cat(self.meeting(edges[:1], edges[1:])).tolist())
        start, stop = self.start[met].clamp(min=first), self.stop[met].clamp(max=last)
        size = stop - start
        of_range = torch.repeat_interleave(size)
        position = (
            torch.arange(len(of_range), device=of_range.device) + (start - first - (size.cumsum(0) - size))[of_range]
        )
        return position, self.candidate[met][of_range]


def negative_mask(candidate_rows: Tensor, target_rows: Tensor, seen: SeenRanges | None) -> Tensor:
    """Bool [N, C]: where the candidate is neither the position's own target nor seen before."""
    mask = candidate_rows != target_rows[:, None]
    if seen is not None:
        mask[seen.pairs(0, len(mask))] = False
    return mask
