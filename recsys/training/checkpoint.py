"""Checkpoints: everything a killed training needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recsys.atomic import atomic_path


class Checkpoint:
    """One safetensors file: weights, optimizer moments, averaged and best weights; the progress is its metadata.

    Args:
        path: the file.
        identity: config, data and code that the training belongs to; a file of another identity is not resumed.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    def save(
        self,
        progress: Mapping[str, Any],
        module: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        ema: nn.Module | None,
        best: Mapping[str, Tensor],
    ) -> None:
        """Replaces the file atomically."""
        parts = {"module": module.state_dict(), "best": best, "optimizer": _moments(optimizers)}
        if ema is not None:
            parts["ema"] = ema.state_dict()
        tensors = {f"{part}/{k}": v.detach().cpu().clone() for part, values in parts.items() for k, v in values.items()}
        metadata = {"progress": json.dumps(dict(progress)), "identity": self.identity}
        with atomic_path(self.path) as beside:
            save_file(tensors, beside, metadata)

    def restore(
        self, module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], ema: nn.Module | None
    ) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Loads what `save` wrote into the arguments; the progress and best weights, or None to start anew."""
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("identity") != self.identity:
                    return None
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        module.load_state_dict(_part(tensors, "module"))
        if ema is not None:
            ema.load_state_dict(_part(tensors, "ema"))
        for place, optimizer in enumerate(optimizers):
            _load_moments(optimizer, _part(tensors, f"optimizer/{place}"))
        return json.loads(metadata["progress"]), _part(tensors, "best")


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _moments(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    return {
        f"{place}/{number}/{key}": value
        for place, optimizer in enumerate(optimizers)
        for number, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def _load_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
