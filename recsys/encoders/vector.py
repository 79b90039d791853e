"""A projection of a vector that a column holds: precomputed embeddings, and the components of a moment."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from recsys.data.features.scalers import Embedded, Time


class VectorEncoder(nn.Module):
    """A linear map; a missing vector has a learned one of its own.

    Args:
        width: of the column's vectors.
        dim: of the result.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, dim)
        self.absent = nn.Parameter(torch.zeros(dim))
        nn.init.normal_(self.project.weight, std=0.1 / math.sqrt(width))
        nn.init.zeros_(self.project.bias)

    @classmethod
    def build(cls, column: Embedded | Time, dim: int, style: str = "linear") -> Self:
        return cls(column.width, dim)

    def forward(self, values: Tensor) -> Tensor:
        """float32 [n, width], NaN rows where missing -> [n, dim]."""
        missing = values.isnan().any(1, keepdim=True)
        return torch.where(missing, self.absent, self.project(values.masked_fill(missing, 0.0)))
