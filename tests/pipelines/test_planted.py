"""The whole way from pictures, texts, columns, circles and histories to a attribution that has the planted shares."""

import pytest

from pipelines.benchmarks.planted import BAR, compare


@pytest.mark.slow
def test_the_attribution_has_the_planted_shares(tmp_path):
    shares = compare(tmp_path, users=600, seed=0)
    assert len(shares) == 5
    for name, (planted, found) in shares.items():
        assert found == pytest.approx(planted, abs=BAR), name
