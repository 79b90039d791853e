"""Encoding of event times."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_DAY = 86_400.0


class TimeEncoding(nn.Module):
    r"""Time features of each event, projected to the size of the item vectors.

    The features are the gap to the event before, :math:`\log(1 + \text{seconds}) / 10`, and sine and cosine of the time
    of day, the day of the week and the day of the year. The projection is initialized to zero.

    Shapes:
        int64 ``[B, L]`` seconds -> ``[B, L, D]``

    Args:
        dim: D.

    Example:
        >>> TimeEncoding(8)(torch.tensor([[1_700_000_000, 1_700_086_400]])).shape
        torch.Size([1, 2, 8])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(7, dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, times: Tensor) -> Tensor:
        """int64 [B, L] seconds -> [B, L, D]; position l depends on positions up to l."""
        gap = (times - torch.cat([times[:, :1], times[:, :-1]], 1)).clamp(min=0)
        # In double precision: seconds since 1970 do not fit a float.
        angle = 2 * math.pi * times[..., None].double() / times.new_tensor([1, 7, 365.25], dtype=torch.double) / _DAY
        parts = [torch.log1p(gap.float())[..., None] / 10, angle.sin().float(), angle.cos().float()]
        projected: Tensor = self.project(torch.cat(parts, -1))
        return projected
