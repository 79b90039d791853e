"""Columns that were computed from what is held out."""

import numpy as np
import pytest

from recsys.data.leakage import Counts, leak
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste

RNG = np.random.default_rng(3)
TRAIN, RECENT, LATER = RNG.poisson(30, 500), RNG.poisson(4, 500), RNG.poisson(4, 500)
COUNTS = Counts(TRAIN, RECENT, LATER)


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        (TRAIN + LATER, True),
        (np.log1p(TRAIN + LATER) + RNG.normal(0, 0.01, 500), True),
        (-(TRAIN + LATER), True),  # a rank of sales
        (LATER, True),
        (TRAIN, False),
        (TRAIN * RNG.lognormal(0, 0.1, 500), False),
        (RECENT, False),
        (RNG.normal(size=500), False),
    ],
)
def test_a_column_leaks_that_follows_held_out_counts_at_equal_training_counts(column, leaks):
    found = leak(column.astype(float), COUNTS)
    assert (found is not None and found.leaks) == leaks


def test_what_recent_counts_tell_too_is_no_leak():
    trend = RNG.lognormal(0, 1, 500)
    recent, later = RNG.poisson(5 * trend), RNG.poisson(5 * trend)
    found = leak(trend * RNG.lognormal(0, 0.8, 500), Counts(RNG.poisson(40, 500), recent, later))
    assert found.correlation > 0.4
    assert not found.leaks


def test_without_variation_or_values_nothing_is_said():
    assert leak(np.full(500, np.nan), COUNTS) is None
    assert leak(TRAIN.astype(float), Counts(TRAIN, None, np.ones(500, np.int64))) is None


def test_a_warning_says_how_it_was_measured():
    warning = leak((TRAIN + LATER).astype(float), COUNTS).warning()
    assert warning.what == "leaking"
    assert "of equal training counts it follows the held-out counts (rank correlation +0." in warning.found


def test_the_counts_are_those_of_a_split():
    data = BlockTaste(users=30).dataset()
    parts = split(data)
    counts = Counts.of(parts, "item", data.n_items, data.has_order)
    assert (counts.train.sum(), counts.held_out.sum(), counts.recent.sum()) == (150, 60, 60)
