"""The moments of a history as inputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_DAY = 86_400.0


class EventClock(nn.Module):
    r"""What the clock says of each event, projected to the item's vector.

    The gap to the event before, :math:`\log(1 + \text{seconds})`, and sine and cosine of the time of day, the day of
    the week and the season. The projection begins at zero.

    Args:
        dim: D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(7, dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, times: Tensor) -> Tensor:
        """int64 [B, L] seconds -> [B, L, D]; position l depends on positions up to l."""
        gap = torch.diff(times, dim=1, prepend=times[:, :1]).clamp(min=0)
        # In double precision: seconds since 1970 do not fit a float.
        angle = 2 * math.pi * times[..., None].double() / times.new_tensor([1, 7, 365.25], dtype=torch.double) / _DAY
        parts = [torch.log1p(gap.float())[..., None] / 10, angle.sin().float(), angle.cos().float()]
        projected: Tensor = self.project(torch.cat(parts, -1))
        return projected
