"""Anomalies of demand: periods in which an item or a user has far more interactions than forecast from its past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import betainc

from recsys.data.demand.forecast import Drift, fit, forecast, log_likelihood
from recsys.data.demand.periods import DAY, Periods

RATE = 0.01
"""The false discovery rate: the expected share of false ones among all anomalies."""

HISTORY = 4
"""Counts less than this many periods after the first event of their row are not tested: the past is too short."""

LEAST = 10
"""Rows with fewer events in total are not tested."""

_LEAST_ROWS, _USUAL, _TIMES = 20, 0.95, 10.0
"""Newcomers are compared with at least so many rows, whose largest sums, which may be the bursts, are cut at this
quantile; and only sums this many times the mean are far more than it."""
_SIZES = tuple(np.geomspace(0.05, 50, 25).tolist())
_CELLS = 2**20
_PERIODS = (12, 520)


@dataclass(frozen=True)
class Anomaly:
    """A count far above its forecast.

    Args:
        row: of the item or user.
        period: its number.
        count: events of the row in this period.
        expected: the forecast from the earlier periods, given the volume of this one.
        p: p-value, the probability of this count or a larger one.
        history: [T] the counts of the row in all periods.
    """

    row: int
    period: int
    count: int
    expected: float
    p: float
    history: tuple[int, ...]


def report_periods(times: NDArray[np.integer]) -> Periods | None:
    """The newest 520 weeks, or days if there are fewer than 12 weeks; None for fewer than 12 days."""
    fewest, most = _PERIODS
    for seconds in (7 * DAY, DAY):
        periods = Periods.calendar(times, seconds)
        if periods.n >= fewest:
            return periods.last(most)
    return None


def anomalies(counts: sp.csr_array, rate: float = RATE, newcomers: bool = False) -> tuple[list[Anomaly], int]:
    """Counts significantly above their forecast, at a controlled false discovery rate.

    The p-value of a count is the upper tail of the negative binomial of `recsys.data.demand.forecast`, whose parameters
    are fitted to all rows. The procedure of Benjamini & Hochberg (1995) chooses the threshold of p for which the
    expected share of false discoveries is at most ``rate``.

    Args:
        counts: [n, T], events of each row in each period.
        rate: false discovery rate.
        newcomers: whether the first `HISTORY` periods of a row, which has no past yet, are in sum compared with those
            of all rows: of users, not of items, whose launch is a burst by nature.

    Returns:
        The anomalies by ascending p-value, and the number of counts that were tested.
    """
    volume = np.asarray(counts.sum(axis=0), np.float64).ravel()
    rows = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() >= LEAST)
    if not len(rows):
        return [], 0
    size = max(_CELLS // len(volume), 1)
    drift = fit(counts[rows[:: -(-len(rows) // size)]].toarray(), volume)
    found, n_tested = [], 0
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        unlikely, n = _unlikely(counts[block].toarray(), volume, drift, rate)
        found += [(p, int(block[row]), period, mean) for p, row, period, mean in unlikely]
        n_tested += n
    if newcomers:
        new, n = _of_newcomers(counts, rows, rate)
        found += new
        n_tested += n
    found.sort()
    passed = [p <= rate * (place + 1) / n_tested for place, (p, *_) in enumerate(found)]
    flagged = found[: len(passed) - passed[::-1].index(True)] if True in passed else []
    return [_anomaly(counts, *flag) for flag in flagged], n_tested


def _unlikely(
    counts: NDArray[np.floating], volume: NDArray[np.floating], drift: Drift, rate: float
) -> tuple[Iterator[tuple[float, int, int, float]], int]:
    """Counts with a p-value of at most ``rate``, an upper bound of the Benjamini-Hochberg threshold.

    Returns:
        (p-value, row, period, forecast) of each, and the number of counts that were tested.
    """
    found = forecast(counts, volume, drift)
    mean, size = found.share[:, :-1] * volume, found.size[:, :-1]
    known = found.age[:, :-1] >= HISTORY
    above = known & (counts > mean)
    p = betainc(counts[above], size[above], mean[above] / (size[above] + mean[above]))
    rows, periods = np.nonzero(above)
    parts = (p, rows, periods, mean[above])
    kept = (part[p <= rate].tolist() for part in parts)
    return zip(*kept, strict=True), int(known.sum())


def _of_newcomers(
    counts: sp.csr_array, rows: NDArray[np.integer], rate: float
) -> tuple[list[tuple[float, int, int, float]], int]:
    """As `_unlikely`, of the sum of the first periods of ``rows``, by the sums of all; names the largest period."""
    entries = sp.coo_array(counts)
    first = np.full(counts.shape[0], counts.shape[1])
    np.minimum.at(first, entries.row, entries.col)
    early = entries.col < first[entries.row] + HISTORY
    sums = np.bincount(entries.row[early], entries.data[early].astype(np.float64), counts.shape[0])
    own = sums[sums > 0] - 1  # one is there by nature
    if len(own) < _LEAST_ROWS:
        return [], 0
    usual = np.minimum(own, np.quantile(own, _USUAL, method="higher"))
    mean = max(float(usual.mean()), 1 / len(own))
    likely = [log_likelihood(usual, np.full(len(own), mean), np.full(len(own), size)).sum() for size in _SIZES]
    size = _SIZES[int(np.argmax(likely))]
    many = rows[sums[rows] - 1 > _TIMES * mean]
    p = betainc(sums[many] - 1, size, mean / (size + mean))
    found = []
    for row, unlikely in zip(many[p <= rate].tolist(), p[p <= rate].tolist(), strict=True):
        periods = slice(int(first[row]), int(first[row]) + HISTORY)
        found.append((unlikely, row, periods.start + int(counts[[row]].toarray()[0, periods].argmax()), mean + 1))
    return found, len(rows)


def _anomaly(counts: sp.csr_array, p: float, row: int, period: int, mean: float) -> Anomaly:
    history = counts[[row]].toarray()[0]
    return Anomaly(row, period, int(history[period]), mean, p, tuple(history.astype(int).tolist()))
