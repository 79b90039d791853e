"""What a training step does not see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext, Request
from recsys.engines.two_tower.modalities import MaskedTwoTower
from recsys.engines.two_tower.modality_dropout import ModalityDropout
from recsys.engines.two_tower.two_tower import TwoTower, TwoTowerConfig
from recsys.errors import ConfigError
from tests.engines.two_tower.test_two_tower import QUICK, world


def engine(**changes):
    data = world()
    table = EmbeddingTable(data.items.vocabulary, np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32), {})
    options = {"tables": ["mine"], "model": {"dim": 8, "dropout": 0.0}, "n_negatives": 16, "training": QUICK}
    return TwoTower(TwoTowerConfig.model_validate(options | changes), FitContext(1, tables={"mine": table})), data


@pytest.fixture(scope="module")
def trained():
    built, data = engine()
    built.fit(data, data.interactions)
    return built, data


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
    built, data = engine(model={"dim": 8, "item_id": False}, training=QUICK | {"epochs": 1})
    built.fit(data, data.interactions)
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


@pytest.mark.parametrize("hidden", [{"mine"}, {"parity", "size", "team"}, {"ids", "history"}])
def test_training_hides_what_the_attribution_masks(trained, hidden):
    """The vectors of a training step with parts hidden are those of the masked engine."""
    built, data = trained
    dropout = ModalityDropout.of(0.5, {}, built.inputs, built.model)
    features, users = built.inputs.item_values(data.items), built.inputs.user_values(data.users)
    dropout.hide(features, frozenset(hidden), dropout.items)
    dropout.hide(users, frozenset(hidden), dropout.users)
    masked, request = MaskedTwoTower(built, hidden), Request.from_dataset(data, np.arange(4))
    np.testing.assert_allclose(built.model.item_vectors(features).detach(), masked.item_vectors(data.items).dense)
    if "history" in hidden:
        nothing = built._task(data, data.interactions, None).empty_history(4)
        own = built.model.encode_users({name: values[:4] for name, values in users.items()})
        found = built.model.user_vectors(nothing, own).detach()
        np.testing.assert_allclose(found, masked.user_vectors(request).dense, rtol=1e-5)


@pytest.mark.parametrize("hidden", [set(), {"mine"}, {"parity", "size", "team"}, {"ids", "history"}])
def test_the_loss_of_a_step_sees_nothing_of_what_is_drawn(trained, hidden, monkeypatch):
    built, data = trained
    task = built._task(data, data.interactions, None)
    task.dropout = ModalityDropout.of(0.5, {}, built.inputs, built.model)
    monkeypatch.setattr(ModalityDropout, "draw", lambda *_: frozenset(hidden))
    seen: dict[str, torch.Tensor] = {}
    for name in ("item_vectors", "encode_users"):
        was = getattr(built.model, name)
        monkeypatch.setattr(built.model, name, lambda features, was=was: seen.update(features) or was(features))
    monkeypatch.setattr(
        task, "encode_histories", lambda *_, was=task.encode_histories: seen.update(history=torch.ones(1)) or was(*_)
    )
    rng = np.random.default_rng(0)
    task.loss(task.batches(0, rng)[0], rng)
    missing = built.inputs.missing_item() | built.inputs.missing_user()
    for name, values in seen.items():
        if name == "history":
            continue
        nothing = torch.allclose(values, missing[name].expand_as(values), equal_nan=True)
        assert nothing == (built.inputs.part(name) in hidden), name
    assert ("history" in seen) == ("history" not in hidden)


def test_a_column_with_a_dot_in_its_name_is_one_part(trained):
    inputs = trained[0].inputs
    dotted = replace(inputs.item_features.columns[0], name="imdb.rating")
    inputs = replace(inputs, item_features=replace(inputs.item_features, columns=(dotted,)))
    assert inputs.columns == ["imdb.rating", "team"]
    assert inputs.part("imdb·rating") == "imdb.rating"


def test_an_engine_that_learnt_with_holes_needs_no_single_input():
    model = {"dim": 8, "dropout": 0.0, "pooling": "decayed"}
    built, data = engine(modality_dropout=0.2, model=model, training=QUICK | {"epochs": 40})
    built.fit(data, data.interactions)
    request = Request.from_dataset(data, np.arange(data.n_users))
    for hidden in (["mine"], ["history"], ["ids", "mine"], ["parity", "size", "team"]):
        masked = MaskedTwoTower(built, hidden)
        best = masked.user_vectors(request).scores(masked.item_vectors(data.items)).argmax(1)
        assert (best % 2 == np.arange(data.n_users) % 2).mean() > 0.9, hidden


@pytest.mark.parametrize("pooling", ["transformer", "masked"])
def test_other_encoders_of_histories_train_without_one(pooling):
    built, data = engine(modality_dropout=0.5, model={"dim": 8, "pooling": pooling})
    built.fit(data, data.interactions)
    assert not any(torch.isnan(parameter).any() for parameter in built.model.parameters())
