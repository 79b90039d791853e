"""Every sampler, through the same tests."""

import numpy as np
import pytest

from recsys.negatives import NEGATIVES
from recsys.seeding import stream

COUNTS = np.array([0, 1, 2, 4, 8, 1])


@pytest.mark.parametrize("name", list(NEGATIVES))
def test_log_q_is_the_log_of_the_expected_count(name):
    sampler = NEGATIVES[name](COUNTS, 60_000)
    targets = stream(3).choice(6, 200_000, p=COUNTS / COUNTS.sum())
    drawn = sampler.sample(targets, stream(1))
    seen = np.bincount(drawn.rows, minlength=6)
    expected = np.zeros(6)
    expected[drawn.rows] = np.exp(drawn.log_q)
    np.testing.assert_allclose(seen, expected, rtol=0.05, atol=30)


@pytest.mark.parametrize("name", list(NEGATIVES))
def test_the_same_stream_draws_the_same_and_never_an_unseen_item(name):
    sampler = NEGATIVES[name](COUNTS, 100)
    targets = np.array([1, 4, 3])
    a, b = sampler.sample(targets, stream(1)), sampler.sample(targets, stream(1))
    assert np.array_equal(a.rows, b.rows)
    assert (a.rows > 0).all()
    assert len(a.rows) == len(a.log_q) == 100
