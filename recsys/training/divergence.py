"""The loss of the steps of a training, and checks that it has not diverged: losses and weights are finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recsys.errors import ConfigError
from recsys.training.checkpoint import Progress


@dataclass(frozen=True)
class DivergenceCheck:
    """Checks with the remedies of a training.

    Args:
        name: of the model, for messages.
        learning_rate: of the training.
        max_grad_norm: the norm that gradients are clipped to; 0 where they are not.
    """

    name: str
    learning_rate: float
    max_grad_norm: float

    def loss(self, loss: float, epoch: int, step: int) -> None:
        """Checks the loss of a step; epochs and steps count from 1.

        Raises:
            ConfigError: it is NaN or infinite.
        """
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}", epoch, step)

    def weights(self, module: nn.Module, state: Progress) -> None:
        """Checks the weights at the end of an epoch, for a last step may diverge after a finite loss.

        Raises:
            ConfigError: one is NaN or infinite.
        """
        for key, value in module.named_parameters():
            if not bool(value.detach().isfinite().all()):
                raise self._diverged(f"the weights {key} hold NaN or infinity", state.epoch + 1, state.step + 1)

    def _diverged(self, what: str, epoch: int, step: int) -> ConfigError:
        clipping = f"lower training.max_grad_norm ({self.max_grad_norm})"
        return ConfigError(
            f"training of {self.name} diverged: {what} at epoch {epoch}, step {step}; "
            f"lower training.learning_rate ({self.learning_rate}) or "
            f"{clipping if self.max_grad_norm else 'set training.max_grad_norm = 1.0'}"
        )


class LossSum:
    """Adds the losses of steps to the progress of a training, and checks them.

    To read a loss from a device is to wait until it has computed it, so ``every`` so many are read at once. Sum, check
    and message are the same for any number.

    Args:
        state: the progress; its ``loss_sum`` holds what was read.
        check: of each loss.
        every: losses that are read at once.
    """

    def __init__(self, state: Progress, check: DivergenceCheck, every: int) -> None:
        self.state, self.check, self.every = state, check, every
        self._unread: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Adds the loss of the step that was the last of ``state``.

        Raises:
            ConfigError: a loss that was read is NaN or infinite.
        """
        self._unread.append(loss)
        if len(self._unread) >= self.every:
            self.read()

    def read(self) -> None:
        """Brings ``state`` up to the last step, as for a checkpoint.

        Raises:
            ConfigError: a loss is NaN or infinite.
        """
        if self._unread:
            losses = torch.stack(self._unread).tolist()
            self._unread.clear()
            for step, loss in enumerate(losses, self.state.step - len(losses) + 1):
                self.check.loss(loss, self.state.epoch + 1, step)
                self.state.loss_sum += loss

    def mean(self) -> float:
        """The mean loss of the steps of the epoch that were read."""
        return self.state.loss_sum / max(self.state.step - len(self._unread), 1)
