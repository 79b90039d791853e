"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def averaged(module: nn.Module, ema: nn.Module | None) -> Iterator[None]:
    """Evaluation mode with the averaged weights of ``ema`` (None: the module's own) inside the block."""
    training = module.training
    saved = {name: value.clone() for name, value in module.state_dict().items()} if ema is not None else {}
    if ema is not None:
        module.load_state_dict(ema.state_dict())
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if ema is not None:
            module.load_state_dict(saved)
        module.train(training)


@torch.no_grad()
def update_average(ema: nn.Module, module: nn.Module, decay: float) -> None:
    """Moves the averaged weights of ``ema`` towards those of ``module``, by the share ``1 - decay``."""
    for mean, value in zip(ema.parameters(), module.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
