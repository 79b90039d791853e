"""The gamma-Poisson forecast of counts."""

import numpy as np
import pytest
from scipy.stats import nbinom

from recsys.data.demand.forecast import Drift, fit, forecast, log_likelihood
from recsys.data.synthetic.seasonal import SeasonalDemand


def test_the_forecast_worked_out_by_hand():
    counts = np.array([[2.0, 0, 4], [0, 3, 0]])
    found = forecast(counts, np.array([10.0, 20, 40]), Drift(mean=0.1, discount=0.5, prior=1.0, dispersion=0.25))
    first = [1 / 10, 3 / 20, 2 / 35, 5.5 / 62.5]
    second = [1 / 10, 1 / 10, 4 / 30, 2.5 / 60]  # the first period, before its first event, is no evidence
    np.testing.assert_allclose(found.share, [first, second])
    np.testing.assert_allclose(found.size[0], [1 / (1 / a + 0.25) for a in (1, 3, 2, 5.5)])
    assert found.age.tolist() == [[0, 1, 2, 3], [-1, 0, 1, 2]]


def test_what_comes_later_changes_no_forecast():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (20, 12)).astype(np.float64) + (np.arange(12) == 0)
    drift = Drift(0.05)
    other = counts.copy()
    other[:, 7:] = rng.poisson(9.0, (20, 5))
    found, again = (forecast(c, c.sum(0), drift) for c in (counts, other))
    assert np.array_equal(found.share[:, :8], again.share[:, :8])
    assert np.array_equal(found.size[:, :8], again.size[:, :8])


def test_the_likelihood_is_the_negative_binomial_one():
    counts = np.arange(6.0)
    mean, size = np.full(6, 2.5), np.full(6, 1.7)
    known = nbinom.logpmf(counts, 1.7, 1.7 / (1.7 + 2.5))
    found = log_likelihood(counts, mean, size)
    np.testing.assert_allclose(np.diff(found - known), -np.diff(-np.log(np.array([1, 1, 2, 6, 24, 120]))), atol=1e-9)


def test_steady_rates_are_remembered_and_bursts_are_told_from_poisson_counts():
    rng = np.random.default_rng(1)
    rates = rng.gamma(2.0, 2.0, (150, 1))
    steady = rng.poisson(rates, (150, 40)).astype(np.float64)
    bursty = rng.poisson(rates * rng.gamma(1.0, 1.0, (150, 40))).astype(np.float64)
    drift = fit(steady, steady.sum(0))
    assert drift.discount >= 0.95
    assert drift.dispersion == 0
    assert fit(bursty, bursty.sum(0)).dispersion == pytest.approx(1.0)


def test_tails_are_as_likely_as_they_say():
    world = SeasonalDemand(items=200, rate=3.0)
    counts = np.random.default_rng(2).poisson(world.means(np.arange(60))).astype(np.float64)
    counts = counts[counts.sum(1) > 0]
    volume = counts.sum(0)
    found = forecast(counts, volume, fit(counts, volume))
    known = found.age[:, :-1] >= 4
    size, mean = found.size[:, :-1], found.share[:, :-1] * volume
    above = nbinom.sf(counts, size, size / (size + mean))
    mixed = above + np.random.default_rng(3).random(counts.shape) * nbinom.pmf(counts, size, size / (size + mean))
    assert [(mixed[known] < p).mean() for p in (0.5, 0.1, 0.01)] == pytest.approx([0.5, 0.1, 0.01], rel=0.15)
