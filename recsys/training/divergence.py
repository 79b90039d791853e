"""Checks that a training has not diverged: the loss of a step and the weights of an epoch are finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

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

    def loss(self, loss: float, state: Progress) -> None:
        """Checks the loss of a step.

        Raises:
            ConfigError: it is NaN or infinite.
        """
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}", state)

    def weights(self, module: nn.Module, state: Progress) -> None:
        """Checks the weights at the end of an epoch, for a last step may diverge after a finite loss.

        Raises:
            ConfigError: one is NaN or infinite.
        """
        for key, value in module.named_parameters():
            if not bool(value.detach().isfinite().all()):
                raise self._diverged(f"the weights {key} hold NaN or infinity", state)

    def _diverged(self, what: str, state: Progress) -> ConfigError:
        clipping = f"lower training.max_grad_norm ({self.max_grad_norm})"
        return ConfigError(
            f"training of {self.name} diverged: {what} at epoch {state.epoch + 1}, step {state.step + 1}; "
            f"lower training.learning_rate ({self.learning_rate}) or "
            f"{clipping if self.max_grad_norm else 'set training.max_grad_norm = 1.0'}"
        )
