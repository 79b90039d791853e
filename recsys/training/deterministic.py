"""Deterministic algorithms of PyTorch: sums in a fixed order, whatever its threads do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms inside the block; where CUDA has none, PyTorch warns instead of stopping."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def preload() -> None:
    """Imports what PyTorch imports at the first optimizer and the first deterministic fit: seconds, once a process.

    Called where a clock runs, so that these seconds are no part of the pace of a training.
    """
    with deterministic():
        torch.optim.AdamW([torch.zeros(1)])
