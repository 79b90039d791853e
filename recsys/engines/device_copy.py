"""A trained network on the device that ranks its engine, so that users and items are encoded there too."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from recsys.engine import Engine
from recsys.ranking import device_of, fits

N = TypeVar("N", bound=nn.Module)

_WEIGHTS, _VECTORS = 1 / 2, 1 / 4
"""Of the free memory of a device, which the weights of a network and the encoded items may take at most."""


class DeviceCopy(Generic[N]):
    """The copy of an engine's network on the device that ranks the engine.

    The network itself lies on the CPU between trainings, where it is saved, fine-tuned and exported from. The copy is
    made when it is first asked for and kept until the engine has another network, or `clear` is called.
    """

    def __init__(self) -> None:
        self._held: tuple[N, N] | None = None

    def of(self, engine: Engine, network: N) -> N:
        """The network that encodes for ``engine``: the copy of ``network`` on the device, in evaluation mode.

        It is ``network`` itself in a training, which has it on the device already, for an engine that the CPU ranks,
        and where the weights would take more than half of the memory that is free on the device.
        """
        held = self._held  # another thread may replace it meanwhile
        if held is None or held[0] is not network:
            held = self._held = network, _copied(network, device_of(engine))
        return held[1]

    def clear(self) -> None:
        """Forgets the copy, for the weights of the network have changed."""
        self._held = None


def near(vectors: Tensor, network: nn.Module) -> Tensor:
    """``vectors`` of items on the device of ``network``; as they are where they take a quarter of its free memory."""
    device = next(network.parameters()).device
    return vectors.to(device) if fits(vectors.nbytes, device, _VECTORS) else vectors


def _copied(network: N, device: torch.device | None) -> N:
    weights = [*network.parameters(), *network.buffers()]
    if device is None or any(part.device.type != "cpu" for part in weights):
        return network
    if not fits(sum(part.nbytes for part in weights), device, _WEIGHTS):
        return network
    there: dict[int, Tensor] = {id(part): part.detach().to(device, copy=True) for part in network.buffers()}
    there |= {id(part): nn.Parameter(part.detach().to(device, copy=True), False) for part in network.parameters()}
    return copy.deepcopy(network, there).eval()  # the tensors are taken from there: no second copy on the CPU
