"""The interface of column encoders."""

from __future__ import annotations

from typing import Any, Protocol, Self

from torch import Tensor, nn


class Encoder(Protocol):
    """A `torch.nn.Module` from a column's values to vectors."""

    @classmethod
    def build(cls, column: Any, dim: int, style: str = "linear") -> Self:
        """For a fitted column; ``style`` is the numeric encoder's."""
        ...

    def forward(self, values: Tensor) -> Tensor:
        """[n, ...] -> [n, dim]."""
        ...


def as_module(encoder: object) -> nn.Module:
    """The encoder as the `torch.nn.Module` that every encoder is."""
    assert isinstance(encoder, nn.Module)
    return encoder
