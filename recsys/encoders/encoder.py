"""What an encoder of a column is."""

from __future__ import annotations

from typing import Any, Protocol, Self

from torch import Tensor, nn


class Encoder(Protocol):
    """A module from a column's values to vectors."""

    @classmethod
    def build(cls, column: Any, dim: int, style: str = "linear") -> Self:
        """For a fitted column; ``style`` is the numeric encoder's."""
        ...

    def forward(self, values: Tensor) -> Tensor:
        """[n, ...] -> [n, dim]."""
        ...


def as_module(encoder: object) -> nn.Module:
    """The encoder as what it also is."""
    assert isinstance(encoder, nn.Module)
    return encoder
