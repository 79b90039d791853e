"""Dropout with one random byte per component."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ByteDropout(nn.Module):
    """Dropout at a rate rounded to 1/256 and below 1, which draws one 64-bit random number for eight components.

    On one CPU core `torch.nn.Dropout` takes 15 ns per component, more than a transformer's arithmetic.

    Shapes:
        any -> the same

    Args:
        rate: share of components set to zero in training; the others are scaled by 1 / (1 - rate).

    Example:
        >>> ByteDropout(0.5).eval()(torch.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = max(256 - round(256 * rate), 1)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.kept == 256:
            return values
        words = torch.randint(-(2**63), 2**63 - 1, ((values.numel() + 7) // 8,), device=values.device)
        keep = (words.view(torch.uint8)[: values.numel()] < self.kept).view(values.shape)
        return values * (keep * (256 / self.kept)).to(values.dtype)
