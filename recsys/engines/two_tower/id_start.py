"""Where the id vectors of items begin: at the singular vectors of the interaction matrix."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recsys.data.interactions import Interactions
from recsys.engines.singular import by_degrees, truncated_svd
from recsys.seeding import stream

_LENGTH = 0.3
"""Length of a starting vector; random ones of 64 components with a deviation of .02 have about half of it."""
_NOISE = 0.1
"""Share of the random start that stays, so that items of one direction can part."""


def spectral_start(weight: Tensor, train: Interactions, n_users: int, seed: int) -> None:
    r"""Replaces the rows of ``weight`` [I, D] of items with interactions by spectral vectors, in place.

    .. math:: D_U^{-1/2} R D_I^{-1/2} \approx U S V^\top, \qquad w_i \propto V_i S^{1/2} + \epsilon

    Items that the same users chose begin near each other, as they do in a graph embedding, instead of anywhere; on
    small data, where ids see few steps, that is most of what ids can learn. Other rows stay as they are.

    Args:
        weight: the id table.
        train: the training interactions.
        n_users: size of the user vocabulary.
        seed: of the randomized decomposition.
    """
    matrix = train.to_csr(n_users, len(weight))
    rank = min(weight.shape[1], min(matrix.shape) - 1)
    if rank < 1:
        return
    matrix = by_degrees(matrix, -0.5, -0.5)
    vectors, values = truncated_svd(matrix, rank, stream(seed, "id start"))
    start = vectors * np.sqrt(values)
    start /= np.linalg.norm(start, axis=1, keepdims=True) + 1e-9
    seen = np.flatnonzero(train.item_counts(len(weight)))
    rows = torch.from_numpy(seen)
    with torch.no_grad():
        begun = weight[rows] * _NOISE
        begun[:, : start.shape[1]] += _LENGTH * torch.from_numpy(start[seen].astype(np.float32))
        weight[rows] = begun
