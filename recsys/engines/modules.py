"""Networks of stored engines: built only after their shapes were compared with the stored weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from recsys.config import Config
from recsys.errors import ArtifactError

N = TypeVar("N", bound=nn.Module)

_EXTENTS = ("dim", "heads", "expansion")


def load_module(build: Callable[[], N], weights: Mapping[str, Tensor], options: Config, kind: str) -> N:
    """The network that ``build`` makes, with the stored ``weights``, in evaluation mode.

    A changed config may ask for a network of any size. So its numbers are compared with the weights first, and it is
    built without memory (on PyTorch's meta device) before it is built in earnest.

    Args:
        build: makes the network with fresh weights.
        weights: its state.
        options: that ``build`` makes it from.
        kind: of the engine, for messages.

    Raises:
        ArtifactError: the network has other tensors or shapes than ``weights``.
    """
    _check_sizes(options, weights, kind)
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise ArtifactError(
            f"the engine {kind} has weights that do not fit its config: {name} is {found.get(name, 'missing')}, where "
            f"the config asks for {expected.get(name, 'none')}; copy the bundle again, or train again"
        )
    module = build()
    module.load_state_dict(dict(weights))
    module.eval()
    return module


def _check_sizes(options: Config, weights: Mapping[str, Tensor], kind: str) -> None:
    """Refuses widths above the largest extent of all weights, and more layers than there are tensors."""
    largest = max((size for value in weights.values() for size in value.shape), default=0)
    limits = {**dict.fromkeys(_EXTENTS, largest), "layers": len(weights)}
    for name, limit in limits.items():
        value = getattr(options, name, None)
        if isinstance(value, int) and value > limit:
            raise ArtifactError(
                f"the engine {kind} has weights that do not fit its config: {name} = {value} asks for more than its "
                f"{len(weights)} stored tensors hold; copy the bundle again, or train again"
            )
