"""The other targets of the batch as negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.negatives.sampler import Candidates


class InBatch:
    r"""Draws ``n`` of the batch's own targets with replacement, so that item j is expected :math:`n \cdot q_j` times.

    Of all targets of the training, item j is :math:`q_j = n_j / \sum_i n_i`.

    Args:
        counts: int64 [I], training interactions of each item.
        n: C.
        sampling_exponent: takes no part; the batch decides.
        targets: int64 [I], how often each item is a target, where that is not ``counts``: when a part is learnt from.
    """

    def __init__(
        self,
        counts: NDArray[np.int64],
        n: int,
        sampling_exponent: float = 1.0,
        targets: NDArray[np.int64] | None = None,
    ) -> None:
        counts = counts if targets is None else targets
        self.n = n
        self.q: NDArray[np.float64] = counts / counts.sum()

    def sample(self, targets: NDArray[np.int64], rng: np.random.Generator) -> Candidates:
        rows = targets[rng.integers(len(targets), size=self.n)]
        return Candidates(rows, np.log(self.n * self.q[rows]).astype(np.float32))
