"""The sequence engine: items follow each other in a circle, and the next one depends on the last one alone."""

import dataclasses

import numpy as np
import pytest

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Pretrainer, Request, Resources
from recsys.engines.sequence import Sequence, SequenceConfig
from recsys.tracking import SilentTracker

ITEMS = 12


def circle(users: int = 60, length: int = 8, clock: bool = False) -> Dataset:
    start = np.random.default_rng(0).integers(ITEMS, size=users)
    item = (start[:, None] + np.arange(length)) % ITEMS
    time = np.tile(np.arange(length) * 3600 + 1_600_000_000 * clock, users)
    items, people = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (ITEMS, users))
    data = Interactions.of(np.repeat(np.arange(users), length), item.ravel(), time)
    return Dataset("circle", people, items, data, clock)


def fitted(data: Dataset, seed: int = 1, seen_filtered: bool = False, **changes) -> Sequence:
    """Learnt with negatives that the history holds, so that the highest of all items is the next one."""
    raw = {
        "model": {"dim": 16, "dropout": 0.0} | changes.pop("model", {}),
        "loss": "full_softmax",
        "tokens": 64,
        "training": {"epochs": 20, "warmup": 5, "learning_rate": 0.01, "patience": 0},
    }
    engine = Sequence(parse(SequenceConfig, raw | changes, "test"), Resources(seed, seen_filtered=seen_filtered))
    engine.fit(data, data.interactions, SilentTracker())
    return engine


def next_items(engine: Sequence, data: Dataset, histories: list[list[int]]) -> list[int]:
    people = EntityTable.bare(Vocabulary(np.arange(len(histories)) + 1000))
    users = engine.user_vectors(Request(people, data.items, Histories.of(histories)))
    return users.scores(engine.item_vectors(data.items)).argmax(1).tolist()


@pytest.mark.parametrize(
    "model",
    [
        {"pooling": "decayed", "rate": 0.1},
        {"pooling": "gru"},
        {"pooling": "transformer"},
        {"pooling": "transformer", "positions": "rotary"},
        {"pooling": "transformer", "positions": "relative"},
        {"pooling": "hstu"},
    ],
    ids=lambda model: "-".join(map(str, model.values())),
)
def test_every_encoder_learns_what_comes_next(model, tmp_path):
    data = circle()
    engine = fitted(data, model=model)
    asked = [[3, 4, 5], [10, 11, 0, 1], [7, 8]]
    assert next_items(engine, data, asked) == [6, 2, 9]
    engine.save(tmp_path)
    assert next_items(Sequence.load(tmp_path), data, asked) == [6, 2, 9]


def test_what_a_history_holds_is_a_negative_only_where_lists_keep_it():
    data = circle()
    few = {"training": {"epochs": 2, "patience": 0}}
    kept, asked, told = (
        fitted(data, seen_filtered=filtered, seen_negatives=negatives, **few).item_table().vectors
        for filtered, negatives in ((False, False), (True, True), (True, False))
    )
    assert np.array_equal(kept, asked)
    assert not np.array_equal(kept, told)


def test_without_seen_negatives_the_next_item_is_the_highest_of_those_that_are_new():
    data = circle()
    engine = fitted(data, seen_filtered=True)
    histories = [[3, 4, 5], [10, 11, 0, 1], [7, 8]]
    people = EntityTable.bare(Vocabulary(np.arange(3) + 1000))
    users = engine.user_vectors(Request(people, data.items, Histories.of(histories)))
    scores = users.scores(engine.item_vectors(data.items))
    for row, history in enumerate(histories):
        scores[row, history] = -np.inf
    assert scores.argmax(1).tolist() == [6, 2, 9]


def test_a_masked_encoder_learns_from_gaps_and_leaves_a_table():
    data = circle(40)
    model = {"pooling": "masked", "positions": "relative"}
    engine = fitted(data, model=model, training={"epochs": 40, "learning_rate": 0.01, "warmup": 10, "patience": 0})
    assert isinstance(engine, Pretrainer)
    table = engine.item_table()
    assert table.vectors.shape == (ITEMS, 16)
    assert next_items(engine, data, [[3, 4, 5], [10, 11, 0, 1]]) == [6, 2]


def test_with_a_clock_the_moments_of_the_history_are_an_input():
    data = circle(clock=True)
    engine = fitted(data, training={"epochs": 2})
    history = data.interactions
    later = dataclasses.replace(history, time=history.time + np.arange(len(history)) % 8 * 40_000)
    people = np.arange(data.n_users)
    a = engine.user_vectors(Request.from_dataset(data, people, history)).dense
    b = engine.user_vectors(Request.from_dataset(data, people, later)).dense
    assert not np.allclose(a, b)
    without = fitted(data, model={"clock": False}, training={"epochs": 2})
    a = without.user_vectors(Request.from_dataset(data, people, history)).dense
    b = without.user_vectors(Request.from_dataset(data, people, later)).dense
    assert np.array_equal(a, b)


def test_only_events_of_max_history_count():
    data = circle()
    engine = fitted(data, max_history=2, training={"epochs": 1})
    people = EntityTable.bare(Vocabulary(np.arange(2)))
    users = engine.user_vectors(Request(people, data.items, Histories.of([[9, 3, 4], [0, 1, 5, 3, 4]])))
    np.testing.assert_allclose(users.dense[0], users.dense[1], rtol=1e-5)
