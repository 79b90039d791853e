"""What a column tells about who chooses what."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys.data.features.column_evidence import column_evidence
from recsys.data.features.evidence import (
    item_column_evidence,
    transition_evidence,
    user_column_evidence,
    value_shares,
)
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.interactions import Interactions
from recsys.data.read import read_dataset
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule


def one_hot(values) -> sp.csr_array:
    values = np.asarray(values)
    return sp.csr_array((np.ones(len(values), np.float32), (np.arange(len(values)), values)))


def test_the_gain_is_that_of_the_leave_one_out_histogram_worked_out_by_hand():
    # two users with two items each, all of one value within a user: one other item of one has the value
    train = Interactions.of(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), np.arange(4))
    found = item_column_evidence(one_hot([0, 0, 1, 1]), train, n_users=2)
    assert found.gain == pytest.approx(np.log((1 + 3 * 0.5) / (1 + 3) / 0.5))
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_columns_that_tell_the_block_are_predictive_and_noise_is_not():
    data = BlockTaste(users=200, items=60, events=8, noise=0.1).dataset()
    shares, rng = one_hot(np.arange(60) % 2), np.random.default_rng(0)
    assert item_column_evidence(shares, data.interactions, data.n_users).predictive
    for noise in (rng.integers(5, size=60), np.arange(60), np.zeros(60, int), rng.integers(30, size=60)):
        found = item_column_evidence(one_hot(noise), data.interactions, data.n_users)
        assert not found.predictive
        assert not transition_evidence(one_hot(noise), data.interactions, data.n_users).predictive


def test_a_user_column_is_predictive_where_users_of_a_value_choose_alike():
    data = BlockTaste(users=200, items=60, events=8).dataset()
    rng = np.random.default_rng(0)
    assert user_column_evidence(one_hot(np.arange(200) % 2), data.interactions, data.n_items).predictive
    for noise in (rng.integers(4, size=200), np.arange(200)):
        assert not user_column_evidence(one_hot(noise), data.interactions, data.n_items).predictive


def test_the_value_of_the_next_item_counts_where_items_follow_a_rule_of_values():
    data = SequenceRule(users=300, items=24, events=8, stride=5).dataset()
    phase = one_hot(np.arange(24) % 4)  # the next value is the value plus one, and nobody prefers one
    assert transition_evidence(phase, data.interactions, data.n_users).predictive


def test_pairs_of_items_that_follow_each_other_do_not_speak_for_random_values():
    data = SequenceRule(users=300, items=24, events=8, stride=5).dataset()
    for seed in range(5):
        noise = one_hot(np.random.default_rng(seed).integers(6, size=24))
        assert transition_evidence(noise, data.interactions, data.n_users).gain < 0.2


def test_tags_share_an_item_and_missing_values_have_no_share():
    items = pd.DataFrame({"item_id": [1, 2, 3, 4], "tags": ["a|b", "a", None, "b"], "price": [1.0, 2.0, None, 4.0]})
    events = pd.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": [1, 2, 3, 4]})
    data = read_dataset(events, items=items, schema={"tags": "tags", "price": "numeric"})
    fitted = FeatureSet.fit(data.items, None, FeatureOptions(min_count=1))
    values = fitted.transform(data.items)
    tags, price = (value_shares(column, values[column.name]).toarray() for column in fitted.columns)
    assert tags.sum(1).tolist() == [1, 1, 0, 1]
    assert tags[0].max() == 0.5
    assert price.sum(1).tolist() == [1, 1, 0, 1]


def test_every_column_of_a_table_is_measured_and_the_blind_one_found():
    data = BlockTaste(users=200, items=60, events=8).dataset()
    found = column_evidence(data, data.interactions, "user", FeatureOptions())
    assert {name: evidence.best.predictive for name, evidence in found.items()} == {"team": True, "age": False}


def test_without_interactions_nothing_is_told():
    assert item_column_evidence(one_hot([0, 1]), Interactions.empty(), 2).gain == 0
    assert user_column_evidence(one_hot([0, 1]), Interactions.empty(), 2).gain == 0
    assert transition_evidence(one_hot([0, 1]), Interactions.empty(), 2).gain == 0


def test_transitions_are_measured_only_where_the_interactions_have_an_order():
    data = BlockTaste(users=60).dataset()
    unordered = replace(data, has_order=False, has_timestamps=False)
    with_order = column_evidence(data, data.interactions, "item", FeatureOptions())
    without = column_evidence(unordered, data.interactions, "item", FeatureOptions())
    assert with_order.keys() == without.keys()
    assert all(found.transitions is None and found.best is found.choices for found in without.values())
    assert [found.choices for found in without.values()] == [found.choices for found in with_order.values()]
    assert all(found.transitions is not None for found in with_order.values())
