"""The two-tower engine on every device that there is, and what lies where: the CPU stands in for a device."""

import gc
import weakref
from contextlib import suppress

import numpy as np
import pytest
import torch

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines import device_copy
from recsys.engines.graph.sage import GraphSAGE
from recsys.engines.two_tower.next_item_task import NextItemTask
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.evaluate import evaluate
from recsys.models import feature_table, two_tower
from recsys.models.sage import SageModel
from recsys.models.two_tower import TwoTowerModel
from recsys.tracking import SilentTracker

STILL = {"dropout": 0.0, "id_dropout": 0.0, "table_dropout": 0.0}
"""Without the random numbers that each device draws for itself."""


@pytest.fixture(scope="module")
def world():
    data = BlockTaste(users=120, items=40).dataset()
    return data, split(data, "leave_one_out")


def fitted(world, device):
    data, parts = world
    training = {"epochs": 3, "warmup": 5, "patience": 0, "device": device}
    engine = TwoTower(dim=16, user_id=True, item_bias=True, training=training, **STILL)
    return engine.fit(data, parts.train, context=FitContext(3, parts.validation))


@pytest.fixture(scope="module")
def of_cpu(world):
    return fitted(world, "cpu")


def test_metrics_of_vectors_from_a_device_are_those_of_the_cpu_to_three_digits(world, of_cpu, device):
    data, parts = world
    expected, found = evaluate(of_cpu, data, parts.test), None
    of_cpu.model.to(device)
    try:
        of_cpu._clear_cache()
        found = evaluate(of_cpu, data, parts.test)
    finally:
        of_cpu.model.to("cpu")
        of_cpu._clear_cache()
    for name in expected.values:
        assert found.mean(name) == pytest.approx(expected.mean(name), abs=1e-3)


def test_a_training_on_a_device_has_the_losses_of_the_cpu_to_five_percent(world, of_cpu, device):
    losses = [[point["loss"] for point in engine.curve_] for engine in (fitted(world, device), of_cpu)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert of_cpu.curve_[-1]["loss"] < of_cpu.curve_[0]["loss"]


def test_a_catalogue_is_encoded_in_blocks(world, of_cpu, monkeypatch):
    data, _ = world
    of_cpu._clear_cache()
    whole = of_cpu.item_vectors(data.items), of_cpu.similarity_vectors(data.items)
    monkeypatch.setattr(two_tower, "_BLOCK", 7)
    of_cpu._clear_cache()
    blocks = of_cpu.item_vectors(data.items), of_cpu.similarity_vectors(data.items)
    for found, expected in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(found.dense, expected.dense, rtol=1e-5, atol=1e-6)


@pytest.fixture
def as_a_device(monkeypatch):
    """The CPU counts as a device beside the CPU: features and networks are copied to it."""
    monkeypatch.setattr(feature_table, "CPU", torch.device("meta"))
    monkeypatch.setattr(device_copy, "device_of", lambda engine: torch.device("cpu"))


def used(monkeypatch, kind, method):
    """The networks of ``kind`` whose ``method`` is called from now on."""
    found, original = [], getattr(kind, method)

    def called(self, *arguments):
        found.append(self)
        return original(self, *arguments)

    monkeypatch.setattr(kind, method, called)
    return found


def sage(world):
    data, parts = world
    training = {"epochs": 2, "warmup": 0, "device": "cpu"}
    return GraphSAGE(dim=8, batch=64, training=training).fit(data, parts.train, context=FitContext(3, parts.validation))


@pytest.mark.parametrize("fit", [lambda world: fitted(world, "cpu"), sage])
def test_a_training_on_a_device_gives_the_weights_and_lists_of_one_on_the_cpu(world, fit, as_a_device, monkeypatch):
    data, parts = world
    found = fit(world)
    with monkeypatch.context() as plain:
        plain.setattr(feature_table, "CPU", torch.device("cpu"))
        plain.setattr(device_copy, "device_of", lambda engine: None)
        expected = fit(world)
        lists = evaluate(expected, data, parts.test)
    assert found.curve_ == expected.curve_
    for a, b in zip(found.model.parameters(), expected.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert np.array_equal(evaluate(found, data, parts.test).items, lists.items)  # by no copy of an earlier epoch


def test_a_step_on_a_device_is_sent_the_rows_of_its_users_and_items(world, as_a_device, monkeypatch):
    sent, prepare = [], NextItemTask.prepare

    def prepared(self, batch, rng):
        sent.append(prepare(self, batch, rng))
        return sent[-1]

    monkeypatch.setattr(NextItemTask, "prepare", prepared)
    fitted(world, "cpu")
    assert {part.dtype for batch in sent for part in (batch.items, batch.users)} == {torch.int64}
    assert all(len(batch.users) == len(batch.columns) for batch in sent)


@pytest.mark.parametrize(
    ("fit", "kind", "method"),
    [
        (lambda world: fitted(world, "cpu"), TwoTowerModel, "item_vectors"),
        (lambda world: fitted(world, "cpu"), TwoTowerModel, "user_vectors"),
        (sage, SageModel, "first"),
    ],
)
def test_users_and_items_are_encoded_where_they_are_ranked(
    world, fit, kind, method, as_a_device, monkeypatch, tmp_path
):
    data, parts = world
    engine = fit(world)
    engine.save(tmp_path)
    loaded = type(engine).load(tmp_path)
    networks = used(monkeypatch, kind, method)
    lists = [evaluate(loaded, data, parts.test).items for _ in range(2)]
    assert len(set(map(id, networks))) == 1
    assert networks[0] is not loaded.model
    assert np.array_equal(lists[0], evaluate(engine, data, parts.test).items)
    assert np.array_equal(lists[1], lists[0])


class Interrupted(SilentTracker):
    """A user who presses Ctrl-C in the second epoch."""

    def progress(self, message):
        if message.startswith("epoch 2"):
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [TwoTower, GraphSAGE])
def test_a_training_that_is_interrupted_keeps_no_data_and_leaves_a_network_that_encodes(as_a_device, kind):
    data = BlockTaste(users=60, items=20).dataset()
    parts, items = split(data, "leave_one_out"), weakref.ref(data.items)
    engine = kind(dim=8, training={"epochs": 3, "warmup": 1})
    with suppress(KeyboardInterrupt):
        engine.fit(data, parts.train, context=FitContext(0, parts.validation, tracker=Interrupted()))
    assert engine.epochs_ is None
    assert not engine.model.training
    del data, parts
    gc.collect()
    assert items() is None
