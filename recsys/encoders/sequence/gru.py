"""GRU4Rec's encoder (Hidasi et al., 2016, "Session-based Recommendations with Recurrent Neural Networks")."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.causal import CausalEncoder
from recsys.encoders.sequence.encoder import SequenceShape


class GruEncoder(CausalEncoder):
    """Gated recurrent units over the history (GRU4Rec; Hidasi et al., ICLR 2016).

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, D]``

    Example:
        >>> import torch
        >>> encoder = GruEncoder.build(SequenceShape(dim=8, layers=1))
        >>> encoder(torch.randn(2, 3, 8), torch.zeros(2, 3, dtype=torch.bool)).shape
        torch.Size([2, 3, 8])
    """

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(Gru(shape.dim, shape.layers, shape.dropout), shape.dim, shape.use_timestamps)


class Gru(nn.Module):
    """Stacked GRU layers with a residual connection and layer normalization around each.

    Args:
        dim: D.
        layers: number of layers.
        dropout: rate before each layer.
    """

    def __init__(self, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(dim, dim, batch_first=True) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers + 1))
        self.dropout = ByteDropout(dropout)

    def forward(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        """See `EventNetwork`; ``recency`` and ``times`` are not used."""
        states = vectors
        for layer, norm in zip(self.layers, self.norms, strict=False):
            states = states + layer(norm(self.dropout(states)))[0]
        result: Tensor = self.norms[-1](states)
        return result
