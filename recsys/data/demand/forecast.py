r"""Demand by period, forecast one period ahead from the periods before it: counts with a level that drifts.

Of all events of a period, :math:`V_t`, a row (an item, a user) has the share :math:`s_t`; its count is Poisson with
mean :math:`V_t s_t`. The share has a gamma distribution whose evidence fades by the discount :math:`\delta` from period
to period (Harvey & Fernandes, 1989, "Time series models for count or qualitative observations"), so that the next count
is negative binomial:

.. math:: a_t = a_0 + \sum_{s<t} \delta^{t-1-s} y_s, \quad b_t = a_0 / m + \sum_{s<t} \delta^{t-1-s} V_s, \quad
   \mathrm{E}\, y_t = \mu = V_t a_t / b_t, \quad \mathrm{Var}\, y_t = \mu + \mu^2 (1 / a_t + \alpha)

with :math:`m` the mean share, and :math:`\alpha` for what comes in bursts. A row is forecast from its first event on;
the periods before it are no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]

DISCOUNTS = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
PRIORS = (0.03, 0.1, 0.3, 1.0, 3.0)
DISPERSIONS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_ROWS = 1000
"""So many rows, evenly spread, are enough to fit a few numbers."""


@dataclass(frozen=True)
class Drift:
    """The parameters of the forecast, shared by all rows.

    Args:
        mean: m, the share of the volume that a row has on average from its first event on.
        discount: what a period's evidence is worth one period later.
        prior: a_0, evidence for the mean share, in events.
        dispersion: alpha.
    """

    mean: float
    discount: float = 0.8
    prior: float = 0.3
    dispersion: float = 0.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """One-step-ahead forecasts, each from the earlier periods; the last column is the next period.

    Args:
        share: float64 [n, T + 1], of the period's volume.
        size: float64 [n, T + 1], of the negative binomial: the variance is mean + mean^2 / size.
        age: int64 [n, T + 1], periods since the row's first event; below 1 there is nothing to forecast from.
    """

    share: Floats
    size: Floats
    age: NDArray[np.int64]


def forecast(counts: NDArray[np.floating], volume: NDArray[np.floating], drift: Drift) -> Forecast:
    """The forecast of each period.

    Args:
        counts: [n, T], each row with an event.
        volume: [T], the events of all rows there are, those that are not among ``counts`` included.
        drift: what is common to all rows.

    Example:
        >>> found = forecast(np.array([[4.0, 0], [0, 8]]), np.array([4.0, 8]), Drift(0.5, discount=0.5, prior=2))
        >>> found.share.round(3).tolist(), found.size.tolist()
        ([[0.5, 0.75, 0.286], [0.5, 0.5, 0.833]], [[2.0, 6.0, 4.0], [2.0, 2.0, 10.0]])
    """
    n, periods = counts.shape
    age = np.arange(periods + 1) - np.argmax(counts > 0, axis=1)[:, None]
    seen, exposed = np.zeros((n, periods + 1)), np.zeros((n, periods + 1))
    for t in range(periods):
        seen[:, t + 1] = drift.discount * seen[:, t] + counts[:, t]
        exposed[:, t + 1] = drift.discount * exposed[:, t] + volume[t] * (age[:, t] >= 0)
    evidence = drift.prior + seen
    share = evidence / (drift.prior / drift.mean + exposed)
    return Forecast(share, 1 / (1 / evidence + drift.dispersion), age)


def fit(counts: NDArray[np.floating], volume: NDArray[np.floating]) -> Drift:
    """The `Drift` on a grid under which the counts after each row's first period are likeliest."""
    sample = counts[:: -(-len(counts) // _ROWS)].astype(np.float64)
    living = np.cumsum(sample > 0, axis=1) > 0
    mean = float(sample.sum() / (living * volume).sum())
    known = living[:, :-1] if sample.shape[1] > 1 else living[:, :0]
    y, total = sample[:, 1:][known], np.broadcast_to(volume[1:], known.shape)[known]
    best, chosen = -np.inf, Drift(mean)
    for discount, prior in product(DISCOUNTS, PRIORS):
        drift = Drift(mean, discount, prior)
        found = forecast(sample, volume, drift)
        expected, size = found.share[:, 1:-1][known] * total, found.size[:, 1:-1][known]
        for dispersion in DISPERSIONS:
            likely = float(log_likelihood(y, expected, 1 / (1 / size + dispersion)).sum())
            if likely > best:
                best, chosen = likely, replace(drift, dispersion=dispersion)
    return chosen


def volume_ahead(volume: NDArray[np.floating]) -> float:
    """The volume of the period after ``volume`` [T]: a mean whose weights fade into the past.

    They fade by the discount, 1 included, that forecast each period from those before it with the least Poisson
    deviance.

    Example:
        >>> volume_ahead(np.array([4.0, 2, 6, 3, 5])), round(volume_ahead(np.array([8.0, 8, 8, 1, 1, 1, 1])), 3)
        (4.0, 1.0)
    """
    best, chosen = np.inf, float(volume.mean())
    for discount in (1.0, *DISCOUNTS[::-1]):
        total, weight, loss = 0.0, 0.0, 0.0
        for y in volume.tolist():
            if weight:
                mean = max(total / weight, 1e-9)
                loss += mean - y * np.log(mean)
            total, weight = discount * total + y, discount * weight + 1
        if loss < best:
            best, chosen = loss, total / weight
    return chosen


def log_likelihood(counts: Floats, mean: Floats, size: Floats) -> Floats:
    """Of negative binomial counts with variance ``mean + mean**2 / size``, but for what depends on the counts alone.

    Example:
        >>> log_likelihood(np.array([0.0]), np.array([1.0]), np.array([1.0])).round(4).tolist()
        [-0.6931]
    """
    binomial = gammaln(counts + size) - gammaln(size)
    known: Floats = counts * np.log(np.maximum(mean, 1e-12) / (size + mean)) - size * np.log1p(mean / size)
    result: Floats = known + binomial
    return result
