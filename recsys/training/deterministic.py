"""Deterministic algorithms of PyTorch: sums in a fixed order, whatever its threads do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_REMEDY = (
    "recsys trains with deterministic algorithms, so that a run can be repeated bit for bit. For an operation of yours "
    "that has none, call torch.set_deterministic_debug_mode(0) before it and restore "
    "torch.get_deterministic_debug_mode() after it; the weights may then differ from run to run."
)


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms inside the block.

    An operation that has none, as one in a loss or an encoder of yours may be, raises; on a machine with CUDA, where
    more operations have none, PyTorch warns instead and goes on. Products on CUDA are deterministic with the workspace
    that is set here, if none is set, before the first of them. Set by the debug mode, for
    `torch.use_deterministic_algorithms` sets the same and imports the compiler too: seconds.

    Raises:
        RuntimeError: of PyTorch, which names the operation; a note says what to do.
    """
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    try:
        yield
    except RuntimeError as error:
        if "deterministic" in str(error) and _REMEDY not in getattr(error, "__notes__", ()):  # of an inner block
            error.add_note(_REMEDY)
        raise
    finally:
        torch.set_deterministic_debug_mode(before)


def preload() -> None:
    """Imports what PyTorch imports at the first optimizer: seconds, once a process.

    Called where a clock runs, so that these seconds are no part of the pace of a training.
    """
    torch.optim.AdamW([torch.zeros(1)])
