"""Parts added to the two-tower score: chosen on validation, served and stored with the engine."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Dataset
from recsys.data.read import read_dataset
from recsys.data.splits.split import split
from recsys.engine import FitContext, Request
from recsys.engines.two_tower.modalities import masked
from recsys.engines.two_tower.score_parts.added import GRAPH_WEIGHTS
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def blocks() -> Dataset:
    """Everybody likes two blocks of ten items; the last event alone, all that the towers here read, tells of one."""
    rng, rows = np.random.default_rng(1), []
    for user in range(200):
        liked = rng.choice(8, 2, replace=False)
        for item in rng.permutation(np.concatenate([np.arange(10) + 10 * block for block in liked]))[:14]:
            rows.append((user, item, 10**9 + len(rows)))
    return read_dataset(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))


@pytest.fixture(scope="module")
def parts(blocks):
    return split(blocks, "leave_one_out")


@pytest.fixture(scope="module")
def engine(blocks, parts) -> TwoTower:
    return TwoTower(dim=8, epochs=1, max_history=1, popularity_weight=0).fit(blocks, parts.train, parts.validation)


def scores(engine, data, parts, users=12):
    request = Request.from_dataset(data, np.arange(users), parts.train)
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


def test_where_it_helps_the_graph_part_gets_a_weight_and_a_rank(engine, blocks, parts):
    options = engine.options_
    assert options.graph_weight in GRAPH_WEIGHTS
    assert options.graph_rank == engine.graph_.rank
    alone = TwoTower(dim=8, epochs=1, max_history=1, popularity_weight=0, graph_weight=0)
    alone.fit(blocks, parts.train, parts.validation)
    with_graph, without = (evaluate(one, blocks, parts.test, ks=(10,)).mean("ndcg@10") for one in (engine, alone))
    assert with_graph > 1.05 * without


def test_the_graph_part_is_saved_with_the_engine(engine, blocks, parts, tmp_path):
    engine.save(tmp_path)
    np.testing.assert_array_equal(scores(TwoTower.load(tmp_path), blocks, parts), scores(engine, blocks, parts))


def test_a_refit_with_the_chosen_options_has_the_same_parts_without_validation(engine, blocks, parts):
    chosen = engine.chosen_config()
    assert not chosen.model_copy(update={"stop_epoch": 1}).chooses_on_validation()
    again = TwoTower(chosen).fit(blocks, parts.train, context=FitContext(epochs=engine.epochs_))
    assert again.options_.graph_weight == chosen.graph_weight
    np.testing.assert_allclose(scores(again, blocks, parts), scores(engine, blocks, parts), rtol=1e-4, atol=1e-4)


def test_without_validation_the_towers_score_alone(blocks, parts):
    engine = TwoTower(dim=8, epochs=1).fit(blocks, parts.train)
    assert engine.graph_ is None
    assert engine.item_vectors(blocks.items).dense.shape[1] == 8


def test_similar_items_do_not_see_the_graph_part(engine, blocks):
    assert engine.similarity_vectors(blocks.items).dense.shape[1] == 8


def test_a_fine_tuned_engine_has_the_graph_of_old_and_new_interactions(engine, blocks):
    train = blocks.interactions
    is_new = ~np.isin(np.arange(len(train)), np.arange(len(train) // 2))
    child = TwoTower(engine.chosen_config()).finetune(engine, blocks, train, is_new, FitContext(epochs=1))
    assert child.options_.graph_weight == engine.options_.graph_weight
    assert np.abs(child.graph_.out - engine.graph_.out).max() > 0
    refitted = TwoTower(engine.chosen_config()).fit(blocks, train, context=FitContext(epochs=1))
    np.testing.assert_allclose(child.graph_.out, refitted.graph_.out, atol=1e-5)


@pytest.mark.parametrize("hidden", ["ids", "history"])
def test_the_graph_part_is_hidden_with_ids_and_with_histories(engine, blocks, parts, hidden):
    reduced = masked(engine, {hidden})
    users = reduced.user_vectors(Request.from_dataset(blocks, np.arange(5), parts.train))
    items = reduced.item_vectors(blocks.items)
    assert not (users.dense[:, 8:] @ items.dense[:, 8:].T).any()


def test_histories_hold_items_that_train_never_saw(blocks):
    events = blocks.interactions
    train = events.select(events.item != 3)
    engine = TwoTower(dim=8, epochs=1, graph_weight=1.0).fit(blocks, train)
    request = Request.from_dataset(blocks, np.arange(20), events)
    assert np.isfinite(engine.user_vectors(request).dense).all()
    assert not engine.item_vectors(blocks.items).dense[3, 8:].any()
