"""The two-tower engine on a small world: even users like even items, in order of the rows."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext, Request
from recsys.engines.learning import run_training
from recsys.engines.two_tower import two_tower
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ArtifactError, ConfigError

QUICK = {"epochs": 3, "warmup": 0, "learning_rate": 0.02, "patience": 0}


def world(users: int = 30, items: int = 20, new_items: int = 0, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 8)
    item = np.concatenate([rng.permutation(np.arange(u % 2, items, 2))[:8] for u in range(users)])
    n = items + new_items
    columns = pd.DataFrame({"parity": [("even", "odd")[i % 2] for i in range(n)], "size": np.linspace(0, 1, n)})
    item_table = EntityTable(Vocabulary(np.arange(n)), columns, Schema.of({"parity": "categorical", "size": "numeric"}))
    user_columns = pd.DataFrame({"team": [("a", "b")[u % 2] for u in range(users)]})
    user_table = EntityTable(Vocabulary(np.arange(users)), user_columns, Schema.of({"team": "categorical"}))
    return Dataset("w", user_table, item_table, Interactions.of(user, item, np.tile(np.arange(8), users)), False)


def config(**changes):
    raw = {
        "model": {"dim": 8, "dropout": 0.0},
        "n_negatives": 16,
        "max_tokens": 32,
        "training": QUICK,
        "leave_out": [],
    } | changes
    return TwoTowerConfig.model_validate(raw)


def fitted(data: Dataset, **changes) -> TwoTower:
    return TwoTower(config(**changes)).fit(data, seed=1)


def parity_share(engine: TwoTower, data: Dataset) -> float:
    request = Request.from_dataset(data, np.arange(data.n_users))
    best = engine.user_vectors(request).scores(engine.item_vectors(data.items)).argmax(1)
    return float((best % 2 == np.arange(data.n_users) % 2).mean())


@pytest.mark.parametrize(("loss", "epochs"), [("sampled_softmax", 12), ("full_softmax", 12), ("bpr", 12), ("gbce", 48)])
def test_it_learns_who_likes_what_with_every_loss(loss, epochs):
    data = world()
    assert parity_share(fitted(data, loss=loss, training=QUICK | {"epochs": epochs}), data) > 0.9


@pytest.mark.parametrize("pooling", ["transformer", "hstu", "masked"])
def test_attention_refuses_heads_that_do_not_share_the_vector_evenly(pooling):
    with pytest.raises(ConfigError, match=r"model.dim = 9 and model.heads = 2 do not fit together.*multiple of heads"):
        fitted(world(), model={"dim": 9, "heads": 2, "pooling": pooling})


@pytest.mark.parametrize(
    "model",
    [
        {"dim": 9, "pooling": "gru"},
        {"dim": 9, "pooling": "learned"},
        {"dim": 9, "pooling": "decayed"},
        {"dim": 9, "heads": 3, "positions": "rotary"},
    ],
    ids=["gru", "learned", "decayed", "rotary, 3 a head"],
)
def test_an_odd_vector_is_learnt_where_nothing_needs_an_even_one(model):
    assert fitted(world(), model=model).model.project.weight.isfinite().all()


@pytest.mark.parametrize("fusion", ["sum", "gated", "concat", "attention"])
@pytest.mark.parametrize("pooling", ["decayed", "learned"])
def test_it_survives_the_disk_bit_for_bit(tmp_path, fusion, pooling):
    data = world()
    model = {"dim": 8, "item_fusion": fusion, "user_fusion": fusion, "pooling": pooling, "item_bias": True}
    engine = fitted(data, model=model)
    engine.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    request = Request.from_dataset(data, np.arange(data.n_users))
    assert np.array_equal(engine.user_vectors(request).dense, loaded.user_vectors(request).dense)
    assert np.array_equal(engine.item_vectors(data.items).dense, loaded.item_vectors(data.items).dense)


def test_a_user_that_training_never_saw_is_served_from_the_history():
    data = world()
    engine = fitted(data, training=QUICK | {"epochs": 12}, user_columns=[])
    stranger = EntityTable.bare(Vocabulary(np.array(["someone"], object)))
    request = Request(stranger, data.items, Histories.of([[1, 3, 5]]))
    scores = engine.user_vectors(request).scores(engine.item_vectors(data.items))
    assert scores.argmax() % 2 == 1


def test_an_item_without_interactions_is_placed_by_its_features():
    data = world(new_items=2)
    engine = fitted(data, training=QUICK | {"epochs": 15}, model={"dim": 8, "id_dropout": 0.3})
    vectors = engine.item_vectors(data.items)
    assert vectors.valid.all()
    request = Request.from_dataset(data, np.arange(2))
    scores = engine.user_vectors(request).scores(vectors)[:, 20:]
    assert scores.argmax(1).tolist() == [0, 1]


def test_an_engine_of_ids_alone_does_not_place_a_new_item():
    data = world(new_items=1)
    engine = fitted(data, item_columns=[])
    assert engine.item_vectors(data.items).valid.tolist() == [True] * 20 + [False]


def test_what_follows_the_history_changes_no_weight():
    data = world()
    cut = data.interactions.select(data.interactions.time < 6)
    later = data.interactions.item.copy()
    later[data.interactions.time >= 6] = 0
    changed = Dataset("w", data.users, data.items, Interactions.of(data.interactions.user, later), False)
    a, b = (TwoTower(config()).fit(whole, cut, seed=1) for whole in (data, changed))
    for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True):
        assert torch.equal(x, y)


def test_a_pretrained_table_enters_the_item_tower(tmp_path):
    data = world()
    vectors = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    table = EmbeddingTable(data.items.vocabulary, vectors, {})
    engine = TwoTower(config(tables=["mine"])).fit(data, context=FitContext(1, tables={"mine": table}))
    engine.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    assert np.array_equal(loaded.item_vectors(data.items).dense, engine.item_vectors(data.items).dense)


@pytest.mark.parametrize("name", ["{}/outside", "table_/../../outside", "../outside", "table_", 7])
def test_a_table_that_lies_outside_of_the_saved_folder_is_not_read(tmp_path, name):
    data = world()
    table = EmbeddingTable(data.items.vocabulary, np.ones((20, 5), np.float32), {})
    engine = TwoTower(config(tables=["mine"])).fit(data, context=FitContext(1, tables={"mine": table}))
    engine.save(tmp_path / "engine")
    (tmp_path / "engine" / "table_mine.parquet").rename(tmp_path / "outside.parquet")
    path = tmp_path / "engine" / "features.json"
    features = json.loads(path.read_text())
    path.write_text(json.dumps(features | {"tables": [str(name).format(tmp_path) if name != 7 else 7]}))
    with pytest.raises(ArtifactError, match=r"features\.json"):
        TwoTower.load(tmp_path / "engine")
    with pytest.raises(ConfigError, match="mine"):
        TwoTower(config(tables=["mine"])).fit(data, data.interactions)


def test_finetuning_grows_and_frozen_old_rows_keep_their_vectors():
    parent = fitted(world())
    grown = world(users=34, new_items=3)
    lr_multipliers = {"items": 0.0, "pooling": 0.0, "project": 0.0, "users": 0.0}
    child = TwoTower(config(training=QUICK | {"epochs": 1, "lr_multipliers": lr_multipliers}))
    new = grown.interactions.user >= 30
    old_items = grown.items.take(np.arange(20))
    before = parent.item_vectors(old_items).dense
    with pytest.raises(ConfigError, match="freeze"):
        child.finetune(parent, grown, grown.interactions, new, FitContext(2))
    lr_multipliers = {"items": 0.0, "pooling": 0.0, "users": 0.0}
    child = TwoTower(config(training=QUICK | {"epochs": 1, "lr_multipliers": lr_multipliers}))
    child.finetune(parent, grown, grown.interactions, new, FitContext(2))
    np.testing.assert_array_equal(child.item_vectors(old_items).dense, before)
    assert len(child.inputs.items) == 23
    assert child.inputs.trained_users.sum() == 34


def with_news(data: Dataset) -> Dataset:
    """The same with a column more of items and of users."""
    items, users = data.items, data.users
    colours = items.columns.assign(colour=[("red", "blue")[i // 2 % 2] for i in range(data.n_items)])
    ages = users.columns.assign(age=np.linspace(20.0, 60.0, data.n_users))
    return Dataset(
        "w",
        EntityTable(users.vocabulary, ages, Schema.of({"team": "categorical", "age": "numeric"})),
        EntityTable(items.vocabulary, colours, Schema.of(dict(items.schema.to_dict(), colour="categorical"))),
        data.interactions,
        False,
    )


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("fusion", ["sum", "gated", "concat", "attention"])
def test_new_columns_change_no_vector_until_they_are_trained(fusion, similarity):
    shape = {"dim": 8, "dropout": 0.0, "item_fusion": fusion, "user_fusion": fusion, "similarity": similarity}
    shape["item_bias"] = similarity == "dot"
    parent, grown = fitted(world(), model=shape), with_news(world(users=34, new_items=4))
    old_items, old_users = grown.items.take(np.arange(20)), np.arange(30)
    request = Request.from_dataset(grown, old_users)
    before = parent.item_vectors(old_items).dense, parent.user_vectors(request).dense
    new = grown.interactions.user >= 30

    def child(**training):
        engine = TwoTower(config(model=shape, training=QUICK | {"epochs": 1} | training))
        engine.finetune(parent, grown, grown.interactions, new, FitContext(2))
        return engine

    untrained = child(learning_rate=1e-12)
    np.testing.assert_allclose(untrained.item_vectors(old_items).dense, before[0], atol=1e-6)
    np.testing.assert_allclose(untrained.user_vectors(request).dense, before[1], atol=1e-4)
    encoders = child().model
    assert encoders.items.encoders["colour"].project.weight.abs().sum() > 0
    assert encoders.users["age"].project.weight.abs().sum() > 0


def test_new_items_are_recommended_by_their_content_before_anyone_chose_them():
    parent, grown = fitted(world(), training=QUICK | {"epochs": 12}), with_news(world(users=34, new_items=6))
    child = TwoTower(config(training=QUICK | {"epochs": 1, "learning_rate": 1e-12}))
    child.finetune(parent, grown, grown.interactions, grown.interactions.user >= 30, FitContext(2))
    items = child.item_vectors(grown.items)
    assert items.valid is None or items.valid.all()
    scores = child.user_vectors(Request.from_dataset(grown, np.arange(30))).scores(items)[:, 20:]
    liked = (scores[:, ::2].mean(1) > scores[:, 1::2].mean(1)) == (np.arange(30) % 2 == 0)
    assert liked.mean() > 0.9


@pytest.mark.parametrize(("negatives", "share"), [("in_batch", 1.0), ("mixed", 0.5)])
def test_finetuning_corrects_for_the_targets_that_its_batches_hold(negatives, share, monkeypatch):
    data, tasks = world(), []
    parent, new = fitted(data), data.interactions.user < 3

    def kept(engine, task, *rest):
        tasks.append(task)
        return run_training(engine, task, *rest)

    monkeypatch.setattr(two_tower, "run_training", kept)
    settings = config(negatives=negatives, sampling_exponent=0.0, training=QUICK | {"epochs": 1})
    TwoTower(settings).finetune(parent, data, data.interactions, new, FitContext(2))
    targets = data.interactions.item[new].astype(np.int64)
    drawn = tasks[0].sampler.sample(targets, np.random.default_rng(0))
    expected = 16 * (share * np.bincount(targets, minlength=20) / len(targets) + (1 - share) / 20)
    np.testing.assert_allclose(np.exp(drawn.log_q), expected[drawn.rows], rtol=1e-5)


def test_features_move_slower_than_ids_unless_their_own_rate_is_given():
    given = {"items": 0.5, "items.encoders.size": 1.0}
    spelt_out = {"items.encoders.__id__": 0.5, "items.encoders.parity": 0.1, **given}
    multiplied, named = (
        fitted(world(), training=QUICK | {"epochs": 1, "lr_multipliers": rates}) for rates in (given, spelt_out)
    )
    for a, b in zip(multiplied.model.parameters(), named.model.parameters(), strict=True):
        assert torch.equal(a, b)
    start, slow = (fitted(world(), feature_lr_multiplier=rate, training=QUICK | {"epochs": 1}) for rate in (1e-9, 0.2))
    fast = fitted(world(), feature_lr_multiplier=1.0, training=QUICK | {"epochs": 1})
    moved = [
        (e.model.items.encoders["parity"].table.weight - start.model.items.encoders["parity"].table.weight).abs().sum()
        for e in (slow, fast)
    ]
    assert 0 < moved[0] < moved[1]


def test_the_items_features_begin_as_loud_as_asked_and_tables_hide_as_many_rows():
    data, still = world(), QUICK | {"epochs": 1, "learning_rate": 1e-9}
    vectors = np.random.default_rng(0).normal(size=(data.n_items, 4)).astype(np.float32)
    tables = {"content": EmbeddingTable(data.items.vocabulary, vectors, {})}

    def encoders(**model):
        settings = config(tables=["content"], training=still, model={"dim": 8} | model)
        engine = TwoTower(settings).fit(data, context=FitContext(1, tables=tables))
        return engine.model.items.encoders

    loud, soft = encoders(), encoders(feature_init_scale=0.25, table_dropout=0.5)
    for name in ("parity", "size", "table_content"):
        torch.testing.assert_close(soft[name].project.weight, loud[name].project.weight / 4, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(soft["__id__"].table.weight, loud["__id__"].table.weight, atol=1e-6, rtol=1e-4)
    assert (loud["table_content"].drop, soft["table_content"].drop) == (0.1, 0.5)


def test_a_table_has_the_items_that_training_saw():
    data = world()
    early = data.interactions.select(data.interactions.item < 15)
    engine = TwoTower(config()).fit(data, early, seed=1)
    table = engine.item_table()
    assert table.vocabulary.ids.tolist() == list(range(15))
    weight = engine.model.items.encoders["__id__"].table.weight.detach().numpy()
    np.testing.assert_array_equal(table.vectors, weight[:15])
    with pytest.raises(ConfigError, match="item_id = true"):
        fitted(data, model={"dim": 8, "item_id": False}).item_table()


@pytest.mark.parametrize("name", ["type", "items", "training", "a.b"])
def test_a_column_may_have_any_name(name, tmp_path):
    data = world()
    items, users = data.items, data.users
    remap_items = EntityTable(
        items.vocabulary,
        items.columns.rename(columns={"parity": name}),
        Schema.of({name: "categorical", "size": "numeric"}),
    )
    people = EntityTable(
        users.vocabulary, users.columns.rename(columns={"team": name}), Schema.of({name: "categorical"})
    )
    engine = fitted(Dataset("w", people, remap_items, data.interactions, False), training=QUICK | {"epochs": 1})
    engine.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    np.testing.assert_array_equal(loaded.item_vectors(remap_items).dense, engine.item_vectors(remap_items).dense)
    assert loaded.inputs.columns == [name, "size"]
