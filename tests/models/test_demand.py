"""The demand model: what it reads, and that it reads no future."""

import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from recsys.data.demand.forecast import Drift, forecast
from recsys.models.demand import DemandModel, demand_inputs

DRIFT = Drift(0.5, discount=0.5, prior=1.0)


def inputs(counts: np.ndarray, angles: np.ndarray) -> np.ndarray:
    volume = counts.sum(0, dtype=np.float64)
    return demand_inputs(counts, volume, forecast(counts, volume, DRIFT), angles)


def test_the_inputs_worked_out_by_hand():
    counts = np.array([[4.0, 0], [0, 4]], np.float32)
    quarter = np.array([[0.0], [np.pi / 2], [np.pi]])
    found = inputs(counts, quarter)[0]
    # forecasts of the first row: 4 * 1 / 2, then 4 * 5 / 6, then 3 / (2 + 2 + 4) of what comes
    np.testing.assert_allclose(found[:, 0], np.log([5 / 3, 1 / (10 / 3 + 1)]), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.log([2 * 5 / 6, 2 * 3 / 8]), rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], np.log([2, 3]), rtol=1e-5)
    np.testing.assert_allclose(found[:, 3:5], [[0, 1], [-1, 0]], atol=1e-6)
    cosine = np.array([2 * 2 / 3, 2 * 2 / (3 + 10 / 3)])
    sine = np.array([0, 2 * (-10 / 3) / (3 + 10 / 3)])
    np.testing.assert_allclose(found[:, 5:7], np.stack([cosine, sine], 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 7], [0, -cosine[1]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_later_periods_change_no_earlier_state(kind):
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (8, 12)).astype(np.float32) + np.float32(np.arange(12) == 0)
    other = counts.copy()
    other[:, 7:] = rng.poisson(9.0, (8, 5))
    angles = rng.random((13, 1))
    torch.manual_seed(0)
    model = DemandModel(8, 4, kind, 2, 0.1, 12).eval()
    torch.nn.init.normal_(model.correction.weight)
    with torch.no_grad():
        found, again = (model(torch.from_numpy(inputs(c, angles))) for c in (counts, other))
    for a, b in zip(found, again, strict=True):
        assert torch.equal(a[:, :7], b[:, :7])
        assert not torch.equal(a[:, 7:], b[:, 7:])


def test_training_starts_from_the_forecast_under_a_negative_binomial():
    torch.manual_seed(0)
    model = DemandModel(3, 4, "gru", 1, 0.0, 12)
    states, correction = model(torch.randn(5, 6, 3))
    assert states.shape == (5, 6, 4)
    assert not correction.any()
    counts, mean, size = torch.tensor([0.0, 3, 40]), torch.tensor([0.5, 3, 7]), torch.tensor([0.2, 5, 9])
    known = -nbinom.logpmf(counts, size, size / (size + mean))
    np.testing.assert_allclose(model.loss(torch.zeros(3), counts, mean, size).detach(), known, rtol=1e-5)
