"""The weight of an item's popularity in the score, chosen on validation after training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING
from recsys.engine import Vectors

Floats = NDArray[np.float32]

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 1e5)
"""The weights that are tried; the logits of cosine towers lie within 20, the last one ranks by it alone."""


PRIOR_USERS = 10_000
"""Validation users on whom the weight is chosen, at most."""


def log_popularity(counts: NDArray[np.integer]) -> Floats:
    """float32 [I]: the logarithm of one plus the interactions of each item, less its mean; 0 for items without any.

    Args:
        counts: [I], training interactions of each item.

    Example:
        >>> log_popularity(np.array([1, 7, 0])).astype(float).round(2).tolist()
        [-0.69, 0.69, 0.0]
    """
    logs, seen = np.log1p(counts), counts > 0
    return np.where(seen, logs - (logs[seen].mean() if seen.any() else 0.0), 0.0).astype(np.float32)


def with_popularity(items: Vectors, rows: NDArray[np.integer], popularity: Floats, weight: float) -> Vectors:
    r"""Item vectors with one more component, :math:`\lambda \log(1 + n_i)`; users have a 1 there.

    Args:
        items: [n] dense vectors.
        rows: [n], the row in ``popularity`` of each; MISSING for an item without interactions, which is average.
        popularity: [I], see `log_popularity`.
        weight: :math:`\lambda`.
    """
    assert items.dense is not None
    column = np.where(rows == MISSING, 0.0, popularity[rows]).astype(np.float32) * np.float32(weight)
    return Vectors(np.concatenate([items.dense, column[:, None]], 1), items.sparse, items.valid)


def with_constant(users: Vectors) -> Vectors:
    """User vectors with one more component, 1."""
    assert users.dense is not None
    return Vectors(np.concatenate([users.dense, np.ones((len(users), 1), np.float32)], 1), users.sparse, users.valid)


def best_weight(values: Callable[[float], NDArray[np.float64]]) -> float:
    r"""The weight of popularity that is best on validation: post-hoc logit adjustment (Menon et al., ICLR 2021).

    Where little is known of most items, what the towers say of them is noise, and a prior by popularity corrects for
    it; where the towers know better, the weight is 0. A weight must be better than 0 by one standard error of the
    paired differences, for a few validation users prefer some weight by chance.

    Args:
        values: from a weight to the metric of each validation user.

    Example:
        >>> best_weight(lambda weight: np.full(50, 1 - (weight - 0.5) ** 2))
        0.5
    """
    plain = values(0.0)
    gains = {weight: values(weight) - plain for weight in WEIGHTS[1:]}
    best = max(gains, key=lambda weight: float(gains[weight].mean()))
    gain = gains[best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
    return best if gain.mean() > max(error, 0.0) else 0.0
