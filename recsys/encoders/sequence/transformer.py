"""SASRec's encoder (Kang & McAuley, 2018, "Self-Attentive Sequential Recommendation"), with normalisation first."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.attention import RelativeBias, SelfAttention
from recsys.encoders.sequence.causal import CausalEncoder
from recsys.encoders.sequence.encoder import SequenceShape


class TransformerEncoder(CausalEncoder):
    """Causal transformer over the history (SASRec; Kang & McAuley, ICDM 2018), with layer normalization first.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, D]``

    Example:
        >>> encoder = TransformerEncoder.build(SequenceShape(dim=8, layers=1))
        >>> encoder(torch.randn(2, 3, 8), torch.zeros(2, 3, dtype=torch.bool)).shape
        torch.Size([2, 3, 8])
    """

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(Transformer(shape), shape.dim, shape.use_timestamps)


class Transformer(nn.Module):
    """A stack of `TransformerBlock` with positional information.

    Args:
        shape: dim, heads, layers, expansion, dropout, positions, length and use_timestamps are read.
        causal: whether an event attends only to itself and earlier ones.
    """

    def __init__(self, shape: SequenceShape, causal: bool = True) -> None:
        super().__init__()
        self.recency = nn.Embedding(shape.length, shape.dim) if shape.positions == "recency" else None
        relative = shape.positions == "relative"
        self.bias = RelativeBias(shape.heads, shape.length, shape.use_timestamps, not causal) if relative else None
        self.blocks = nn.ModuleList(TransformerBlock(shape, causal) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.dim)
        self.dropout = ByteDropout(shape.dropout)
        if self.recency is not None:
            nn.init.normal_(self.recency.weight, std=0.1)

    def forward(self, vectors: Tensor, recency: Tensor, times: Tensor | None, padding: Tensor | None = None) -> Tensor:
        """See `EventNetwork`; positions at ``padding`` bool [B, L] are masked (a causal transformer needs no mask)."""
        if self.recency is not None:
            vectors = vectors + self.recency(recency.clamp(max=self.recency.num_embeddings - 1))
        bias = None if self.bias is None else self.bias(vectors.shape[1], times)
        if padding is not None:
            unseen = torch.zeros_like(padding, dtype=vectors.dtype).masked_fill(padding, -torch.inf)[:, None, None]
            bias = unseen if bias is None else bias + unseen
        states = self.dropout(vectors)
        for block in self.blocks:
            states = block(states, bias)
        result: Tensor = self.norm(states)
        return result


class TransformerBlock(nn.Module):
    """Pre-norm transformer block: self-attention, then a perceptron, each with a residual connection."""

    def __init__(self, shape: SequenceShape, causal: bool) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(shape.dim), nn.LayerNorm(shape.dim)
        self.attention = SelfAttention(shape.dim, shape.heads, shape.positions == "rotary", causal)
        self.hidden = nn.Linear(shape.dim, shape.expansion * shape.dim)
        self.out = nn.Linear(shape.expansion * shape.dim, shape.dim)
        self.dropout = ByteDropout(shape.dropout)

    def forward(self, states: Tensor, bias: Tensor | None) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        states = states + self.dropout(self.attention(self.first(states), bias))
        hidden = self.dropout(gelu(self.hidden(self.second(states))))
        result: Tensor = states + self.dropout(self.out(hidden))
        return result
