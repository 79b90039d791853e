"""Every engine, through the same tests."""

import numpy as np
import pandas as pd
import pytest

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import FitContext, Pretrainer, Request
from recsys.engines import ENGINES

QUICK = {
    "als": {"factors": 8},
    "bpr": {"factors": 8, "iterations": 30, "learning_rate": 0.1},
    "item2vec": {"dim": 8, "training": {"epochs": 5, "learning_rate": 0.05, "warmup": 0}},
    "node2vec": {
        "dim": 8,
        "walks": 5,
        "batch_pairs": 1024,
        "training": {"epochs": 5, "learning_rate": 0.05, "warmup": 0},
    },
    "sage": {
        "dim": 8,
        "batch": 64,
        "n_negatives": 16,
        "training": {"epochs": 15, "learning_rate": 0.02, "warmup": 0},
    },
    "lightgcn": {
        "dim": 8,
        "batch": 64,
        "n_negatives": 16,
        "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
    },
    "hybrid": {"parts": ["spectral", "ease"]},
    "trend": {"period": 1, "dim": 8, "training": {"epochs": 2}},
    "two_tower": {
        "model": {"dim": 8, "dropout": 0.0},
        "n_negatives": 16,
        "max_tokens": 256,
        "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
    },
    "sequence": {
        "model": {"dim": 8, "heads": 2, "layers": 1, "dropout": 0.0},
        "n_negatives": 16,
        "max_tokens": 256,
        "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
    },
}

FOR_ALL = ("popularity", "trend")
"""Engines that give everybody the same order."""


def world(name: str = "") -> Dataset:
    """Even users like even items; the last item was never touched. ``trend`` wants a clock: an event a day."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(40), 7)
    item = np.concatenate([rng.permutation(np.arange(u % 2, 20, 2))[:7] for u in range(40)])
    items = EntityTable(
        Vocabulary.of([f"i{n:02}" for n in range(21)]),
        pd.DataFrame({"parity": [("even", "odd")[n % 2] for n in range(21)]}),
        Schema.of({"parity": "categorical"}),
    )
    users = EntityTable.bare(Vocabulary(np.arange(100, 140)))
    return Dataset(
        "w", users, items, Interactions.of(user, item, np.tile(np.arange(7), 40) * _step(name)), name == "trend"
    )


def _step(name: str) -> int:
    return 86_400 if name == "trend" else 1


def fitted(name: str, data: Dataset, train: Interactions | None = None):
    kind = ENGINES[name]
    engine = kind(parse(kind.Config, QUICK.get(name, {}), name), FitContext(seed=3))
    engine.fit(data, data.interactions if train is None else train)
    return engine


def scores(engine, data: Dataset, history: Interactions | None = None):
    request = Request.from_dataset(data, np.arange(data.n_users), history)
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


@pytest.mark.parametrize("name", list(ENGINES))
def test_vectors_have_one_row_an_asker_and_one_an_item(name):
    data = world(name)
    engine = fitted(name, data)
    assert engine.kind == name
    assert scores(engine, data).shape == (40, 21)
    assert np.isfinite(scores(engine, data)).all()


@pytest.mark.parametrize("name", [n for n in ENGINES if n not in FOR_ALL])
def test_it_learns_who_likes_what(name):
    data = world(name)
    best = scores(fitted(name, data), data)[:, :20].argmax(1)
    assert (best % 2 == np.arange(40) % 2).mean() > 0.9


@pytest.mark.parametrize("name", list(ENGINES))
def test_it_survives_the_disk_bit_for_bit(name, tmp_path):
    data = world(name)
    engine = fitted(name, data)
    engine.save(tmp_path / "e")
    loaded = ENGINES[name].load(tmp_path / "e")
    assert np.array_equal(scores(loaded, data), scores(engine, data))
    if isinstance(engine, Pretrainer):
        assert loaded.item_table().provenance == engine.item_table().provenance


@pytest.mark.parametrize("name", list(ENGINES))
def test_the_same_seed_gives_the_same_engine(name):
    data = world(name)
    assert np.array_equal(scores(fitted(name, data), data), scores(fitted(name, data), data))


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_untouched_item_is_placed_only_by_engines_that_say_so(name):
    data = world(name)
    valid = fitted(name, data).item_vectors(data.items).valid
    assert ENGINES[name].supports_cold_items == (valid is None or bool(valid[20]))


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_stranger_with_a_history_is_served_and_an_unknown_item_does_no_harm(name):
    data = world(name)
    engine = fitted(name, data)
    items = data.items.with_ids(["new"])
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), items, Histories.of([[1, 3, 21, 5], []]))
    users, vectors = engine.user_vectors(request), engine.item_vectors(items)
    assert users.scores(vectors).shape == (2, 22)
    assert users.valid is None or users.valid[0]
    if name not in FOR_ALL:
        assert users.scores(vectors)[0, :20].argmax() % 2 == 1


@pytest.mark.parametrize("name", [n for n in ENGINES if n not in FOR_ALL and not ENGINES[n].supports_cold_items])
def test_a_history_of_items_that_nobody_touched_places_nobody(name):
    data = world(name)
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), data.items, Histories.of([[20], [20, 1]]))
    valid = fitted(name, data).user_vectors(request).valid
    assert valid is None or valid.tolist() == [False, True]  # None: whoever asks is placed by features or as anyone


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_position_that_is_no_item_is_nothing_in_a_history(name):
    data = world(name)
    engine = fitted(name, data)
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), data.items, Histories.of([[MISSING], []]))
    users = engine.user_vectors(request)
    of_none, of_nothing = users.scores(engine.item_vectors(data.items))
    assert np.array_equal(of_none, of_nothing)
    assert users.valid is None or users.valid[0] == users.valid[1]


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "hybrid"])  # which has no default parts
def test_without_a_config_it_takes_its_own_defaults(name):
    assert ENGINES[name](None).config == ENGINES[name].Config()


@pytest.mark.parametrize("name", list(ENGINES))
def test_interactions_outside_train_change_nothing(name):
    data = world(name)
    early = data.interactions.time < 5 * _step(name)
    cut = data.interactions.select(early)
    item = np.where(early, data.interactions.item, 0)
    other = Dataset("w", data.users, data.items, Interactions.of(data.interactions.user, item), data.has_timestamps)
    assert np.array_equal(scores(fitted(name, data, cut), data, cut), scores(fitted(name, other, cut), other, cut))


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_pretrainer_leaves_a_table_of_the_items_it_saw(name):
    data = world(name)
    engine = fitted(name, data)
    if isinstance(engine, Pretrainer):
        table = engine.item_table()
        assert set(table.vocabulary.ids) <= set(data.items.vocabulary.ids)
        assert table.dim > 1
