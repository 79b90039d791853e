r"""One-step-ahead forecasts of event counts by a local-level model with gamma-Poisson updates.

Of all events of a period, :math:`V_t`, a row (an item, a user) has the share :math:`s_t`; its count is Poisson with
mean :math:`V_t s_t`. The share has a gamma distribution, and past counts are discounted by :math:`\delta` per period
(Harvey & Fernandes, 1989, "Time series models for count or qualitative observations"), so that the next count is
negative binomial:

.. math:: a_t = a_0 + \sum_{s<t} \delta^{t-1-s} y_s, \quad b_t = a_0 / m + \sum_{s<t} \delta^{t-1-s} V_s, \quad
   \mathrm{E}\, y_t = \mu = V_t a_t / b_t, \quad \mathrm{Var}\, y_t = \mu + \mu^2 (1 / a_t + \alpha)

with :math:`m` the mean share and :math:`\alpha` the overdispersion of bursts. Sums start at the first event of a row.
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
"""The most rows, evenly spaced, that the parameters are fitted to."""


@dataclass(frozen=True)
class Drift:
    """The parameters of the forecast, shared by all rows.

    Args:
        mean: m, the mean share of the volume that a row has from its first event on.
        discount: delta, the factor of past counts per period, from 0 (only the newest counts) to below 1.
        prior: a_0, the weight of the mean share, in events.
        dispersion: alpha; 0 leaves a gamma-Poisson model without extra variance.
    """

    mean: float
    discount: float = 0.8
    prior: float = 0.3
    dispersion: float = 0.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of each period from the periods before it; the last column forecasts the period after the data.

    Args:
        share: float64 [n, T + 1], the expected share of the period's volume.
        size: float64 [n, T + 1], the size of the negative binomial, whose variance is mean + mean^2 / size.
        age: int64 [n, T + 1], periods since the row's first event; where it is below 1 the forecast is the prior.
    """

    share: Floats
    size: Floats
    age: NDArray[np.int64]


def forecast(counts: NDArray[np.floating], volume: NDArray[np.floating], drift: Drift) -> Forecast:
    """One-step-ahead forecasts of all periods.

    Args:
        counts: [n, T]; each row has at least one event.
        volume: [T], the events of all rows, including those that are not in ``counts``.
        drift: the parameters.

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
    """Maximum likelihood fit of `Drift` on a grid, given the counts after each row's first period.

    Args:
        counts: [n, T]; each row has at least one event.
        volume: [T], the events of all rows.
    """
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
    """Forecast of the period after ``volume`` [T]: an exponentially weighted mean.

    The factor of the weights per period is the one of 1 and `DISCOUNTS` with the lowest Poisson deviance of the
    one-step-ahead forecasts.

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
    """Log-likelihood of negative binomial counts, up to a term that depends on the counts only.

    Args:
        counts: float64, any shape.
        mean: of the same shape.
        size: of the same shape; the variance is ``mean + mean**2 / size``.

    Example:
        >>> log_likelihood(np.array([0.0]), np.array([1.0]), np.array([1.0])).round(4).tolist()
        [-0.6931]
    """
    result: Floats = -size * np.log1p(mean / size)
    some = counts > 0  # most counts are 0, for which everything else is
    y, expected, n = counts[some], mean[some], size[some]
    known = y * np.log(np.maximum(expected, 1e-12) / (n + expected)) + result[some]
    result[some] = known + (gammaln(y + n) - gammaln(n))
    return result
