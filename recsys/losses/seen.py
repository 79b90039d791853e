"""Which candidates a position has seen already."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Seen:
    """The candidates that the history before each of N positions holds, by window of a history.

    An item that was seen is left out of what is recommended, so it is no negative either: the softmax is over what can
    still come.

    Args:
        owner: int64 [N], ascending, the window of each position.
        window: int64 [M], ascending; its positions from ``since`` on have the candidate ``column`` in their history.
        column: int64 [M].
        since: int64 [M], from 0 to N.
    """

    owner: Tensor
    window: Tensor
    column: Tensor
    since: Tensor

    def mask(self, start: int, stop: int, candidates: int) -> Tensor:
        """Bool [stop - start, C]: where the candidate was seen before the position.

        Example:
            >>> owner, window = torch.tensor([0, 0, 1]), torch.tensor([0, 1])
            >>> Seen(owner, window, torch.tensor([1, 0]), torch.tensor([1, 2])).mask(0, 3, 2).int().tolist()
            [[0, 0], [0, 1], [1, 0]]
        """
        owner = self.owner[start:stop]
        first, last = int(owner[0]), int(owner[-1])
        low, high = torch.searchsorted(self.window, self.window.new_tensor([first, last + 1])).tolist()
        place = (self.window[low:high] - first) * candidates + self.column[low:high]
        since = torch.full(((last - first + 1) * candidates,), stop, dtype=torch.int32, device=owner.device)
        since.scatter_reduce_(0, place, self.since[low:high].int(), "amin")
        positions = torch.arange(start, stop, dtype=torch.int32, device=owner.device)
        return since.view(-1, candidates)[owner - first] <= positions[:, None]


def negatives(candidate_rows: Tensor, target_rows: Tensor, seen: Seen | None) -> Tensor:
    """Bool [N, C]: where the candidate is neither the position's own target nor seen before."""
    other = candidate_rows != target_rows[:, None]
    return other if seen is None else other & ~seen.mask(0, len(target_rows), len(candidate_rows))
