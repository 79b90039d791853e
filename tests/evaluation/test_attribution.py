"""Shares that are known in advance."""

import numpy as np
import pytest

from recsys.evaluation.attribution import attribution_table, build_attribution, coalitions, shapley_values

NAMES = ["id", "text", "image", "graph", "sequence"]


def test_what_is_additive_gets_back_its_own_part():
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=50) for name in NAMES}
    values = {inside: np.sum([parts[name] for name in inside], axis=0) + np.zeros(50) for inside in coalitions(NAMES)}
    for name, worth in shapley_values(values, NAMES).items():
        np.testing.assert_allclose(worth, parts[name])


def test_every_users_worths_add_up_to_what_the_model_has_above_nothing():
    rng = np.random.default_rng(1)
    values = {inside: rng.random(20) for inside in coalitions(NAMES)}
    total = sum(shapley_values(values, NAMES).values())
    np.testing.assert_allclose(total, values[frozenset(NAMES)] - values[frozenset()])


def test_two_that_say_the_same_share_it_and_leaving_one_out_costs_nothing():
    def ask(inside):
        return np.full(10, 0.6 * bool({"text", "image"} & inside) + 0.2 * ("id" in inside))

    slices = {"few": np.arange(10) < 3, "none": np.zeros(10, bool), "all": np.ones(10, bool)}
    attribution = build_attribution(ask, ["text", "image", "id"], "recall@20", slices)
    assert {name: round(worth.share, 3) for name, worth in attribution.contributions.items()} == {
        "text": 0.375,
        "image": 0.375,
        "id": 0.25,
    }
    assert attribution.contributions["text"].left_out.value == pytest.approx(0)
    assert attribution.contributions["text"].alone.value == pytest.approx(0.6)
    assert set(attribution.slices) == {"few"}
    assert "| all | id | +0.2000 | +0.2000 to +0.2000 | 25% | +0.2000 | +0.2000 |" in attribution_table(attribution)
