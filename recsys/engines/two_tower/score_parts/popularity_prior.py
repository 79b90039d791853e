"""The weight of an item's popularity in the score, chosen on validation after training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recsys.engine import Vectors

Floats = NDArray[np.float32]

ALONE = 1e5
"""A weight that ranks by popularity alone, for logits of cosine towers lie within 20."""
WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, ALONE)
"""The weights that are tried beside 0."""
_LEVEL, _ERRORS = 0.01, 2
"""Popularity alone is taken where it is within a hundredth of the best weight, and within two standard errors."""


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


def with_popularity(items: Vectors, popularity: Floats, weight: float) -> Vectors:
    r"""Item vectors with one more component, :math:`\lambda \log(1 + n_i)`; users have a 1 there.

    Args:
        items: [n] vectors.
        popularity: [n], see `log_popularity`.
        weight: :math:`\lambda`.
    """
    return items.with_columns(popularity * np.float32(weight))


def with_constant(users: Vectors) -> Vectors:
    """User vectors with one more component, 1."""
    return users.with_columns(np.ones(len(users), np.float32))


def best_weight(values: Callable[[float], NDArray[np.float64]]) -> float:
    r"""The weight of popularity that is best on validation: post-hoc logit adjustment (Menon et al., ICLR 2021).

    Where little is known of most items, what the towers say of them is noise, and a prior by popularity corrects for
    it; where the towers know better, the weight is 0. A weight must be better than 0 by one standard error of the
    paired differences, for a few validation users prefer some weight by chance. Where popularity alone cannot be told
    from the best weight, it is taken: what the towers then add to it is noise.

    Args:
        values: from a weight to the metric of each validation user.

    Example:
        >>> best_weight(lambda weight: np.full(50, 1 - (weight - 0.5) ** 2))
        0.5
    """
    plain = values(0.0)
    found = {weight: values(weight) for weight in WEIGHTS}
    best = max(found, key=lambda weight: float(found[weight].mean()))
    gain, lead = found[best] - plain, found[best] - found[ALONE]
    if gain.mean() <= standard_error(gain):
        return 0.0
    is_level = lead.mean() <= min(_ERRORS * standard_error(lead), _LEVEL * found[best].mean())
    return ALONE if is_level else best


def standard_error(differences: NDArray[np.float64]) -> float:
    """Of the mean of paired differences; infinite for fewer than two."""
    return float(differences.std(ddof=1)) / np.sqrt(len(differences)) if len(differences) > 1 else np.inf
