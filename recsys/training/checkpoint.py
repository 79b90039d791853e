"""Checkpoints: the full state of a training run, from which it resumes bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recsys.atomic import atomic_path
from recsys.tracking import Tracker

try:
    import fcntl
except ImportError:  # on Windows, which locks no folders
    fcntl = None  # type: ignore[assignment]


@dataclass
class Progress:
    """Progress of a training run; all values are JSON.

    Args:
        epoch: finished epochs.
        step: finished steps of the current epoch.
        loss_sum: sum of the loss over those steps.
        best_epoch: the epoch with the best validation metric, from 1.
        best_metric: its metric; None before the first validation.
        finished: whether early stopping ended the training.
        curve: one point per epoch: ``{"epoch": 1, "loss": 5.2, "metric": 0.07}``.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = 0
    best_metric: float | None = None
    finished: bool = False
    curve: list[dict[str, float]] = field(default_factory=list)


DAMAGED = (OSError, SafetensorError, ValueError)
"""What reading a damaged file raises."""


class Trained(NamedTuple):
    """What a training changes.

    Args:
        module: the model.
        optimizers: of its parameters.
        ema: the model with averaged weights; None keeps none.
    """

    module: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    ema: nn.Module | None


class Stored(NamedTuple):
    """What a checkpoint file holds."""

    tensors: dict[str, Tensor]
    progress: Progress


_NAME = re.compile(r"training(?:\.\d+-of-(\d+)\.\d+-\d+)?\.safetensors")


class CheckpointFolder:
    """The folder of a training's checkpoints, locked from the first of them until the training, or its process, ends.

    The folder itself is locked, so that no file is left. Where another training has the lock, or the system knows none
    of folders, there is no lock, and nothing is removed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._locked = directory, False
        self._lock()

    def remove_others(self, processes: int) -> None:
        """Removes checkpoints of other numbers of ``processes``, which no training resumes from any more.

        Args:
            processes: whose files are kept; 1 for the file of tables that are not split.
        """
        if not self._lock():
            return
        for path in self._directory.glob("training.*safetensors"):
            named = _NAME.fullmatch(path.name)
            if named and int(named[1] or 1) != processes:
                path.unlink(missing_ok=True)

    def _lock(self) -> bool:
        if self._locked or fcntl is None or not self._directory.is_dir():
            return self._locked
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        weakref.finalize(self, os.close, descriptor)
        self._locked = True
        return True


class Checkpoint:
    """One safetensors file: weights, optimizer state, averaged and best weights; the progress is its metadata.

    A SHA-256 digest of all of it is stored too, so that a flipped bit is found.

    Args:
        path: of the file.
        identity: of the config, data and code of the training; a file of another identity is not resumed.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity
        self._saved = time.monotonic()

    def is_due(self, seconds: float) -> bool:
        """Whether the last one, or the start, is longer ago than ``seconds``."""
        return time.monotonic() - self._saved > seconds

    def save(self, progress: Progress, trained: Trained, best: Mapping[str, Tensor]) -> None:
        """Replaces the file atomically."""
        optimizers = _optimizer_state(trained.optimizers)
        parts = {"module": trained.module.state_dict(), "best": best, "optimizer": optimizers}
        if trained.ema is not None:
            parts["ema"] = trained.ema.state_dict()
        tensors = {f"{part}/{k}": v.detach().cpu().clone() for part, values in parts.items() for k, v in values.items()}
        metadata = {"progress": json.dumps(vars(progress)), "identity": self.identity}
        with atomic_path(self.path) as beside:
            save_file(tensors, beside, {**metadata, "digest": _digest(tensors, metadata)})
        self._saved = time.monotonic()

    def restore(self, trained: Trained, tracker: Tracker) -> tuple[Progress, dict[str, Tensor]] | None:
        """Loads what `save` wrote into ``trained``.

        Returns:
            The progress and the best weights; None where there is no checkpoint of this identity. A damaged file is
            reported to ``tracker`` and ignored.
        """
        try:
            stored = self.read()
        except DAMAGED:
            tracker.info(f"the checkpoint {self.path} is damaged; training begins anew")
            return None
        return None if stored is None else load(stored, trained)

    def read(self) -> Stored | None:
        """The content of the file; None where there is none of this identity.

        Raises:
            OSError | SafetensorError | ValueError: the file is damaged.
        """
        if not self.path.exists():
            return None
        with safe_open(self.path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.pop("digest", "") != _digest(tensors, metadata):
            raise ValueError("content and digest differ")
        return (
            Stored(tensors, Progress(**json.loads(metadata["progress"])))
            if metadata["identity"] == self.identity
            else None
        )


def load(stored: Stored, trained: Trained) -> tuple[Progress, dict[str, Tensor]]:
    """Puts a stored state into ``trained``; the progress and the best weights."""
    trained.module.load_state_dict(_part(stored.tensors, "module"))
    if trained.ema is not None:
        trained.ema.load_state_dict(_part(stored.tensors, "ema"))
    for number, optimizer in enumerate(trained.optimizers):
        _load_optimizer_state(optimizer, _part(stored.tensors, f"optimizer/{number}"))
    return stored.progress, _part(stored.tensors, "best")


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and bytes of the tensors, and of the metadata."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _optimizer_state(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    return {
        f"{number}/{parameter}/{key}": value
        for number, optimizer in enumerate(optimizers)
        for parameter, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def _load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parameter, name = key.split("/")
        state.setdefault(int(parameter), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
