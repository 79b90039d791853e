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
    """Narrows the type of an encoder to `torch.nn.Module`, which the protocol cannot state."""
    assert isinstance(encoder, nn.Module)
    return encoder
