"""Negatives drawn by a power of their popularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.negatives.sampler import Candidates


class Popularity:
    r"""Draws with replacement from :math:`q_j \propto n_j^\alpha`, over items that training saw.

    Args:
        counts: int64 [I], training interactions of each item.
        n: C, negatives a batch.
        sampling_exponent: 1 is the popularity itself, 0 is uniform, 0.75 is word2vec's choice.
    """

    def __init__(self, counts: NDArray[np.int64], n: int, sampling_exponent: float = 0.75) -> None:
        weight = np.where(counts > 0, counts.astype(np.float64) ** sampling_exponent, 0.0)
        self.n = n
        self.q: NDArray[np.float64] = weight / weight.sum()
        self._cumulative = np.cumsum(self.q)
        self._cumulative /= self._cumulative[-1]

    def sample(self, targets: NDArray[np.int64], rng: np.random.Generator) -> Candidates:
        rows = np.searchsorted(self._cumulative, rng.random(self.n), side="right")
        return Candidates(rows.astype(np.int64), np.log(self.n * self.q[rows]).astype(np.float32))


def uniform(counts: NDArray[np.int64], n: int, sampling_exponent: float = 0.0) -> Popularity:
    """Every item that training saw is as likely as any other."""
    return Popularity(counts, n, 0.0)
