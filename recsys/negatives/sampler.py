"""Shared negatives, and the interface of their samplers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Candidates:
    """Negatives shared by all positions of a batch.

    Args:
        rows: int64 [C], item rows; drawn with replacement, so repeats occur.
        log_q: float32 [C], the log of the expected count of the row among the C: ``log(C * q_row)``.
    """

    rows: NDArray[np.int64]
    log_q: NDArray[np.float32]


class Sampler(Protocol):
    """Draws the negatives of a batch."""

    def sample(self, targets: NDArray[np.int64], rng: np.random.Generator) -> Candidates:
        """Candidates for positions whose true items are ``targets`` [N]."""
        ...


class SamplerFactory(Protocol):
    """Builds a sampler from the training counts int64 [I] of the items and the number of negatives."""

    def __call__(self, counts: NDArray[np.int64], n: int, **options: Any) -> Sampler: ...
