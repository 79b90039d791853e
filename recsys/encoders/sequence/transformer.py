"""SASRec's encoder (Kang & McAuley, 2018, "Self-Attentive Sequential Recommendation"), with normalisation first."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.attention import RelativeBias, SelfAttention
from recsys.encoders.sequence.causal import Causal
from recsys.encoders.sequence.encoder import SequenceShape


class TransformerEncoder(Causal):
    """Causal transformer blocks over the history."""

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(Transformer(shape), shape.dim, shape.has_timestamps)


class Transformer(nn.Module):
    """Events to states.

    Args:
        shape: dim, heads, layers, expansion, dropout, positions, length and clock are read.
        causal: whether an event sees only itself and what came before.
    """

    def __init__(self, shape: SequenceShape, causal: bool = True) -> None:
        super().__init__()
        self.recency = nn.Embedding(shape.length, shape.dim) if shape.positions == "recency" else None
        relative = shape.positions == "relative"
        self.bias = RelativeBias(shape.heads, shape.length, shape.has_timestamps, not causal) if relative else None
        self.blocks = nn.ModuleList(TransformerBlock(shape, causal) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.dim)
        self.dropout = ByteDropout(shape.dropout)
        if self.recency is not None:
            nn.init.normal_(self.recency.weight, std=0.1)

    def forward(self, vectors: Tensor, recency: Tensor, times: Tensor | None, padding: Tensor | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D]; ``padding`` bool [B, L] where nothing may be seen, which a causal one never needs."""
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
    """Attention, then a perceptron, each on the normalised state and added to it."""

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
