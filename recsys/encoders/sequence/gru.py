"""GRU4Rec's encoder (Hidasi et al., 2016, "Session-based Recommendations with Recurrent Neural Networks")."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.causal import Causal
from recsys.encoders.sequence.encoder import SequenceShape


class GruEncoder(Causal):
    """Gated recurrent units over the history; `SequenceShape.layers` of them, of width D."""

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(Gru(shape.dim, shape.layers, shape.dropout), shape.dim, shape.has_timestamps)


class Gru(nn.Module):
    """Events to states; a residual beside each layer keeps the newest item in sight.

    Args:
        dim: D.
        layers: one upon the other.
        dropout: in front of each layer.
    """

    def __init__(self, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(dim, dim, batch_first=True) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers + 1))
        self.dropout = ByteDropout(dropout)

    def forward(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        states = vectors
        for layer, norm in zip(self.layers, self.norms, strict=False):
            states = states + layer(norm(self.dropout(states)))[0]
        result: Tensor = self.norms[-1](states)
        return result
