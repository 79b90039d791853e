"""What the benchmark of forecasts compares."""

import numpy as np

from pipelines.benchmarks.trend import deviances, simple


def test_simple_forecasts_are_what_they_say():
    counts = np.array([[2.0, 0, 4, 6], [0, 0, 0, 0], [1, 1, 1, 1]])
    found = simple(counts, season=2)
    assert found["last period"].tolist() == [6, 0, 1]
    assert found["a season ago"].tolist() == [4, 0, 1]
    assert found["moving average of 4"].tolist() == found["all periods"].tolist() == [3, 0, 1]
    assert found["gamma-Poisson"][1] == 0
    assert "a season ago" not in simple(counts, season=0)


def test_the_deviance_worked_out_by_hand():
    counts, seen = np.array([3.0, 0, 5]), np.array([True, True, False])
    given, own = deviances(counts, seen, {"even": np.array([2.0, 2.0, 0])})["even"]
    np.testing.assert_allclose(given, [2 * (3 * np.log(2) - 1.5), 3, np.nan])
    np.testing.assert_allclose(own, [2 * (3 * np.log(1.5) - 1), 4, np.nan])
    impossible = deviances(counts, seen, {"no": np.array([0.0, 2.0, 0])})["no"]
    assert np.isfinite(impossible[:, :2]).all()
