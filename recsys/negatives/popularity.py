"""Popularity-based and uniform negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.negatives.sampler import Candidates


class Popularity:
    r"""Popularity-based negatives: drawn with replacement from :math:`q_j \propto n_j^\alpha` over trained items.

    Args:
        counts: int64 [I], training interactions of each item.
        n: C, negatives per batch.
        sampling_exponent: :math:`\alpha`; 1 is the popularity itself, 0 is uniform, 0.75 is word2vec's choice.

    Example:
        >>> negatives = Popularity(np.array([0, 1, 3]), n=4, sampling_exponent=1.0).sample(
        ...     np.array([1]), np.random.default_rng(0)
        ... )
        >>> negatives.rows.tolist(), np.exp(negatives.log_q).round(2).tolist()
        ([2, 2, 1, 1], [3.0, 3.0, 1.0, 1.0])
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
    """Uniform negatives: every item with a training interaction is equally likely."""
    return Popularity(counts, n, 0.0)
