"""The weights of a module as one safetensors file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recsys.atomic import atomic_path
from recsys.errors import ArtifactError


def save_module(module: nn.Module, path: Path) -> None:
    """Parameters and buffers of ``module``, atomically."""
    with atomic_path(path) as beside:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, beside)


def load_module(path: Path) -> dict[str, Tensor]:
    """What `save_module` wrote, for ``load_state_dict``.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} does not hold weights ({error}); pretrain again") from error
    return weights
