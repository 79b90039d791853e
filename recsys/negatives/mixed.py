"""Mixed negative sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.negatives.in_batch import InBatch
from recsys.negatives.popularity import Popularity
from recsys.negatives.sampler import Candidates


class Mixed:
    """Mixed negative sampling (Yang et al., WWW 2020): half in-batch negatives, half drawn from the catalogue.

    The expected count of an item is the sum over both halves.

    Args:
        counts: int64 [I], training interactions of each item.
        n: C.
        sampling_exponent: of the half drawn from the catalogue; 0 is uniform.
        targets: of the half drawn from the batch; see `InBatch`.

    Example:
        >>> negatives = Mixed(np.array([1, 3]), n=4).sample(np.array([1, 1]), np.random.default_rng(0))
        >>> len(negatives.rows)
        4
    """

    def __init__(
        self,
        counts: NDArray[np.int64],
        n: int,
        sampling_exponent: float = 0.0,
        targets: NDArray[np.int64] | None = None,
    ) -> None:
        self._batch = InBatch(counts, n - n // 2, targets=targets)
        self._catalogue = Popularity(counts, max(n // 2, 1), sampling_exponent)

    def sample(self, targets: NDArray[np.int64], rng: np.random.Generator) -> Candidates:
        rows = np.concatenate([part.sample(targets, rng).rows for part in (self._batch, self._catalogue)])
        expected = self._batch.n * self._batch.q[rows] + self._catalogue.n * self._catalogue.q[rows]
        return Candidates(rows, np.log(expected).astype(np.float32))
