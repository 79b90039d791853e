"""The two-tower engine on every device that there is."""

import numpy as np
import pytest

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.evaluate import evaluate
from recsys.models import two_tower

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
