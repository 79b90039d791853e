"""Own shares and popularity, by hand; and what `auto` and its ladder do with it."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.read import read_dataset
from recsys.data.splits.split import split
from recsys.engine import FitContext, Request
from recsys.engines.auto.auto import AutoRecommender
from recsys.engines.auto.ladder import Sizes, ladder
from recsys.engines.baselines.frequency import Frequency
from recsys.engines.baselines.popularity import Popularity

EVENTS = pd.DataFrame(
    [("a", "x", 1), ("a", "x", 2), ("a", "y", 3), ("b", "y", 1), ("b", "z", 2)],
    columns=["user_id", "item_id", "timestamp"],
)


def scores(engine, data, **rest):
    request = Request.from_dataset(data, np.arange(data.n_users))
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


def test_a_score_is_the_own_share_mixed_with_the_share_of_all():
    data = read_dataset(EVENTS)
    found = scores(Frequency(mix=0.4).fit(data), data)
    x, y, z = data.items.vocabulary.rows(np.array(["x", "y", "z"]))
    expected = {x: 0.6 * 2 / 3 + 0.4 * 2 / 5, y: 0.6 * 1 / 3 + 0.4 * 2 / 5, z: 0.4 * 1 / 5}
    assert {row: found[0, row] for row in (x, y, z)} == pytest.approx(expected)


def test_newer_interactions_count_more_with_a_decay():
    data = read_dataset(EVENTS)
    found = scores(Frequency(decay=0.5, mix=0.2).fit(data), data)
    x, y = data.items.vocabulary.rows(np.array(["x", "y"]))
    whole = 0.25 + 0.5 + 1
    assert found[0, x] == pytest.approx(0.8 * 0.75 / whole + 0.2 * 2 / 5)
    assert found[0, y] == pytest.approx(0.8 * 1 / whole + 0.2 * 2 / 5)


def test_many_newer_items_that_training_never_saw_leave_the_own_share_whole():
    data = read_dataset(EVENTS)
    engine = Frequency(decay=0.5, mix=0.5).fit(data)
    newer = pd.DataFrame([("a", f"new{n}", 10 + n) for n in range(200)], columns=["user_id", "item_id", "timestamp"])
    grown = read_dataset(pd.concat([EVENTS, newer]))
    request = Request.from_dataset(grown, grown.users.vocabulary.rows(np.array(["a"])))
    found = engine.user_vectors(request).scores(engine.item_vectors(data.items))
    x, y = data.items.vocabulary.rows(np.array(["x", "y"]))
    assert found[0, y] - found[0, x] == pytest.approx(0.5 * (1 - 0.75) / 1.75)


def test_a_user_without_a_history_gets_what_is_popular():
    data = read_dataset(EVENTS, users=pd.DataFrame({"user_id": ["a", "b", "c"]}))
    found = scores(Frequency().fit(data), data)
    popular = scores(Popularity().fit(data), data)
    assert np.argmax(found[2]) in np.flatnonzero(popular[2] == popular[2].max())


def test_the_ladder_tries_it_where_lists_keep_what_a_user_had():
    data = read_dataset(EVENTS)
    sizes = Sizes.of(data, data.interactions, 1e10)
    for filter_seen in (True, False):
        kinds = [one.kind for one in ladder(data, data.interactions, (), sizes, filter_seen=filter_seen).families]
        assert ("frequency" in kinds) is not filter_seen


def test_auto_takes_it_where_people_come_back():
    rng = np.random.default_rng(0)
    rows = []
    for user in range(120):
        favourites = rng.choice(60, 3, replace=False)
        for step in range(12):
            item = rng.choice(favourites, p=[0.6, 0.3, 0.1]) if rng.random() < 0.9 else rng.integers(60)
            rows.append((user, item, step * 86_400 + user))
    data = read_dataset(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))
    parts = split(data, "leave_one_out", filter_seen=False)
    auto = AutoRecommender(budget="2m", engines=["popularity", "frequency", "itemknn", "ease"])
    auto.fit(data, parts.train, context=FitContext(validation=parts.validation))
    assert auto.recipe_.weights[list(auto.recipe_.parts).index("frequency")] == max(auto.recipe_.weights)
