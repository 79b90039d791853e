"""Devices that compute while Python goes on."""

from __future__ import annotations

from torch import Tensor


def runs_ahead(tensor: Tensor) -> bool:
    """Whether to read a value of ``tensor``, or a size that depends on its values, is to wait for its device.

    A step of training that never reads one is prepared while the device computes the step before. Where this is true,
    sizes come from the host, or are those of the largest case.
    """
    return tensor.is_cuda
