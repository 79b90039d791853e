"""Losses whose gradients are computed together with their value, a block of logits at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor

from recsys.losses.batch import LossBatch

LOGITS = {"cpu": 2**20, "cuda": 2**26}
"""Logits of a block: 4 MiB fit the cache of a CPU, and 256 MiB keep a GPU busy."""


def block_rows(candidates: Tensor) -> int:
    """Rows of a block of logits against ``candidates`` [C, D], at least 32."""
    return max(LOGITS.get(candidates.device.type, LOGITS["cpu"]) // max(len(candidates), 1), 32)


class _Context(Protocol):
    """The state that autograd saves in the forward pass for the backward pass."""

    saved_tensors: tuple[Tensor, ...]
    dtypes: tuple[torch.dtype, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Precomputed(torch.autograd.Function):
    """A mean over N positions whose gradients are given; the backward pass only scales them."""

    @staticmethod
    def forward(ctx: _Context, *args: Tensor) -> Tensor:
        inputs, gradients, total = args[:3], args[3:6], args[6]
        ctx.save_for_backward(*gradients)
        ctx.dtypes = tuple(part.dtype for part in inputs)
        return total / len(inputs[2])

    @staticmethod
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scale = grads[0] / len(ctx.saved_tensors[2])
        parts = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        return *((part * scale).to(dtype) for part, dtype in parts), None, None, None, None


def mean_with_gradients(batch: LossBatch, total: Tensor, gradients: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The scalar ``total / N`` with precomputed gradients: ``gradients / N`` for users, candidates and positives.

    Args:
        batch: N positions.
        total: scalar, the sum of the loss over the positions.
        gradients: of ``total`` with respect to ``batch.users``, ``batch.candidates`` and ``batch.positives``.
    """
    apply = cast("Callable[..., Tensor]", _Precomputed.apply)
    return apply(batch.users, batch.candidates, batch.positives, *gradients, total)
