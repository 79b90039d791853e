"""The weight of popularity in the scores of the two-tower family."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.read import read_dataset
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request, Vectors
from recsys.engines.two_tower.score_parts.popularity_prior import (
    ALONE,
    best_weight,
    log_popularity,
    with_constant,
    with_popularity,
)
from recsys.engines.two_tower.tower_inputs import TowerInputs
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.retrieval.frames import similar_items
from recsys.retrieval.similar import Neighbours


def test_the_logarithms_have_the_mean_nought_over_the_items_that_were_seen():
    found = log_popularity(np.array([0, 1, 3, 7, 0]))
    assert found[[0, 4]].tolist() == [0, 0]
    np.testing.assert_allclose(found[[1, 2, 3]], np.log([2, 4, 8]) - np.log(4), rtol=1e-6)


def test_no_item_seen_has_no_logarithm_to_take():
    assert log_popularity(np.zeros(3, int)).tolist() == [0, 0, 0]


def test_scores_gain_the_weighted_logarithm():
    users, items = Vectors(np.float32([[1, 2]])), Vectors(np.float32([[1, 0], [0, 1], [1, 1]]))
    weighted = with_popularity(items, np.float32([-0.5, 0.5, 0]), 4.0)
    assert with_constant(users).scores(weighted).tolist() == [[1 - 2, 2 + 2, 3]]


def test_popularity_is_found_by_id_and_that_of_new_items_is_average():
    bare = EntityTable.bare(Vocabulary(np.array([10, 20, 30])))
    users = EntityTable.bare(Vocabulary(np.array([1, 2])))
    events = Interactions.of(np.array([0, 0, 1]), np.array([0, 1, 1]), np.arange(3), np.ones(3, np.float32))
    data = Dataset("counts", users, bare, events, True)
    inputs = TowerInputs.fit(data, events, TwoTowerConfig(leave_out=()), {})
    asked = EntityTable.bare(Vocabulary(np.array([5, 10, 20, 30])))
    half = (np.log(3) - np.log(2)) / 2
    np.testing.assert_allclose(inputs.popularity(asked), [0, -half, half, 0], rtol=1e-6)


def test_a_weight_that_gains_less_than_its_standard_error_is_nought():
    few = np.zeros(100)
    few[:3] = 0.9, 0.9, -0.9
    assert best_weight(lambda weight: few * (weight == 3.0)) == 0
    assert best_weight(lambda weight: np.full(100, 0.1) * (weight == 3.0)) == 3.0


def test_popularity_alone_is_taken_where_the_best_weight_is_hardly_better():
    users = np.linspace(0.2, 0.4, 200)
    lead = np.where(np.arange(200) % 2, 0.03, -0.0292)  # 0.0004 on average, a standard error of 0.002

    def values(ahead):
        return lambda weight: users + (0 if weight == 0 else 0.1) + ahead * (weight == 5.0)

    assert best_weight(values(lead)) == ALONE
    assert best_weight(values(lead + 0.05)) == 5.0  # beyond the noise
    assert best_weight(values(0.001)) == 5.0  # small, and for every user


@pytest.fixture(scope="module")
def skewed() -> Dataset:
    """Choices that follow popularity alone."""
    rng = np.random.default_rng(3)
    share = 1 / np.arange(1, 61)
    share /= share.sum()
    rows = [(user, item) for user in range(300) for item in rng.choice(60, size=6, replace=False, p=share)]
    frame = {"user_id": [u for u, _ in rows], "item_id": [i for _, i in rows], "timestamp": list(range(len(rows)))}
    return read_dataset(pd.DataFrame(frame))


def test_where_popularity_decides_the_weight_is_large_and_serves_and_is_saved(skewed, tmp_path):
    parts = split(skewed, "leave_one_out")
    engine = TwoTower(dim=8, epochs=1).fit(skewed, parts.train, parts.validation)
    weight = engine.options_.popularity_weight
    assert weight is not None
    assert weight > 0
    assert engine.item_vectors(skewed.items).dense.shape[1] == 9
    engine.save(tmp_path / "engine")
    again, users = TwoTower.load(tmp_path / "engine"), np.arange(5)
    request = Request.from_dataset(skewed, users, parts.train)
    for one in (engine, again):
        assert one.options_.popularity_weight == weight
    np.testing.assert_array_equal(
        engine.user_vectors(request).scores(engine.item_vectors(skewed.items)),
        again.user_vectors(request).scores(again.item_vectors(skewed.items)),
    )


def test_similar_items_do_not_see_popularity(skewed):
    parts = split(skewed, "leave_one_out")
    engine = TwoTower(dim=8, epochs=1).fit(skewed, parts.train, parts.validation)
    vectors = engine.similarity_vectors(skewed.items)
    assert vectors.dense.shape[1] == 8
    item = skewed.items.vocabulary.ids[0]
    found = similar_items(engine, skewed, item, k=3)
    expected = np.sort(Neighbours(vectors).cosines(0)[1:])[::-1][:3]
    np.testing.assert_allclose(found["similarity"], expected, rtol=1e-5)


def test_without_validation_or_with_a_weight_given_nothing_is_chosen():
    data = BlockTaste(users=40).dataset()
    assert TwoTower(dim=8, epochs=1).fit(data).options_.popularity_weight is None
    parts = split(data, "leave_one_out")
    fixed = TwoTower(dim=8, epochs=1, popularity_weight=0.5).fit(data, parts.train, parts.validation)
    assert fixed.options_.popularity_weight == 0.5
