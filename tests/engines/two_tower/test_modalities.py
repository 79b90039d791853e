"""A trained two-tower engine with inputs hidden."""

import numpy as np
import pytest

from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext, Request
from recsys.engines.baselines.ease import EASE
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.modalities import MaskedTwoTower, hidden_parts, masked
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ConfigError
from tests.contracts.test_engines import world

OPTIONS = {"tables": ["text"], "model": {"dim": 8}, "n_negatives": 8, "training": {"epochs": 1}}


@pytest.fixture(scope="module")
def trained():
    data = world()
    vectors = np.random.default_rng(0).normal(size=(data.n_items, 4)).astype(np.float32)
    tables = {"text": EmbeddingTable(data.items.vocabulary, vectors, {})}
    return TwoTower(**OPTIONS).fit(data, context=FitContext(tables=tables)), data


def scores(engine, data):
    request = Request.from_dataset(data, np.arange(data.n_users))
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


def test_with_nothing_hidden_it_is_the_engine_itself(trained):
    engine, data = trained
    np.testing.assert_array_equal(scores(MaskedTwoTower(engine, []), data), scores(engine, data))


@pytest.mark.parametrize("part", ["text", "parity", "ids", "history"])
def test_hiding_a_part_changes_the_scores_and_leaves_the_engine_as_it_was(trained, part):
    engine, data = trained
    before = scores(engine, data)
    assert not np.allclose(scores(MaskedTwoTower(engine, [part]), data), before)
    np.testing.assert_array_equal(scores(engine, data), before)


def test_with_all_hidden_every_user_and_every_item_is_alike(trained):
    engine, data = trained
    found = scores(MaskedTwoTower(engine, ["text", "parity", "ids", "history"]), data)
    assert np.ptp(found) == pytest.approx(0, abs=1e-5)


def test_an_unknown_part_is_named(trained):
    with pytest.raises(ConfigError, match="has no inputs"):
        MaskedTwoTower(trained[0], ["texts"])


def test_what_is_not_seen_is_hidden():
    assert hidden_parts({"a": ["x", "y"], "b": ["z"]}, {"b"}) == {"x", "y"}


@pytest.fixture(scope="module")
def joined(trained):
    engine, data = trained
    return Hybrid(parts={"towers": engine, "ease": EASE().fit(data)}, weights=(0.5, 0.5)).fit(data)


def test_a_hidden_part_of_a_hybrid_adds_nothing(joined, trained):
    engine, data = trained
    alone = scores(engine, data) / joined.score_stds[0] / 2
    np.testing.assert_allclose(*map(centred, (scores(masked(joined, ["ease"]), data), alone)), rtol=1e-4, atol=1e-5)


def centred(found: np.ndarray) -> np.ndarray:
    """Above each user's mean: a hybrid adds up what is above it."""
    return found - found.mean(1, keepdims=True)


def test_hiding_a_towers_input_leaves_the_linear_part_of_a_hybrid(joined, trained):
    engine, data = trained
    full, without = scores(masked(joined, []), data), scores(masked(joined, ["history"]), data)
    np.testing.assert_array_equal(full, scores(joined, data))
    towers = [scores(each, data) / joined.score_stds[0] / 2 for each in (engine, masked(engine, ["history"]))]
    np.testing.assert_allclose(centred(full - without), centred(towers[0] - towers[1]), atol=1e-4)


def test_a_hybrid_is_not_masked_whole_and_others_not_at_all(joined):
    with pytest.raises(ConfigError, match="leaves no part"):
        masked(joined, ["towers", "ease"])
    with pytest.raises(ConfigError, match="cannot be masked"):
        masked(joined.parts["ease"], [])
