"""The features of all users or items, from which each training step takes those of its rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.models.two_tower import Features
from recsys.ranking import fits

Taken = Tensor | dict[str, Tensor]
"""int64 [n], rows that the device of the model looks up; or their values by input name, where it has no copy."""

CPU = torch.device("cpu")
_SHARE = 1 / 4
"""Of the free memory of a device, which the features of one side may take at most."""


class FeatureTable:
    """The features of all users or items; a device holds a copy, so that a step sends it row numbers and no values.

    The copy is made when the first rows are taken. On the CPU, and for features that take more than a quarter of the
    memory that is free on the device, values are gathered here and sent.

    Args:
        values: input name -> values [n, ...], on the CPU.

    Example:
        >>> table = FeatureTable({"year": torch.tensor([1990, 2001, 2010])})
        >>> {name: values.tolist() for name, values in table.gather(table.take(np.array([2, 0]), CPU)).items()}
        {'year': [2010, 1990]}
    """

    def __init__(self, values: Features) -> None:
        self.values = values
        self._copy: tuple[torch.device, dict[str, Tensor] | None] | None = None

    def take(self, rows: NDArray[np.int64], device: torch.device) -> Taken:
        """What `gather` gives the values of ``rows`` from: CPU tensors, to be sent to ``device``."""
        if self._on(device) is None:
            return {name: values[rows] for name, values in self.values.items()}
        return torch.from_numpy(rows)

    def gather(self, taken: Taken) -> dict[str, Tensor]:
        """Input name -> values [n, ...] of the rows of ``taken``, which was sent to the device."""
        if isinstance(taken, dict):
            return taken
        assert self._copy is not None, "rows are taken first"
        assert self._copy[1] is not None, "rows are taken where there is a copy"
        return {name: values[taken] for name, values in self._copy[1].items()}

    def nearest(self, device: torch.device) -> Features:
        """The values of all rows: the copy on ``device``, or those on the CPU."""
        return self._on(device) or self.values

    def _on(self, device: torch.device) -> dict[str, Tensor] | None:
        """The copy on ``device``; None where values are gathered on the CPU."""
        if self._copy is None or self._copy[0] != device:
            self._copy = device, self._copied(device)
        return self._copy[1]

    def _copied(self, device: torch.device) -> dict[str, Tensor] | None:
        if device == CPU or not fits(sum(values.nbytes for values in self.values.values()), device, _SHARE):
            return None
        return {name: values.to(device) for name, values in self.values.items()}
