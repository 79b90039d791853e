"""Minibatch training of an embedder's module over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor, nn

from recsys.content.embedder import EmbedderContext
from recsys.training.batches import Rows, shuffled_batches
from recsys.training.loop import LoopOptions, train

BatchLoss = Callable[[Rows, np.random.Generator], Tensor]
"""Maps the rows of a batch, and a random generator, to the scalar loss."""


class RowTask:
    """The training task of a loss over shuffled batches of the rows 0 to n - 1.

    Args:
        module: the module to train.
        n: rows an epoch.
        batch_size: rows a batch; a smaller last batch is dropped unless it is the only one.
        loss: of a batch.
    """

    def __init__(self, module: nn.Module, n: int, batch_size: int, loss: BatchLoss) -> None:
        self.module, self.n, self.batch_size, self._loss = module, n, batch_size, loss

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Rows]:
        return shuffled_batches(self.n, self.batch_size, rng, drop_last=True)

    def loss(self, batch: Rows, rng: np.random.Generator) -> Tensor:
        return self._loss(batch, rng)

    def examples(self, batch: Rows) -> float:
        return len(batch)

    def validate(self) -> float | None:
        return None


def train_rows(task: RowTask, options: LoopOptions, context: EmbedderContext) -> None:
    """Trains ``task.module`` in place, in one process, and moves it to the CPU in evaluation mode, whatever happens."""
    try:
        train(task, options, context.seed, context.tracker)
    finally:
        task.module.to("cpu").eval()
