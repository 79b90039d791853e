"""Which candidates a position has seen already."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SeenRanges:
    """The candidates that the histories before N positions hold: positions ``since`` to ``until`` hold ``candidate``.

    An item that was seen is left out of what is recommended, so it is no negative either: the softmax is over what can
    still come.

    Args:
        since: int64 [M], ascending.
        until: int64 [M], ascending, above ``since``.
        candidate: int64 [M], from 0 to C.
    """

    since: Tensor
    until: Tensor
    candidate: Tensor

    def pairs(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Positions, counted from ``start``, and candidates seen before them, of the positions from start to stop.

        Example:
            >>> seen = Seen(torch.tensor([1, 3]), torch.tensor([3, 4]), torch.tensor([7, 5]))
            >>> [part.tolist() for part in seen.pairs(2, 4)]
            [[0, 1], [7, 5]]
        """
        low = torch.searchsorted(self.until, start, right=True)
        high = torch.searchsorted(self.since, stop)
        since, until = self.since[low:high].clamp(min=start), self.until[low:high].clamp(max=stop)
        size = until - since
        find = torch.repeat_interleave(size)
        position = torch.arange(len(find), device=find.device) + (since - start - (size.cumsum(0) - size))[find]
        return position, self.candidate[low:high][find]


def is_negative(candidate_rows: Tensor, target_rows: Tensor, seen: SeenRanges | None) -> Tensor:
    """Bool [N, C]: where the candidate is neither the position's own target nor seen before."""
    other = candidate_rows != target_rows[:, None]
    if seen is not None:
        other[seen.pairs(0, len(other))] = False
    return other
