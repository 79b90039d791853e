"""The arguments of a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from recsys.losses.seen_ranges import SeenRanges

L = TypeVar("L")


@dataclass(frozen=True, eq=False)
class LossBatch:
    """N positions, the target of each, and C candidates that all positions share.

    A score is the inner product of a user and an item vector; temperature and normalization are already in the vectors.

    Shapes:
        - **users** ``[N, D]``, or ``[U, D]`` with ``owners``
        - **candidates** ``[C, D]``
        - **positives** ``[N, D]``
        - **candidate_rows** ``[C]``, **target_rows** ``[N]``, **log_q** ``[C]``
        - **owners** and **weights** ``[N]``

    Args:
        users: the user vector of each position; one per user where there are ``owners``.
        candidates: vectors of the candidates.
        positives: the vector of each position's target.
        candidate_rows: int64, the item row of each candidate; repeats occur where they were sampled.
        target_rows: int64, the item row of each target.
        log_q: log of how often each candidate is expected in the sample; None where the candidates are the catalogue.
        owners: int64, ascending rows of ``users``, the user of each position; None where each position has one.
        seen: candidates in the history before each position, which are no negatives there; None masks none.
        weights: factors of the terms of the positions; None weighs all by 1.
        own: where a candidate is the position's own target, see `recsys.losses.own_targets`; None looks for it, which
            is to wait for the device.

    Example:
        >>> import torch
        >>> from recsys.losses import LOSSES
        >>> items, targets = torch.eye(4), torch.tensor([2, 0])
        >>> batch = LossBatch(2 * items[targets], items, items[targets], torch.arange(4), targets)
        >>> round(float(LOSSES["full_softmax"]()(batch)), 3)
        0.341
    """

    users: Tensor
    candidates: Tensor
    positives: Tensor
    candidate_rows: Tensor
    target_rows: Tensor
    log_q: Tensor | None = None
    owners: Tensor | None = None
    seen: SeenRanges | None = None
    weights: Tensor | None = None
    own: SeenRanges | None = None

    def position_users(self) -> Tensor:
        """[N, D]: the user vector of each position."""
        return self.users if self.owners is None else self.users[self.owners]


class Loss(Protocol):
    """A function from a batch to the scalar that training minimizes."""

    def __call__(self, batch: LossBatch) -> Tensor:
        """The mean over the positions of their terms, times their weights where there are some."""
        ...


def in_single_precision(compute: Callable[[L, LossBatch], Tensor]) -> Callable[[L, LossBatch], Tensor]:
    """A loss whose logits are single precision where autocast gives vectors in half: a half has three digits."""

    @wraps(compute)
    def computed(loss: L, batch: LossBatch) -> Tensor:
        users, candidates, positives = (single(part) for part in (batch.users, batch.candidates, batch.positives))
        with torch.autocast(users.device.type, enabled=False):
            return compute(loss, replace(batch, users=users, candidates=candidates, positives=positives))

    return computed


def single(vectors: Tensor) -> Tensor:
    """``vectors`` in single precision, where they are in half."""
    return vectors.float() if vectors.itemsize < 4 else vectors
