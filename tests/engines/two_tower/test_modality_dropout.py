"""What a training step does not see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys.data.histories import Histories
from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext, Request
from recsys.engines.learning import run_training
from recsys.engines.two_tower import two_tower
from recsys.engines.two_tower.modalities import MaskedTwoTower
from recsys.engines.two_tower.modality_dropout import ModalityDropout
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ConfigError
from tests.engines.two_tower.test_two_tower import QUICK, world


def fitted(**changes):
    data = world()
    table = EmbeddingTable(data.items.vocabulary, np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32), {})
    options = {
        "tables": ["mine"],
        "model": {"dim": 8, "dropout": 0.0, "id_start": "random"},
        "n_negatives": 16,
        "training": QUICK,
        "leave_out": [],
    }
    return TwoTower(**options | changes).fit(data, context=FitContext(1, tables={"mine": table})), data


@pytest.fixture(scope="module")
def trained():
    return fitted()


def drawn(trained, rate=0.4, modalities=None, times=2000):
    dropout, rng = (
        ModalityDropout.of(rate, modalities or {}, trained[0].inputs, trained[0].model),
        np.random.default_rng(0),
    )
    return [dropout.draw(rng) for _ in range(times)]


def test_tables_columns_ids_and_history_are_hidden_each_by_itself(trained):
    steps = drawn(trained)
    parts = ["mine", "parity", "ids", "history"]
    hidden = np.array([[part in step for part in parts] for step in steps])
    assert (abs(hidden.mean(0) - 0.4 * (1 - 0.4**2)) < 0.05).all()  # a step without any item input hides nothing
    assert all(("parity" in step) == ("team" in step) == ("size" in step) for step in steps)
    assert not any({"mine", "parity", "ids"} <= step for step in steps)


def test_named_modalities_are_hidden_together(trained):
    steps = drawn(trained, modalities={"content": ["mine", "size"], "sequence": ["history"]})
    assert {frozenset(), frozenset({"mine", "size"}), frozenset({"history"})} < set(steps)
    assert not any(("mine" in step) != ("size" in step) for step in steps)


def test_without_ids_a_table_or_the_columns_are_always_left():
    built, data = fitted(model={"dim": 8, "item_id": False}, training=QUICK | {"epochs": 1})
    steps = drawn((built, data))
    assert not any({"mine", "parity"} <= step for step in steps)
    assert not any("ids" in step for step in steps)


def test_an_unknown_modality_is_named(trained):
    with pytest.raises(ConfigError, match="yours"):
        ModalityDropout.of(0.1, {"content": ["yours"]}, trained[0].inputs, trained[0].model)


def test_without_a_rate_no_random_number_is_drawn(trained):
    rng = np.random.default_rng(3)
    assert ModalityDropout.of(0.0, {}, trained[0].inputs, trained[0].model).draw(rng) == frozenset()
    assert rng.random() == np.random.default_rng(3).random()


@pytest.fixture(scope="module")
def task(trained):
    """What an engine like the trained one is trained by, with the weights of the trained one."""
    tasks = []

    def kept(engine, task, *rest):
        tasks.append(task)
        return run_training(engine, task, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_tower, "run_training", kept)
        fitted()
    tasks[0].module.load_state_dict(trained[0].model.state_dict())
    return tasks[0]


@pytest.mark.parametrize("hidden", [[], ["mine"], ["parity", "size", "team"], ["ids", "history"]])
def test_a_training_step_sees_what_the_masked_engine_sees(trained, task, hidden):
    """Both sides of the loss, for every target of a batch, with ``hidden`` drawn in every step."""
    built, data = trained
    train, found = data.interactions, []
    task.dropout = ModalityDropout.of(1.0 - 1e-9 if hidden else 0.0, {"some": hidden}, built.inputs, built.model)
    task.compute_loss = lambda batch: found.extend((batch.users, batch.positives)) or batch.users.sum()
    batch = task.batches(0, np.random.default_rng(0))[0]
    with torch.no_grad():
        task.loss(batch, np.random.default_rng(0))
    events = np.concatenate([np.arange(*part) for part in zip(batch.first, batch.stop, strict=True)])
    pasts = [train.item[(train.user == train.user[event]) & (train.time < train.time[event])] for event in events]
    masked = MaskedTwoTower(built, hidden)
    users = [
        masked.user_vectors(Request(data.users.take(train.user[[event]]), data.items, Histories.of([past]))).dense
        for event, past in zip(events, pasts, strict=True)
    ]
    np.testing.assert_allclose(found[1], masked.item_vectors(data.items).dense[train.item[events]], atol=1e-5)
    np.testing.assert_allclose(found[0], np.concatenate(users), rtol=1e-4, atol=1e-4)


def test_a_column_with_a_dot_in_its_name_is_one_part(trained):
    inputs = trained[0].inputs
    dotted = replace(inputs.item_features.columns[0], name="imdb.rating")
    inputs = replace(inputs, item_features=replace(inputs.item_features, columns=(dotted,)))
    assert inputs.columns == ["imdb.rating", "team"]
    assert inputs.part("imdb·rating") == "imdb.rating"


def test_an_engine_that_learnt_with_holes_needs_no_single_input():
    model = {"dim": 8, "dropout": 0.0, "pooling": "decayed", "id_start": "random"}
    built, data = fitted(modality_dropout=0.2, model=model, training=QUICK | {"epochs": 40})
    request = Request.from_dataset(data, np.arange(data.n_users))
    for hidden in (["mine"], ["history"], ["ids", "mine"], ["parity", "size", "team"]):
        masked = MaskedTwoTower(built, hidden)
        best = masked.user_vectors(request).scores(masked.item_vectors(data.items)).argmax(1)
        assert (best % 2 == np.arange(data.n_users) % 2).mean() > 0.9, hidden


@pytest.mark.parametrize("pooling", ["transformer", "masked"])
def test_other_encoders_of_histories_train_without_one(pooling):
    built, _ = fitted(modality_dropout=0.5, model={"dim": 8, "pooling": pooling})
    assert not any(torch.isnan(parameter).any() for parameter in built.model.parameters())
