"""The two-tower model: user and item encoders whose inner product is the score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from recsys import devices
from recsys.data.vocabulary import MISSING
from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence import SequenceEncoder

Features = Mapping[str, Tensor]
"""Feature name -> values, one row per entity; the only string-keyed value in the model."""

_BLOCK = 2**16
"""Items encoded at a time."""


class IdEncoder(nn.Module):
    """Embedding of ids; MISSING, and ids dropped at random in training, share one learned vector.

    Shapes:
        int64 ``[n]`` -> ``[n, D]``

    Args:
        size: n ids.
        dim: D.
        drop: share of ids replaced by the missing vector in a training step, so that the other inputs are trained to
            do without them.

    Example:
        >>> IdEncoder(10, 4)(torch.tensor([3, -1])).shape
        torch.Size([2, 4])
    """

    def __init__(self, size: int, dim: int, drop: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Embedding(size, dim, sparse=True)
        self.absent = nn.Parameter(torch.zeros(dim))
        self.drop = drop
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, rows: Tensor) -> Tensor:
        """int64 [n], MISSING allowed -> [n, D]."""
        hidden = rows < 0
        if self.training and self.drop:
            hidden = hidden | (torch.rand(len(rows), device=rows.device) < self.drop)
        shown = ~hidden
        if len(rows) and devices.runs_ahead(rows):
            # A shown row, if any, stands in for the hidden ones; its gradient gets zeros; their number is not read.
            stand_in = torch.where(shown, rows, MISSING).amax().clamp(min=0)
            everywhere: Tensor = self.table(torch.where(shown, rows, stand_in))
            return torch.where(shown[:, None], everywhere, self.absent.to(everywhere.dtype))
        vectors: Tensor = self.table(rows[shown])
        return self.absent.to(vectors.dtype).expand(rows.shape[0], -1).index_put((shown,), vectors)


class TableEncoder(nn.Module):
    """Frozen pretrained embeddings with a learned projection; missing rows get a learned vector.

    Shapes:
        int64 ``[n]`` -> ``[n, D]``

    Args:
        vectors: float32 [n, D_table]; scaled to unit mean square, so that training does not depend on their scale.
        dim: D.
        drop: share of rows replaced by the missing vector in a training step.

    Example:
        >>> TableEncoder(torch.randn(10, 32), 4)(torch.tensor([3, -1])).shape
        torch.Size([2, 4])
    """

    def __init__(self, vectors: Tensor, dim: int, drop: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)
        self.register_buffer("size", vectors.square().mean().sqrt().clamp(min=1e-12), persistent=False)
        self.vectors: Tensor
        self.size: Tensor
        self.project = nn.Linear(vectors.shape[1], dim, bias=False)
        self.absent = nn.Parameter(torch.zeros(dim))
        self.drop = drop

    def forward(self, rows: Tensor) -> Tensor:
        """int64 [n], MISSING allowed -> [n, D]."""
        hidden = rows < 0
        if self.training and self.drop:
            hidden = hidden | (torch.rand(len(rows), device=rows.device) < self.drop)
        scaled = self.vectors[rows.clamp(min=0)] / self.size
        vectors: Tensor = self.project(scaled) * self.project.weight.shape[0] ** -0.5
        return torch.where(hidden[:, None], self.absent, vectors)


class Tower(nn.Module):
    """One encoder per input, and a fusion of their vectors.

    Args:
        encoders: input name -> module from its values to [n, D].
        fusion: from [n, M, D] to [n, D].
    """

    def __init__(self, encoders: Mapping[str, nn.Module], fusion: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion

    def encode(self, features: Features) -> list[Tensor]:
        """The vector [n, D] of each input, in the order of the encoders."""
        return [encoder(features[name]) for name, encoder in self.encoders.items()]

    def forward(self, features: Features) -> Tensor:
        """[n, D]."""
        fused: Tensor = self.fusion(torch.stack(self.encode(features), 1))
        return fused


@dataclass(frozen=True)
class Scoring:
    """How user and item vectors are compared.

    Args:
        dim: D of both.
        cosine: whether both sides are normalized to length one; otherwise the plain inner product.
        temperature: divides the logits; user vectors are already divided by it.
        dropout: share of the encoded history's components dropped in training.
    """

    dim: int
    cosine: bool
    temperature: float
    dropout: float


class TwoTowerModel(nn.Module):
    """Two-tower model (Yi et al., RecSys 2019) with a sequence encoder over the item tower's own vectors.

    Args:
        items: the item tower, which encodes scored items and the items of histories alike.
        pooling: the history encoder, from item vectors [B, L, D] to the encoded history before each position
            [B, L, heads * D]; see `recsys.encoders.sequence`.
        heads: vectors of size D that the history encoder gives per position.
        users: input name -> encoder of a user input.
        user_fusion: fuses the projected history and the user inputs into one vector.
        scoring: dimension, similarity, temperature and dropout.
        bias: encoder of a scalar bias per item id, appended to the item vectors, where user vectors have a constant 1;
            None for no bias.
    """

    def __init__(
        self,
        items: Tower,
        pooling: nn.Module,
        heads: int,
        users: Mapping[str, nn.Module],
        user_fusion: nn.Module,
        scoring: Scoring,
        bias: IdEncoder | None = None,
    ) -> None:
        super().__init__()
        self.items = items
        self.pooling = pooling
        self.project = nn.Linear(heads * scoring.dim, scoring.dim, bias=False)
        self.users = nn.ModuleDict(users)
        self.user_fusion = user_fusion
        self.cosine = scoring.cosine
        self.temperature = scoring.temperature
        self.dropout = ByteDropout(scoring.dropout)
        self.bias = bias
        with torch.no_grad():
            self.project.weight.copy_(torch.eye(scoring.dim).repeat(1, heads) / heads)

    def item_vectors(self, features: Features) -> Tensor:
        """[n, D], of length one with cosine similarity; without the bias column."""
        vectors: Tensor = self.items(features)
        return nn.functional.normalize(vectors, dim=-1) if self.cosine else vectors

    def with_bias(self, vectors: Tensor, features: Features) -> Tensor:
        """The item vectors of the score: [n, D], or [n, D + 1] with the bias."""
        if self.bias is None:
            return vectors
        return torch.cat([vectors, self.bias(features["__id__"])], 1)

    @torch.no_grad()
    def encode_items(self, features: Features) -> tuple[Tensor, Tensor]:
        """The vectors of `item_vectors` and of `with_bias`, on the CPU.

        A block of items is encoded at a time, so that the device holds neither features nor vectors of a catalogue.
        """
        blocks: list[tuple[Tensor, Tensor]] = []
        for start in range(0, max(len(features["__id__"]), 1), _BLOCK):
            part = {
                name: values[start : start + _BLOCK].to(self.project.weight.device) for name, values in features.items()
            }
            vectors = self.item_vectors(part)
            blocks.append((vectors.cpu(), self.with_bias(vectors, part).cpu()))
        vectors, scored = blocks[0] if len(blocks) == 1 else (torch.cat(parts) for parts in zip(*blocks, strict=True))
        return vectors, vectors if self.bias is None else scored

    @property
    def history(self) -> SequenceEncoder:
        """The sequence encoder, `pooling`, by its interface."""
        return cast("SequenceEncoder", self.pooling)

    def encode_users(self, features: Features) -> Tensor:
        """[B, M, D]: the encoded user features, computed once per user; M may be 0."""
        encoded = [encoder(features[name]) for name, encoder in self.users.items()]
        if encoded:
            return torch.stack(encoded, 1)
        return self.project.weight.new_zeros(1, 0, self.project.weight.shape[0])

    def user_vectors(self, pooled: Tensor, static: Tensor) -> Tensor:
        """Scored user vectors.

        Args:
            pooled: [n, H * D], the encoded history.
            static: [n, M, D] from `encode_users`.

        Returns:
            [n, D], or [n, D + 1] with the bias; divided by the temperature.
        """
        history = self.project(self.dropout(pooled))
        vectors: Tensor = self.user_fusion(torch.cat([history[:, None], static], 1))
        if self.cosine:
            vectors = nn.functional.normalize(vectors, dim=-1)
        vectors = vectors / self.temperature
        return vectors if self.bias is None else torch.cat([vectors, torch.ones_like(vectors[:, :1])], 1)
