"""Weighted means of the items before each position, in one causal pass."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from recsys.encoders.sequence.causal import vectors_at
from recsys.encoders.sequence.encoder import SequenceShape

_BLOCK = 1 << 16
"""Positions of packed histories whose vectors are gathered at a time."""


class DecayedPooling(nn.Module):
    r"""Exponentially decayed mean of the earlier items.

    .. math:: p_i = \sum_{j<i} r^{i-1-j} v_j \, / \, \sum_{j<i} r^{i-1-j}

    A position without earlier items gets a learned vector.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, H * D]`` (H = 1)
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, H * D]``

    Args:
        dim: D of the item vectors.
        rate: r in (0, 1], the factor that each step further back multiplies an item's weight by.

    Example:
        >>> pooling = DecayedPooling(dim=1, rate=0.5)
        >>> history, padding_mask = torch.tensor([[[4.0], [1.0], [0.0]]]), torch.zeros(1, 3, dtype=torch.bool)
        >>> pooling(history, padding_mask).flatten().tolist()
        [0.0, 4.0, 2.0]
    """

    mask_probability = 0.0

    def __init__(self, dim: int, rate: float = 0.8) -> None:
        super().__init__()
        self.heads = 1
        self.dim = dim
        self.empty = nn.Parameter(torch.zeros(dim))
        self.register_buffer("rate", torch.tensor([rate]))
        self.rate: Tensor

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(shape.dim, shape.rate)

    def rates(self) -> Tensor:
        """[H]: the decay rate of each head."""
        return self.rate

    def salience(self, vectors: Tensor) -> Tensor:
        """[..., H]: the positive weight of each item; one for every item here."""
        return torch.ones(*vectors.shape[:-1], self.heads, device=vectors.device)

    def forward(
        self, vectors: Tensor, padding_mask: Tensor, times: Tensor | None = None, masked: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder.forward`."""
        return _causal_pool(vectors, self.salience(vectors) * ~padding_mask[..., None], self.rates(), self.empty)

    def encode_last(self, table: Tensor, rows: Tensor, lengths: Tensor, times: Tensor | None = None) -> Tensor:
        """See `SequenceEncoder.encode_last`."""
        rates, total = self.rates(), lengths.new_zeros(len(lengths), self.heads, dtype=table.dtype)
        pooled = lengths.new_zeros(self.heads, len(lengths), self.dim, dtype=table.dtype)
        owner, newest = torch.repeat_interleave(lengths, output_size=len(rows)), lengths.cumsum(0) - 1
        for start in range(0, len(rows), _BLOCK):
            positions = torch.arange(start, min(start + _BLOCK, len(rows)), device=lengths.device)
            users, vectors = owner[positions], vectors_at(table, rows, positions)
            steps_ago = newest[users] - positions
            weight = self.salience(vectors) * rates ** steps_ago[:, None]  # [N, H]
            total.index_add_(0, users, weight)
            for head in range(self.heads):
                pooled[head].index_add_(0, users, vectors * weight[:, head, None])
        pooled = pooled.transpose(0, 1)
        return _normalised(pooled, total, self.empty).flatten(1)


class LearnedPooling(DecayedPooling):
    r"""Several decayed means with learned rates and learned item weights.

    Head h gives item j at position i the weight :math:`r_h^{i-1-j} \exp(w_h \cdot v_j)`, normalized: attention whose
    query depends on the position alone, at the cost of one product with a triangular [L, L] matrix per head.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, H * D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, H * D]``

    Args:
        dim: D of the item vectors.
        heads: H, with initial rates spread from the last item alone to almost the whole history.

    Example:
        >>> pooling = LearnedPooling(dim=8, heads=4)
        >>> pooling(torch.randn(2, 3, 8), torch.zeros(2, 3, dtype=torch.bool)).shape
        torch.Size([2, 3, 32])
    """

    def __init__(self, dim: int, heads: int = 4) -> None:
        super().__init__(dim)
        self.heads = heads
        rates = torch.tensor([0.2, 0.7, 0.93, 0.99]) if heads == 4 else 1 - torch.logspace(-0.1, -2, heads)
        self.logit = nn.Parameter(torch.logit(rates))
        self.weigh = nn.Linear(dim, heads, bias=False)
        nn.init.zeros_(self.weigh.weight)

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(shape.dim, shape.heads)

    def rates(self) -> Tensor:
        return torch.sigmoid(self.logit)

    def salience(self, vectors: Tensor) -> Tensor:
        weight: Tensor = self.weigh(vectors)
        return torch.exp(weight.clamp(-8, 8))


def _causal_pool(vectors: Tensor, salience: Tensor, rates: Tensor, empty: Tensor) -> Tensor:
    length = vectors.shape[1]
    steps = torch.arange(length, device=vectors.device)
    gap = steps[:, None] - 1 - steps
    pooled, totals = [], []
    for head, rate in enumerate(rates):
        weight = torch.where(gap >= 0, rate ** gap.clamp(min=0), 0.0)  # [L, L]
        pooled.append(weight @ (vectors * salience[..., head, None]))
        totals.append((weight @ salience[..., head, None]).squeeze(-1))
    return _normalised(torch.stack(pooled, -2), torch.stack(totals, -1), empty).flatten(-2)


def _normalised(pooled: Tensor, totals: Tensor, empty: Tensor) -> Tensor:
    is_empty = totals <= 0
    mean = pooled / totals.masked_fill(is_empty, 1.0)[..., None]
    return torch.where(is_empty[..., None], empty, mean)
