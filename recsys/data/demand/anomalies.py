"""Anomalies: periods in which an item or a user had far more events than its own past forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import betainc

from recsys.data.demand.forecast import Drift, fit, forecast
from recsys.data.demand.periods import DAY, Periods

RATE = 0.01
"""Share of all flags that may be chance."""

HISTORY = 4
"""Periods since its first event after which a row is looked at: what is new has no past to forecast from."""

LEAST = 10
"""Rows with fewer events are not looked at."""

_CELLS = 2**20
_PERIODS = (12, 520)


@dataclass(frozen=True)
class Anomaly:
    """A count far above its forecast.

    Args:
        row: of the item or user.
        period: which.
        count: events in it.
        expected: the forecast from the periods before it, given the volume of this one.
        p: the chance of so many or more.
        history: [T] the counts of the row.
    """

    row: int
    period: int
    count: int
    expected: float
    p: float
    history: tuple[int, ...]


def report_periods(times: NDArray[np.integer]) -> Periods | None:
    """Weeks, or days where there are fewer than 12 weeks, the newest 520; None where there are fewer than 12 days."""
    fewest, most = _PERIODS
    for seconds in (7 * DAY, DAY):
        periods = Periods.calendar(times, seconds)
        if periods.n >= fewest:
            return periods.last(most)
    return None


def anomalies(counts: sp.csr_array, rate: float = RATE) -> tuple[list[Anomaly], int]:
    """The counts above their forecast that chance does not explain, the least likely first; how many were looked at.

    A count is compared with the negative binomial of `recsys.data.demand.forecast`, whose few parameters are fitted to
    all rows.
    Its upper tail gives p, and the procedure of Benjamini & Hochberg (1995) chooses how small p must be, so that of
    all that is flagged a share of ``rate`` is expected to be chance.

    Args:
        counts: [n, T], events of each row in each period.
        rate: see above.
    """
    volume = np.asarray(counts.sum(axis=0), np.float64).ravel()
    rows = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() >= LEAST)
    if not len(rows):
        return [], 0
    size = max(_CELLS // len(volume), 1)
    drift = fit(counts[rows[:: -(-len(rows) // size)]].toarray(), volume)
    found, looked = [], 0
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        there, n = _unlikely(counts[block].toarray(), volume, drift, rate)
        found += [(p, int(block[row]), period, mean) for p, row, period, mean in there]
        looked += n
    found.sort()
    passed = [p <= rate * (place + 1) / looked for place, (p, *_) in enumerate(found)]
    flagged = found[: len(passed) - passed[::-1].index(True)] if True in passed else []
    return [_anomaly(counts, *flag) for flag in flagged], looked


def _unlikely(
    counts: NDArray[np.floating], volume: NDArray[np.floating], drift: Drift, rate: float
) -> tuple[Iterator[tuple[float, int, int, float]], int]:
    """p, row, period and forecast where p is at most ``rate``, which no threshold exceeds; how many were looked at."""
    found = forecast(counts, volume, drift)
    mean, size = found.share[:, :-1] * volume, found.size[:, :-1]
    known = found.age[:, :-1] >= HISTORY
    above = known & (counts > mean)
    p = betainc(counts[above], size[above], mean[above] / (size[above] + mean[above]))
    rows, periods = np.nonzero(above)
    parts = (p, rows, periods, mean[above])
    kept = (part[p <= rate].tolist() for part in parts)
    return zip(*kept, strict=True), int(known.sum())


def _anomaly(counts: sp.csr_array, p: float, row: int, period: int, mean: float) -> Anomaly:
    history = counts[[row]].toarray()[0]
    return Anomaly(row, period, int(history[period]), mean, p, tuple(history.astype(int).tolist()))
