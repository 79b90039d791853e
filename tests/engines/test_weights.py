"""Engines that use the weights of interactions, and dislikes as negatives, where the data has some."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request
from recsys.engines import ENGINES

LINEAR = ["ease", "itemknn"]
WEIGHTED = {"ease": {}, "itemknn": {}, "two_tower": {"dim": 8, "epochs": 1}}


def world(weight=None, non_likes=()) -> Dataset:
    """Users 0 to 9 have items 0 and 1, users 10 to 19 have items 0 and 2; user 20 has item 0 alone."""
    user = np.repeat(np.arange(21), [2] * 20 + [1])
    item = np.array([0, 1] * 10 + [0, 2] * 10 + [0])
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (21, 4))
    time = np.zeros(len(user), np.int64)
    likes = Interactions.of(user, item, time, None if weight is None else np.array([weight[i] for i in item], float))
    pairs = np.array(non_likes, np.int64).reshape(-1, 2)
    return Dataset("w", users, items, likes, False, non_likes=Interactions.of(pairs[:, 0], pairs[:, 1]))


def scores(kind: str, data: Dataset, **options: object) -> np.ndarray:
    engine = ENGINES[kind](**options).fit(data)
    return engine.user_vectors(Request.from_dataset(data, np.arange(data.n_users))).scores(
        engine.item_vectors(data.items)
    )


@pytest.mark.parametrize("kind", LINEAR)
def test_the_item_with_the_larger_weights_is_recommended(kind):
    even, odd = scores(kind, world())[20], scores(kind, world({0: 1, 1: 1, 2: 4}))[20]
    assert even[1] == pytest.approx(even[2])
    assert odd[2] > 1.2 * odd[1]


@pytest.mark.parametrize(("kind", "options"), WEIGHTED.items())
def test_weights_that_are_all_the_same_change_nothing(kind, options):
    data = BlockTaste(users=20).dataset()
    x = data.interactions
    heavier = replace(data, interactions=replace(x, weight=np.full_like(x.weight, 3)))
    assert np.array_equal(scores(kind, data, **options), scores(kind, heavier, **options))


@pytest.mark.parametrize(("kind", "options"), WEIGHTED.items())
def test_weights_change_what_is_learnt_and_their_unit_does_not(kind, options):
    data = BlockTaste(users=20).dataset()
    x = data.interactions
    drawn = np.random.default_rng(0).integers(1, 6, len(x)).astype(np.float32)
    weighted, doubled = (replace(data, interactions=replace(x, weight=drawn * factor)) for factor in (1, 2))
    found = scores(kind, weighted, **options)
    assert not np.allclose(found, scores(kind, data, **options))
    np.testing.assert_allclose(found, scores(kind, doubled, **options), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LINEAR)
def test_what_people_of_the_same_taste_dislike_ranks_lower(kind):
    disliked = [(user, 2) for user in range(10)]  # those who have items 0 and 1
    before, after = scores(kind, world())[20], scores(kind, world(non_likes=disliked))[20]
    assert after[2] - after[1] < before[2] - before[1] - 0.01


@pytest.mark.parametrize("kind", LINEAR)
def test_a_dislike_is_part_of_what_is_known_of_a_user(kind):
    data = world(non_likes=[(user, 2) for user in range(10)] + [(20, 2)])
    engine = ENGINES[kind]().fit(data)
    both = [
        engine.user_vectors(Request.from_dataset(part, np.array([20]))).scores(engine.item_vectors(data.items))[0]
        for part in (data, replace(data, non_likes=Interactions.empty()))
    ]
    assert both[0][2] < both[1][2] or both[0][1] > both[1][1]


@pytest.mark.parametrize("kind", LINEAR)
def test_a_saved_engine_still_weighs_histories(kind, tmp_path):
    data = world({0: 1, 1: 1, 2: 4})
    engine = ENGINES[kind]().fit(data)
    engine.save(tmp_path / "engine")
    request = Request.from_dataset(data, np.arange(21))
    back = ENGINES[kind].load(tmp_path / "engine")
    assert np.array_equal(*(e.user_vectors(request).scores(e.item_vectors(data.items)) for e in (engine, back)))
