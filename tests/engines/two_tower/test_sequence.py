"""The sequence engine: items follow each other in a circle, and the next one depends on the last one alone."""

import dataclasses

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import FitContext, Request
from recsys.engines.two_tower.sequence import SequenceModel
from recsys.tracking import SilentTracker

ITEMS = 12


def circle(users: int = 60, length: int = 8, has_timestamps: bool = False) -> Dataset:
    start = np.random.default_rng(0).integers(ITEMS, size=users)
    item = (start[:, None] + np.arange(length)) % ITEMS
    time = np.tile(np.arange(length) * 3600 + 1_600_000_000 * has_timestamps, users)
    items, people = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (ITEMS, users))
    data = Interactions.of(np.repeat(np.arange(users), length), item.ravel(), time)
    return Dataset("circle", people, items, data, has_timestamps)


def fitted(data: Dataset, seed: int = 1, filter_seen: bool = False, **changes) -> SequenceModel:
    """Learnt with negatives that the history holds, so that the highest of all items is the next one."""
    raw = {
        "model": {"dim": 16, "dropout": 0.0, "id_start": "random"} | changes.pop("model", {}),
        "loss": "full_softmax",
        "max_tokens": 64,
        "training": {"epochs": 20, "warmup": 5, "learning_rate": 0.01, "patience": 0},
    }
    return SequenceModel(**raw | changes).fit(data, context=FitContext(seed, filter_seen=filter_seen))


def next_items(engine: SequenceModel, data: Dataset, histories: list[list[int]]) -> list[int]:
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
    histories = [[3, 4, 5], [10, 11, 0, 1], [7, 8]]
    assert next_items(engine, data, histories) == [6, 2, 9]
    engine.save(tmp_path)
    assert next_items(SequenceModel.load(tmp_path), data, histories) == [6, 2, 9]


def test_what_a_history_holds_is_a_negative_only_where_lists_keep_it():
    data = circle()
    few = {"training": {"epochs": 2, "patience": 0}}
    kept, unmasked, masked = (
        fitted(data, filter_seen=filtered, mask_seen_negatives=mask, **few).item_table().vectors
        for filtered, mask in ((False, True), (True, False), (True, True))
    )
    assert np.array_equal(kept, unmasked)
    assert not np.array_equal(kept, masked)


def walks_with_repeats(users: int = 80, length: int = 16) -> Dataset:
    """Circles of 24 items in which every second event, on average, goes back to a random earlier item."""
    rng = np.random.default_rng(1)
    items = []
    for _ in range(users):
        walk = [int(rng.integers(24))]
        while len(walk) < length:
            walk.append(int(rng.choice(walk)) if rng.random() < 0.5 else (furthest(walk) + 1) % 24)
        items.append(walk)
    entities, people = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (24, users))
    data = Interactions.of(
        np.repeat(np.arange(users), length), np.concatenate(items), np.tile(np.arange(length), users)
    )
    return Dataset("walks", people, entities, data, False)


def furthest(walk: list[int]) -> int:
    """The item of a walk whose next one it has not met."""
    return next(item for item in reversed(walk) if (item + 1) % 24 not in walk)


def test_by_default_what_is_new_is_learnt_and_repeats_are_no_targets():
    data = walks_with_repeats()
    histories = [[3, 4, 4, 3, 5], [10, 10, 11, 12, 11], [7, 8, 7, 7, 9, 8], [0, 1, 2, 3, 1], [20, 21, 20, 22, 23, 20]]
    found = {}
    for masked in (True, False):
        engine = fitted(data, filter_seen=True, mask_seen_negatives=masked)
        people = EntityTable.bare(Vocabulary(np.arange(len(histories)) + 1000))
        users = engine.user_vectors(Request(people, data.items, Histories.of(histories)))
        scores = users.scores(engine.item_vectors(data.items))
        for row, history in enumerate(histories):
            scores[row, history] = -np.inf
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        found[masked] = [float(chances[row, (furthest(h) + 1) % 24]) for row, h in enumerate(histories)]
    assert min(found[True]) > 0.8
    assert all(new > old + 0.1 for new, old in zip(found[True], found[False], strict=True))


@pytest.mark.parametrize("filter_seen", [False, True])
def test_a_masked_encoder_learns_from_gaps_and_leaves_a_table(filter_seen):
    data = circle(40)
    model = {"pooling": "masked", "positions": "relative"}
    training = {"epochs": 40, "learning_rate": 0.01, "warmup": 10, "patience": 0}
    engine = fitted(data, filter_seen=filter_seen, model=model, training=training)
    assert engine.ranks_seen_items()
    table = engine.item_table()
    assert table.vectors.shape == (ITEMS, 16)
    assert next_items(engine, data, [[3, 4, 5], [10, 11, 0, 1]]) == [6, 2]


def test_with_a_clock_the_moments_of_the_history_are_an_input():
    data = circle(has_timestamps=True)
    engine = fitted(data, training={"epochs": 2})
    history = data.interactions
    later = dataclasses.replace(history, time=history.time + np.arange(len(history)) % 8 * 40_000)
    people = np.arange(data.n_users)
    a = engine.user_vectors(Request.from_dataset(data, people, history)).dense
    b = engine.user_vectors(Request.from_dataset(data, people, later)).dense
    assert not np.allclose(a, b)
    without = fitted(data, model={"use_timestamps": False}, training={"epochs": 2})
    a = without.user_vectors(Request.from_dataset(data, people, history)).dense
    b = without.user_vectors(Request.from_dataset(data, people, later)).dense
    assert np.array_equal(a, b)


def test_only_events_of_max_history_count():
    data = circle()
    engine = fitted(data, max_history=2, training={"epochs": 1})
    people = EntityTable.bare(Vocabulary(np.arange(2)))
    users = engine.user_vectors(Request(people, data.items, Histories.of([[9, 3, 4], [0, 1, 5, 3, 4]])))
    np.testing.assert_allclose(users.dense[0], users.dense[1], rtol=1e-5)


class Resumed(SilentTracker):
    resumed = False

    def info(self, message):
        self.resumed = "resumes" in message


def test_a_training_with_other_lists_does_not_go_on_from_a_checkpoint(tmp_path):
    data = circle()

    def resumes(filter_seen):
        tracker = Resumed()
        context = FitContext(1, directory=tmp_path, filter_seen=filter_seen, tracker=tracker)
        SequenceModel(dim=16, mask_seen_negatives=False, epochs=1).fit(data, context=context)
        return tracker.resumed

    assert [resumes(filtered) for filtered in (True, True, False)] == [False, True, False]


@pytest.mark.parametrize("filter_seen", [False, True])
def test_what_an_engine_learnt_to_rank_is_saved(tmp_path, filter_seen):
    engine = fitted(circle(), filter_seen=filter_seen, training={"epochs": 1})
    assert engine.config.mask_seen_negatives
    engine.save(tmp_path)
    assert engine.ranks_seen_items() == SequenceModel.load(tmp_path).ranks_seen_items() == (not filter_seen)
