"""Lists of `implicit` from given vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

_BATCH = 4096


def lists(
    factors: Sequence[NDArray[np.float32]], seen: tuple[NDArray[np.integer], NDArray[np.integer]], k: int
) -> None:
    """Makes the top ``k`` of every user, without what was seen.

    Args:
        factors: [U, D] of users and [I, D] of items.
        seen: rows of users and items.
        k: length of a list.
    """
    model = AlternatingLeastSquares(factors=factors[0].shape[1], num_threads=torch.get_num_threads())
    model.user_factors, model.item_factors = factors
    shape = len(factors[0]), len(factors[1])
    matrix = sp.csr_matrix((np.ones(len(seen[0]), np.float32), tuple(seen)), shape)
    with threadpool_limits(1, "blas"):  # as it asks for: its own threads take the batches
        for start in range(0, shape[0], _BATCH):
            rows = np.arange(start, min(start + _BATCH, shape[0]))
            model.recommend(rows, matrix[rows], N=k)
