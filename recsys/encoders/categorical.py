"""Embeddings of categorical columns."""

from __future__ import annotations

import math
from typing import Self

from torch import Tensor, nn

from recsys.data.features.categories import Categories


def table_width(values: int, dim: int) -> int:
    """Width of the table of a column with ``values`` values: ``min(dim, ceil(1.6 * values ** 0.56))`` (fastai's rule).

    A projection takes it to ``dim``, so that a column of two values has fewer parameters than one of a thousand.

    Example:
        >>> table_width(2, 64), table_width(100, 64), table_width(10_000, 64)
        (3, 22, 64)
    """
    return min(dim, math.ceil(1.6 * math.pow(max(values, 1), 0.56)))


class CategoricalEncoder(nn.Module):
    """Embedding of a categorical value, projected to ``dim``; missing has a vector, rare and unknown values share one.

    Shapes:
        int64 ``[n]`` -> ``[n, dim]``

    Args:
        size: rows of the table, those of missing and of rare values included.
        width: of the table; see `table_width`.
        dim: of the result.

    Example:
        >>> import torch
        >>> CategoricalEncoder(size=10, width=4, dim=8)(torch.tensor([0, 3, 9])).shape
        torch.Size([3, 8])
    """

    def __init__(self, size: int, width: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        self.project = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.table.weight, std=0.1)

    @classmethod
    def build(cls, column: Categories, dim: int, style: str = "linear") -> Self:
        # The width is that of the first fit, so that fine-tuning on more values can copy the rows.
        return cls(column.size, table_width(column.fitted, dim), dim)

    def forward(self, values: Tensor) -> Tensor:
        """int64 [n] -> [n, dim]."""
        projected: Tensor = self.project(self.table(values))
        return projected
