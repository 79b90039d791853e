"""Projection of vector-valued columns: precomputed embeddings, and the components of a time."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from recsys.data.features.scalers import Embedded, Time


class VectorEncoder(nn.Module):
    """Linear projection of a vector; missing vectors get a learned one.

    Shapes:
        float32 ``[n, width]``, NaN rows where missing -> ``[n, dim]``

    Args:
        width: of the column's vectors.
        dim: of the result.

    Example:
        >>> VectorEncoder(width=3, dim=8)(torch.tensor([[1.0, 2.0, 3.0], [torch.nan] * 3])).shape
        torch.Size([2, 8])
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
