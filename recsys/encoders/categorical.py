"""Embeddings of a category."""

from __future__ import annotations

import math
from typing import Self

from torch import Tensor, nn

from recsys.data.features.categories import Categories


def table_width(values: int, dim: int) -> int:
    """Width of the table of a column with ``values`` values: ``min(dim, ceil(1.6 * values ** 0.56))`` (fastai's rule).

    A projection takes it to ``dim``; a column of two values does not deserve as many parameters as one of a thousand.

    Example:
        >>> table_width(2, 64), table_width(100, 64), table_width(10_000, 64)
        (3, 22, 64)
    """
    return min(dim, math.ceil(1.6 * math.pow(max(values, 1), 0.56)))


class CategoricalEncoder(nn.Module):
    """One vector a value; a missing value has its own, rare and unknown ones share one.

    Args:
        size: rows of the table, with the missing and the rare row.
        width: of the table.
        dim: of the result.
    """

    def __init__(self, size: int, width: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        self.project = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.table.weight, std=0.1)

    @classmethod
    def build(cls, column: Categories, dim: int, style: str = "linear") -> Self:
        # The width stays when values are appended, or a grown table could not keep its old rows.
        return cls(column.size, table_width(column.fitted, dim), dim)

    def forward(self, values: Tensor) -> Tensor:
        """int64 [n] -> [n, dim]."""
        projected: Tensor = self.project(self.table(values))
        return projected
