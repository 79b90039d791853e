"""Embeddings of numeric columns."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from recsys.data.features.scalers import Numeric
from recsys.errors import ConfigError


class NumericEncoder(nn.Module):
    r"""Embedding of a number in three styles; a missing number has a learned vector.

    From Gorishniy et al., NeurIPS 2022, "On Embeddings for Numerical Features in Tabular Deep Learning":

    - ``linear``: :math:`W x + b`.
    - ``periodic``: :math:`W [\sin 2\pi c x, \cos 2\pi c x] + b` with learned frequencies c.
    - ``piecewise``: W times the piecewise linear encoding over the training quantiles plus b.

    Shapes:
        float32 ``[n, 1]``, NaN where missing -> ``[n, dim]``

    Args:
        expand: from [n, 1] to [n, width]; None leaves the number as it is.
        width: of the expanded number.
        dim: of the result.

    Example:
        >>> NumericEncoder(Periodic(8), width=16, dim=4)(torch.tensor([[0.5], [torch.nan]])).shape
        torch.Size([2, 4])
    """

    def __init__(self, expand: nn.Module | None, width: int, dim: int) -> None:
        super().__init__()
        self.expand = expand
        self.project = nn.Linear(width, dim)
        self.absent = nn.Parameter(torch.zeros(dim))
        nn.init.normal_(self.project.weight, std=0.1 / math.sqrt(width))
        # PyTorch's default, U(-1, 1) where width is 1, is larger than the ids' and makes all items alike.
        nn.init.zeros_(self.project.bias)

    @classmethod
    def build(cls, column: Numeric, dim: int, style: str = "linear") -> Self:
        if style == "linear":
            return cls(None, 1, dim)
        if style == "periodic":
            return cls(Periodic(8), 16, dim)
        if style == "piecewise":
            edges = np.unique(column.scaled(np.array(column.quantiles or (0.0, 1.0))))
            edges = edges if len(edges) > 1 else np.array([edges[0] - 1, edges[0] + 1])
            return cls(PiecewiseLinear(torch.tensor(edges, dtype=torch.float32)), len(edges) - 1, dim)
        raise ConfigError(f"unknown numeric encoder {style!r}; the choices are linear, periodic, piecewise")

    def forward(self, values: Tensor) -> Tensor:
        """float32 [n, 1], NaN where missing -> [n, dim]."""
        missing = values.isnan()
        known = values.masked_fill(missing, 0.0)
        expanded = known if self.expand is None else self.expand(known)
        return torch.where(missing, self.absent, self.project(expanded))


class Periodic(nn.Module):
    r"""Periodic encoding: :math:`[\sin 2\pi c x, \cos 2\pi c x]` with learned frequencies c."""

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(frequencies) * 0.3)

    def forward(self, values: Tensor) -> Tensor:
        """[n, 1] -> [n, 2 F]."""
        angle = 2 * math.pi * values * self.frequency
        return torch.cat([angle.sin(), angle.cos()], 1)


class PiecewiseLinear(nn.Module):
    """Piecewise linear encoding: for each bin, the share of it that lies below the number, in [0, 1]."""

    def __init__(self, edges: Tensor) -> None:
        super().__init__()
        self.register_buffer("edges", edges)
        self.edges: Tensor

    def forward(self, values: Tensor) -> Tensor:
        """[n, 1] -> [n, bins]."""
        low, high = self.edges[:-1], self.edges[1:]
        return ((values - low) / (high - low)).clamp(0, 1)
