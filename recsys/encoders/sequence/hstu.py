"""Hierarchical sequential transduction units (Zhai et al., 2024, "Actions Speak Louder than Words")."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.attention import RelativeBias
from recsys.encoders.sequence.causal import CausalEncoder
from recsys.encoders.sequence.encoder import SequenceShape


class HstuEncoder(CausalEncoder):
    """HSTU blocks over the history (Zhai et al., ICML 2024, "Actions Speak Louder than Words").

    The order enters by a relative attention bias of steps and, with ``use_timestamps``, of time.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, D]``

    Example:
        >>> encoder = HstuEncoder.build(SequenceShape(dim=8, layers=1))
        >>> encoder(torch.randn(2, 3, 8), torch.zeros(2, 3, dtype=torch.bool)).shape
        torch.Size([2, 3, 8])
    """

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(Hstu(shape), shape.dim, shape.use_timestamps)


class Hstu(nn.Module):
    """A stack of `HstuBlock`, causal.

    Args:
        shape: dim, heads, layers, dropout, length and use_timestamps are read.
    """

    def __init__(self, shape: SequenceShape) -> None:
        super().__init__()
        self.bias = RelativeBias(shape.heads, shape.length, shape.use_timestamps)
        self.blocks = nn.ModuleList(HstuBlock(shape.dim, shape.heads, shape.dropout) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.dim)
        self.dropout = ByteDropout(shape.dropout)

    def forward(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        """See `EventNetwork`."""
        bias = self.bias(vectors.shape[1], times)
        states = self.dropout(vectors)
        for block in self.blocks:
            states = block(states, bias)
        result: Tensor = self.norm(states)
        return result


class HstuBlock(nn.Module):
    r"""Pointwise attention without softmax, gated: no perceptron follows.

    .. math:: U, V, Q, K = \mathrm{silu}(W_1 \mathrm{LN}(x)), \quad
              A = \mathrm{silu}(Q K^\top / \sqrt{d} + \text{bias}) / n, \quad y = x + W_2 (\mathrm{LN}(A V) \odot U)

    n is the number of events up to a position, so that nothing depends on the length of the batch.

    Args:
        dim: D.
        heads: H.
        dropout: rate before the last projection.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.inputs = nn.Linear(dim, 4 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = ByteDropout(dropout)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """[B, L, D], bias broadcast to [B, H, L, L] -> [B, L, D]."""
        batch, length, dim = states.shape
        mixed = silu(self.inputs(self.first(states))).view(batch, length, 4, self.heads, dim // self.heads)
        gate, value, query, key = mixed.permute(2, 0, 3, 1, 4)
        weight = silu(query @ key.transpose(-1, -2) * (dim // self.heads) ** -0.5 + bias).tril()
        seen = torch.arange(1, length + 1, device=states.device)[:, None]
        found = (weight @ value / seen).transpose(1, 2).reshape(batch, length, dim)
        gated = self.second(found) * gate.transpose(1, 2).reshape(batch, length, dim)
        result: Tensor = states + self.out(self.dropout(gated))
        return result
