"""What an embedder trains, in the form that the training loop wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.content.embedder import EmbedderContext
from recsys.training.loop import LoopOptions, train

Rows = NDArray[np.int64]
BatchLoss = Callable[[Rows, np.random.Generator], Tensor]
"""From the rows of a batch, and a stream for whatever is drawn, to the scalar to descend."""


class RowTask:
    """Batches of the rows 0 to n - 1 in random order.

    Args:
        module: what is trained.
        n: how many rows an epoch has.
        batch_size: rows a batch; a smaller rest joins no batch unless it is the only one.
        loss: of a batch.
    """

    def __init__(self, module: nn.Module, n: int, batch_size: int, loss: BatchLoss) -> None:
        self.module, self.n, self.batch_size, self._loss = module, n, batch_size, loss

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Rows]:
        order, size = rng.permutation(self.n), self.batch_size
        return [order[start : start + size] for start in range(0, max(self.n - size, 0) + 1, size)]

    def loss(self, batch: Rows, rng: np.random.Generator) -> Tensor:
        return self._loss(batch, rng)

    def validate(self) -> float | None:
        return None


def train_rows(task: RowTask, options: LoopOptions, context: EmbedderContext) -> None:
    """Trains ``task.module`` in place, on one process; the module ends on the CPU, ready to embed."""
    train(task, options, context.seed, context.tracker)
    task.module.to("cpu").eval()
