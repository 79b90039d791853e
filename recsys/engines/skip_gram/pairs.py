"""Skip-gram with shared negatives, the training task of item2vec and node2vec."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.data.interactions import Interactions
from recsys.negatives import NEGATIVES
from recsys.training.batches import shuffled_batches

Pairs = NDArray[np.int64]
"""int64 [N, 2]: centre and context nodes."""


class SkipGramTables(nn.Module):
    """Input (centre) and output (context) vectors of each node."""

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.inner = nn.Embedding(n, dim)
        self.outer = nn.Embedding(n, dim)
        for table in (self.inner, self.outer):
            nn.init.normal_(table.weight, std=dim**-0.5 / 2)


class SkipGram:
    """Skip-gram with negative sampling (Mikolov et al., 2013) on pairs in random order; a task of the training loop.

    Args:
        pairs: gives the pairs of an epoch, from its number and random stream.
        counts: int64 [n], how often each node occurs; negatives are drawn by its power 0.75.
        dim: D.
        negatives: C shared negatives per batch.
        k: the C negatives are weighted so that they count like ``k`` negatives per pair.
        batch_pairs: N, pairs per batch.
    """

    def __init__(
        self,
        pairs: Callable[[int, np.random.Generator], Pairs],
        counts: NDArray[np.int64],
        dim: int,
        negatives: int,
        k: float,
        batch_pairs: int,
    ) -> None:
        self.module = SkipGramTables(len(counts), dim)
        self.pairs, self.k, self.batch_pairs = pairs, k, batch_pairs
        self.sampler = NEGATIVES["popularity"](counts, negatives, sampling_exponent=0.75)

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Pairs]:
        pairs = self.pairs(epoch, rng)
        return [pairs[rows] for rows in shuffled_batches(len(pairs), self.batch_pairs, rng)]

    def loss(self, batch: Pairs, rng: np.random.Generator) -> Tensor:
        device = self.module.inner.weight.device
        sampled = self.sampler.sample(batch[:, 1], rng).rows
        drawn, rows = (torch.from_numpy(part).to(device, non_blocking=True) for part in (sampled, batch))
        centre, context = self.module.inner(rows[:, 0]), self.module.outer(rows[:, 1])
        with torch.autocast(device.type, enabled=False):  # a half has three digits
            scores = (centre @ self.module.outer(drawn).T).masked_fill(drawn == rows[:, 1:], -torch.inf)
        positive = nn.functional.softplus(-(centre * context).sum(1))
        negative = nn.functional.softplus(scores).mean(1) * self.k
        return (positive + negative).mean()

    def examples(self, batch: Pairs) -> float:
        return len(batch)

    def validate(self) -> float | None:
        return None


def nearby_pairs(train_on: Interactions, window: int) -> Pairs:
    """int64 [N, 2]: both directions of every pair of events of a user at most ``window`` steps apart."""
    found = []
    for step in range(1, window + 1):
        same = train_on.user[step:] == train_on.user[:-step]
        pair = np.stack([train_on.item[:-step][same], train_on.item[step:][same]], 1).astype(np.int64)
        found += [pair, pair[:, ::-1]]
    return np.concatenate(found)
