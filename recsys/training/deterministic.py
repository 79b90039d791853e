"""Deterministic algorithms of PyTorch: sums in a fixed order, whatever its threads do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms inside the block; where CUDA has none, PyTorch warns instead of stopping.

    Products on CUDA are deterministic with the workspace that is set here, if none is set, before the first of them.
    Set by the debug mode, for `torch.use_deterministic_algorithms` sets the same and imports the compiler too: seconds.
    """
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def preload() -> None:
    """Imports what PyTorch imports at the first optimizer: seconds, once a process.

    Called where a clock runs, so that these seconds are no part of the pace of a training.
    """
    torch.optim.AdamW([torch.zeros(1)])
