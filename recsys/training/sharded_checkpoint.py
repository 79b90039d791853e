"""Checkpoints of a training with sharded tables: a file a process, of which those of one step make the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch.distributed as dist
from torch import Tensor

from recsys.tracking import Tracker
from recsys.training.checkpoint import DAMAGED, Checkpoint, Progress, Stored, Trained, load
from recsys.training.workers import Workers

_EPOCH = 2**32
"""More than the steps of an epoch: ``epoch * _EPOCH + step`` tells the steps of a training in their order."""
_NONE, _BROKEN = -1, -2
"""In place of a step: no file of this training, a damaged one."""


class ShardedCheckpoint:
    """The state that each process holds, in a file of its own named by rank and step.

    Files of the step before are removed when all processes have written theirs, so that wherever one is killed, there
    is a step that all of them have.

    Args:
        directory: of the files, which all processes share.
        identity: of the config, data and code of the training; files of another identity are not resumed.
        workers: the processes.
    """

    def __init__(self, directory: Path, identity: str, workers: Workers) -> None:
        self._directory, self._identity, self._workers = directory, identity, workers
        self._last = self._file(_NONE)

    def is_due(self, seconds: float) -> bool:
        """Whether the last one is longer ago than ``seconds`` in the first process."""
        return self._workers.first_says(self._last.is_due(seconds))

    def save(self, progress: Progress, trained: Trained, best: Mapping[str, Tensor]) -> None:
        """Writes the file of this process; the earlier ones are removed when all have done so."""
        self._last = self._file(progress.epoch * _EPOCH + progress.step)
        self._last.save(progress, trained, best)
        dist.barrier()
        for path in self._written().values():
            if path != self._last.path:
                path.unlink()

    def restore(self, trained: Trained, tracker: Tracker) -> tuple[Progress, dict[str, Tensor]] | None:
        """Loads the newest step that all processes have into ``trained``.

        Returns:
            The progress and the best weights; None where there is no such step. Damaged files are reported to
            ``tracker`` and ignored.
        """
        wanted = max(self._written(), default=_NONE)
        while True:
            stored, found = self._read(wanted)
            wanted, newest = self._workers.extremes(found)
            if wanted == newest or wanted < 0:
                break
        if wanted == _BROKEN:
            tracker.info(f"a checkpoint in {self._directory} is damaged; training begins anew")
        return load(stored, trained) if stored is not None and wanted >= 0 else None

    def _read(self, step: int) -> tuple[Stored | None, int]:
        try:
            stored = self._file(step).read()
        except DAMAGED:
            return None, _BROKEN
        return stored, _NONE if stored is None else step

    def _file(self, step: int) -> Checkpoint:
        rank, count = self._workers.rank, self._workers.count
        name = f"training.{rank}-of-{count}.{step // _EPOCH}-{step % _EPOCH}.safetensors"
        return Checkpoint(self._directory / name, self._identity)

    def _written(self) -> dict[int, Path]:
        """Step -> file, of this process."""
        start = re.escape(f"training.{self._workers.rank}-of-{self._workers.count}.")
        names = re.compile(start + r"(\d+)-(\d+)\.safetensors")
        found = {path: names.fullmatch(path.name) for path in self._directory.glob("training.*.safetensors")}
        return {int(match[1]) * _EPOCH + int(match[2]): path for path, match in found.items() if match}
