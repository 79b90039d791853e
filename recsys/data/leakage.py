r"""Columns that follow what was held out: a rank correlation with held-out counts at equal training counts.

A column that was computed from the whole log, such as the number of sales up to today, tells which items will be
chosen in the test. Among entities with (nearly) the same number of training interactions n, it goes up with the
number h of held-out ones; a column of which train knew all does so only as far as the recent trend goes:

.. math:: \rho_c = \mathrm{corr}(\tilde r(c), \tilde r(h)), \quad \rho_0 = \mathrm{corr}(\tilde r(n'), \tilde r(h)),

with :math:`\tilde r` the ranks minus their mean over the entities of equal n, and n' the counts of the newest training
interactions, as many as are held out. The column leaks where the lower end of the interval of :math:`|\rho_c|` is
above :math:`|\rho_0| + 0.05` and above 0.25.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.column_profile import ColumnWarning
from recsys.data.splits.partition import Split
from recsys.data.vocabulary import row_counts

_GROUP = 20
"""Entities in a group of (nearly) equal training counts, at least."""
_LEAST, _MARGIN = 0.25, 0.05
_SIGMAS = 3.0
_LEAST_ENTITIES = 60


@dataclass(frozen=True, eq=False)
class Counts:
    """Interactions of each of n entities, users or items.

    Args:
        train: int64 [n], in train.
        recent: int64 [n], in the newest part of train, which has as many as are held out; None without an order.
        held_out: int64 [n], in validation and test.
    """

    train: NDArray[np.int64]
    recent: NDArray[np.int64] | None
    held_out: NDArray[np.int64]

    @classmethod
    def of(cls, split: Split, what: str, size: int, has_order: bool) -> Counts:
        """The counts of ``what``, ``item`` or ``user``, in the parts of a split.

        Args:
            split: train, validation and test.
            what: whose interactions are counted.
            size: n.
            has_order: whether the times of interactions order them.
        """
        parts = split.validation.targets, split.test.targets
        held_out = np.concatenate([getattr(part, what) for part in parts])
        recent = None
        if has_order:
            newest = np.argsort(split.train.time, kind="stable")[-max(len(held_out), 1) :]
            recent = np.bincount(getattr(split.train, what)[newest], minlength=size)
        counted = row_counts(getattr(split.train, what), size)
        return cls(counted, recent, np.bincount(held_out, minlength=size))


@dataclass(frozen=True)
class Leak:
    r"""How a column follows held-out counts at equal training counts.

    Args:
        correlation: :math:`\rho_c`.
        low: lower end of the interval of its absolute value.
        reference: :math:`|\\rho_0|`, that of recent training counts; 0 without an order.
    """

    correlation: float
    low: float
    reference: float

    @property
    def leaks(self) -> bool:
        """Whether the column follows held-out counts more than anything that train knows does."""
        return self.low > max(self.reference + _MARGIN, _LEAST)

    def warning(self) -> ColumnWarning:
        """The warning of a column that leaks."""
        return ColumnWarning(
            "leaking",
            f"among entities of equal training counts it follows the held-out counts (rank correlation "
            f"{self.correlation:+.2f}, that of recent training counts {self.reference:.2f}): it may have been "
            "computed from the interactions that are held out",
            "compute it from earlier interactions alone, or leave it out",
        )


def leak(values: NDArray[np.float64], counts: Counts) -> Leak | None:
    """How ``values`` [n] follow the held-out counts; None where too few are known or nothing varies.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> train, later = rng.poisson(20, 400), rng.poisson(4, 400)
        >>> counts = Counts(train, None, later)
        >>> leak((train + later).astype(float), counts).leaks, leak(train.astype(float), counts).leaks
        (True, False)
    """
    known = np.isfinite(values) & (counts.train + counts.held_out > 0)
    if known.sum() < _LEAST_ENTITIES:
        return None
    train = counts.train[known]
    later = _centred(counts.held_out[known], train)
    found = _correlation(_centred(values[known], train), later)
    if found is None:
        return None
    reference = None if counts.recent is None else _correlation(_centred(counts.recent[known], train), later)
    low = np.tanh(np.arctanh(min(abs(found), 0.999999)) - _SIGMAS / np.sqrt(known.sum() - 3))
    return Leak(found, float(max(low, 0.0)), abs(reference or 0.0))


def _centred(values: NDArray[np.generic], train: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks minus their mean over the entities of the same, or nearly the same, training count."""
    ranks = pd.Series(values).rank().to_numpy(np.float64)
    levels, level = np.unique(train, return_inverse=True)
    above = np.cumsum(np.bincount(level))  # small levels join until a group is large enough
    group = np.zeros(len(levels), np.int64)
    start = 0
    for place in range(1, len(levels)):
        full = above[place - 1] - start >= _GROUP
        start = above[place - 1] if full else start
        group[place] = group[place - 1] + full
    member = group[level]
    means = np.bincount(member, ranks) / np.maximum(np.bincount(member), 1)
    centred: NDArray[np.float64] = ranks - means[member]
    return centred


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-9 else None
