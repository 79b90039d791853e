"""Self-attention and its positional encodings."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

_MOST_DOUBLINGS = 16
"""Of a distance of 16 steps, in an exported network: histories are shorter than a million events."""


class SelfAttention(nn.Module):
    r"""Multi-head self-attention, :math:`\mathrm{softmax}(Q K^\top / \sqrt{d} + \text{bias}) V`.

    Shapes:
        ``[B, L, D]``, bias broadcast to ``[B, H, L, L]`` -> ``[B, L, D]``

    Args:
        dim: D.
        heads: each of D / heads components.
        rotary: whether queries and keys are rotated by their position (Su et al., 2021, "RoFormer").
        causal: whether an event attends only to itself and earlier ones.
    """

    def __init__(self, dim: int, heads: int, rotary: bool = False, causal: bool = True) -> None:
        super().__init__()
        self.heads, self.rotary, self.causal = heads, rotary, causal
        self.inputs = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, vectors: Tensor, bias: Tensor | None = None) -> Tensor:
        """[B, L, D], bias broadcast to [B, H, L, L] -> [B, L, D]."""
        batch, length, dim = vectors.shape
        mixed = self.inputs(vectors).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        if self.rotary:
            query, key = rotated(query), rotated(key)
        if bias is not None and self.causal:
            bias = bias + later(length, vectors)
        found = scaled_dot_product_attention(query, key, value, bias, is_causal=self.causal and bias is None)
        result: Tensor = self.out(found.transpose(1, 2).reshape(batch, length, dim))
        return result


class RelativeBias(nn.Module):
    r"""Relative position bias: a learned number per head and bucket of distance (Raffel et al., 2020, "T5").

    A distance of d steps has bucket d below 16, and from there :math:`16 + \lfloor 4 \log_2(d / 16) \rfloor`: four
    buckets per doubling. With ``use_timestamps`` a bias of the gap in time is added, with one bucket per power of two
    of the gap in seconds (Zhai et al., 2024, "HSTU").

    Shapes:
        times ``[B, L]`` or None -> ``[B, H, L, L]``, or ``[1, H, L, L]``

    Args:
        heads: H.
        length: larger distances share the bucket of this one; at least 16.
        use_timestamps: whether a bias of the gap in time is added.
        both: whether later events are attended to as well; they have separate buckets.
    """

    def __init__(self, heads: int, length: int, use_timestamps: bool, both: bool = False) -> None:
        super().__init__()
        self.length, self.both = max(length, 16), both
        self.buckets = int(_bucket(torch.tensor(self.length, device="cpu"))) + 1
        self.steps = nn.Parameter(torch.zeros(heads, self.buckets * (1 + both)))
        self.gaps = nn.Parameter(torch.zeros(heads, 34)) if use_timestamps else None

    def forward(self, length: int, times: Tensor | None) -> Tensor:
        """[1, H, L, L], or [B, H, L, L] with times int64 [B, L]."""
        position = torch.arange(length, device=self.steps.device)
        distance = position[:, None] - position
        bucket = _bucket(distance.abs().clamp(max=self.length))
        bias = self.steps[:, torch.where(distance < 0, bucket + self.buckets, bucket) if self.both else bucket][None]
        if self.gaps is None or times is None:
            return bias
        gap = (times[:, :, None] - times[:, None, :]).abs()
        doubling = _doublings(gap.float() + 1, 33)
        return bias + self.gaps[:, doubling].transpose(0, 1)


def later(length: int, like: Tensor) -> Tensor:
    """The causal mask [L, L]: minus infinity where the column is after the row, else 0."""
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu(1)


def rotated(vectors: Tensor) -> Tensor:
    """Rotary position encoding of [B, H, L, d]: each pair of components rotated by position times its frequency."""
    length, width = vectors.shape[-2:]
    half = width // 2
    frequency = torch.exp(torch.arange(half, device=vectors.device) * (-math.log(10_000) / half))
    angle = torch.arange(length, device=vectors.device)[:, None] * frequency
    cos, sin = angle.cos().to(vectors.dtype), angle.sin().to(vectors.dtype)
    a, b, rest = vectors[..., :half], vectors[..., half : 2 * half], vectors[..., 2 * half :]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], -1)


def _bucket(distance: Tensor) -> Tensor:
    if torch.onnx.is_in_onnx_export():
        edges = 16 * 2 ** (torch.arange(1, 4 * _MOST_DOUBLINGS + 1).double() / 4)
        far = 16 + (distance[..., None] >= edges.ceil().long()).long().sum(-1)
    else:
        far = 16 + (4 * torch.log2(distance.clamp(min=16) / 16)).long()
    return torch.where(distance < 16, distance, far)


def _doublings(values: Tensor, most: int) -> Tensor:
    """int64, floor(log2(x)) of ``values`` of at least 1, at most ``most``.

    An exported network compares with the powers of two: its runtime's logarithm of a power need not be whole.
    """
    if torch.onnx.is_in_onnx_export():
        return (values[..., None] >= 2.0 ** torch.arange(1, most + 1)).long().sum(-1)
    return torch.log2(values).long().clamp(max=most)
