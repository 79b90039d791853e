"""Scores of blocks of users on an accelerator: item vectors lie there, and of a table of scores the best come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.engine import Engine, VectorModel, Vectors
from recsys.ranking.top_values import tensor

_SCORES = 256 * 2**20
"""Bytes of a table of scores, at most."""
_USERS = 4096
"""Users of a block, at most: a small catalogue has no need of more."""
_TABLES = 8
"""Tables of scores that would fit into the free memory, at least: masks and the search for the best take some too."""
_PRECISION = Lock()
"""Held while the precision of products is set, which is one for all threads."""


@runtime_checkable
class HasEngine(Protocol):
    """A model that has its vectors from an engine, such as a bundle."""

    @property
    def engine(self) -> VectorModel: ...


def device_of(model: VectorModel) -> torch.device | None:
    """The device that ranks the items of a model; None is the CPU.

    An engine that may train on CUDA (`recsys.training.loop.LoopOptions`, ``device``) is ranked there too where there is
    one, be it trained here or loaded; all others, such as linear models and hybrids, are ranked on the CPU.
    """
    return torch.device("cuda") if may_use_cuda(model) and torch.cuda.is_available() else None


def may_use_cuda(model: VectorModel) -> bool:
    """Whether the items of a model are ranked on CUDA where there is a device."""
    while isinstance(model, HasEngine):
        model = model.engine
    return isinstance(model, Engine) and model.config.ranking_device() != "cpu"


class OnDevice:
    """Products of user vectors with item vectors, and masks of the scores, on a device.

    Item vectors are copied there once, user vectors and the pairs that are left out a block at a time, on CUDA from
    pinned memory. Products are those of single precision, whatever precision the process allows (no TF32).

    Args:
        items: float32 [C, D].
        left_out: int64, columns that are never listed; their vectors may hold anything.
        device: such as ``torch.device("cuda")``.
    """

    def __init__(self, items: NDArray[np.float32], left_out: Rows, device: torch.device) -> None:
        self.device = device
        self._items = torch.from_numpy(np.ascontiguousarray(items)).to(device).T
        self._left_out = self._sent(left_out)

    @classmethod
    def of(cls, items: Vectors, left_out: Rows, device: torch.device | None) -> OnDevice | None:
        """The scores of ``items`` on ``device``.

        None, so that the CPU ranks, without a device, for vectors with a sparse part, and for those that take more than
        half of the memory that is free there.
        """
        if device is None or items.dense is None or items.sparse is not None:
            return None
        return cls(items.dense, left_out, device) if fits(items.dense.nbytes, device, 1 / 2) else None

    def block_rows(self) -> int:
        """Users of a block: the same wherever memory allows, as the last bits of a product depend on it."""
        free = free_bytes(self.device)
        size = _SCORES if free is None else min(_SCORES, free // _TABLES)
        return max(1, min(_USERS, size // (4 * max(self._items.shape[1], 1))))

    def product(self, users: NDArray[np.float32], out: torch.Tensor) -> None:
        """Writes the scores [B, C] of ``users`` [B, D] to ``out``, of which the device may still compute."""
        sent = self._sent(users)
        with _single_precision(self.device):
            torch.matmul(sent, self._items, out=out)

    def mask(self, table: torch.Tensor, pairs: tuple[Rows, Rows], valid: NDArray[np.bool_] | None) -> None:
        """Overwrites scores [B, C] with -inf: of the columns that are left out, of ``pairs``, of rows not ``valid``."""
        table.index_fill_(1, self._left_out, -torch.inf)
        if valid is not None:
            table.index_fill_(0, self._sent(np.flatnonzero(~valid)), -torch.inf)
        table[self._sent(pairs[0]), self._sent(pairs[1])] = -torch.inf

    def _sent(self, array: NDArray[np.generic]) -> torch.Tensor:
        here = tensor(array)
        if self.device.type == "cuda" and array.size:
            return here.pin_memory().to(self.device, non_blocking=True)
        return here.to(self.device)


def free_bytes(device: torch.device) -> int | None:
    """Of the memory of the device, with what PyTorch holds there without using it; None for the CPU."""
    if device.type != "cuda":
        return None
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held


def fits(n_bytes: int, device: torch.device, share: float) -> bool:
    """Whether ``n_bytes`` are at most a ``share`` of the memory that is free on the device; the CPU takes any."""
    free = free_bytes(device)
    return free is None or n_bytes <= free * share


@contextmanager
def _single_precision(device: torch.device) -> Iterator[None]:
    """Products in single precision, even where TF32 or half precision are allowed; autocast leaves ``out`` alone."""
    backend = torch.backends.cuda.matmul
    if device.type != "cuda":  # before PyTorch 2.9 it has no precision of its own
        backend = getattr(torch.backends.mkldnn, "matmul", backend)
    name, full = ("fp32_precision", "ieee") if hasattr(backend, "fp32_precision") else ("allow_tf32", False)
    with _PRECISION:
        before = getattr(backend, name)
        setattr(backend, name, full)
        try:
            yield
        finally:
            setattr(backend, name, before)
