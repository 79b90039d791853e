"""In-batch negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.negatives.sampler import Candidates


class InBatch:
    r"""In-batch negatives: ``n`` targets of the batch, drawn with replacement.

    Item j is expected :math:`n \, q_j` times with :math:`q_j = n_j / \sum_i n_i`, its share of all training targets.

    Args:
        counts: int64 [I], training interactions of each item.
        n: C.
        sampling_exponent: not used.
        targets: int64 [I], how often each item is a target; None: ``counts``.

    Example:
        >>> negatives = InBatch(np.array([1, 3]), n=2).sample(np.array([1, 1]), np.random.default_rng(0))
        >>> negatives.rows.tolist(), np.exp(negatives.log_q).round(2).tolist()
        ([1, 1], [1.5, 1.5])
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
