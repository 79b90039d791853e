"""Decay of weights by age: a half-life and the moment that ages are counted from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.errors import ArtifactError
from recsys.files.stored_json import read_object

_DAY = 86_400
_LEAST = 1e-6
"""The least factor, so that no weight becomes zero and each can be had back."""


@dataclass(frozen=True)
class Decay:
    r"""Weights times :math:`2^{-a / h}` with the age a, counted from the newest interaction, and the half-life h.

    Args:
        half_life_days: h.
        newest: the moment of age 0, seconds since 1970 UTC.
    """

    half_life_days: float
    newest: int

    def factor(self, time: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """float64 [n], the factor of a weight.

        Args:
            time: [n], seconds; NaN has the factor 1.

        Example:
            >>> Decay(half_life_days=1, newest=86_400).factor(np.array([0.0, 86_400.0])).tolist()
            [0.5, 1.0]
        """
        factor = np.maximum(np.exp2((time - self.newest) / (_DAY * self.half_life_days)), _LEAST)
        return np.where(np.isnan(factor), 1.0, factor)

    @classmethod
    def read(cls, path: Path) -> Decay:
        """The decay of a JSON file.

        Raises:
            ArtifactError: it does not hold a half-life and a moment.
        """
        value = read_object(path, "half_life_days", "newest")
        half_life, newest = value["half_life_days"], value["newest"]
        good = isinstance(half_life, (int, float)) and type(newest) is int and abs(newest) < 2**62
        if not good or not isfinite(half_life) or half_life <= 0:
            raise ArtifactError(f"{path} does not hold a half-life and a moment; prepare the data again")
        return cls(half_life, newest)

    def to_dict(self) -> dict[str, float]:
        """JSON values."""
        return asdict(self)


def latest(first: Decay | None, second: Decay | None) -> Decay | None:
    """The half-life of ``second``, counted from the newer of both moments; None where ``second`` does not decay."""
    if first is None or second is None:
        return second
    return replace(second, newest=max(first.newest, second.newest))


def redecayed(events: Interactions, before: Decay | None, after: Decay | None = None) -> Interactions:
    """``events``, whose weights decayed as ``before`` says, as ``after`` says; None does not decay."""
    if before == after:
        return events
    weight = events.weight.astype(np.float64)
    weight = weight if before is None else weight / before.factor(events.time)
    weight = weight if after is None else weight * after.factor(events.time)
    return replace(events, weight=weight.astype(np.float32))
