"""Finite checks of the stored numbers of an engine, before they are stored and before they are used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from torch import Tensor

from recsys.errors import ArtifactError

_BLOCK = 2**24
"""Numbers that are read at once, so that a large matrix is not held in memory twice."""


def check_finite_files(directory: Path, kind: str) -> None:
    """Checks that no tensor in the ``.safetensors`` files under ``directory`` holds NaN or infinity.

    Args:
        directory: of an engine, its parts included.
        kind: of the engine, for the message.

    Raises:
        ArtifactError: names the engine, the first such tensor and the remedy.
    """
    for path in sorted(directory.rglob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                if not all(bool(torch.isfinite(block).all()) for block in _blocks(file, name)):
                    raise ArtifactError(
                        f"the engine {kind} holds NaN or infinity in {name!r} of {path.relative_to(directory)}, so its "
                        "lists would mean nothing; train it again, with a lower learning rate or with options "
                        "(regularization, decay) of an ordinary size"
                    )


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...
    def __getitem__(self, rows: slice) -> Tensor: ...


class _File(Protocol):
    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> Tensor: ...


def _blocks(file: _File, name: str) -> Iterator[Tensor]:
    """The floating-point tensor ``name`` in blocks of rows; nothing for integers."""
    part = file.get_slice(name)
    shape = part.get_shape()
    if not part.get_dtype().startswith(("F", "BF")):
        return
    if not shape or 0 in shape:
        yield file.get_tensor(name)
        return
    rows = max(1, _BLOCK * shape[0] // max(torch.Size(shape).numel(), 1))
    for start in range(0, shape[0], rows):
        yield part[start : start + rows]
