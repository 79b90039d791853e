"""Ranking on a device: lists and scores of single precision, for whoever asks, as the option ``device`` has it."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recsys.data.histories import Histories
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext, Request, Vectors
from recsys.engines import device_copy
from recsys.engines.baselines.ease import EASE
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.learning import validation_metric
from recsys.engines.two_tower.modalities import masked
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.evaluate import evaluate
from recsys.ranking import Ranker, device_of, on_device
from recsys.ranking.on_device import OnDevice
from recsys.registry.bundle import Bundle
from recsys.retrieval.frames import recommend
from recsys.retrieval.rules.boosts import Boosts
from recsys.service.model import ServedModel

OF = OnDevice.of


def rank_on(device, monkeypatch):
    """From now on ``device`` encodes and ranks dense vectors; the devices that rankers were given."""
    asked = []

    def of(items, left_out, given):
        asked.append(given)
        return OF(items, left_out, torch.device(device))

    monkeypatch.setattr(OnDevice, "of", of)
    monkeypatch.setattr(device_copy, "device_of", lambda model: torch.device(device))
    return asked


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("allowed", ["highest", "high", "medium"])
def test_scores_are_those_of_single_precision_whatever_the_process_allows(device, allowed):
    users, items, before = normal(0, 70, 64), normal(1, 5_000, 64), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(allowed)
    try:
        with torch.autocast(device, torch.bfloat16):
            rows, scores = Ranker(Vectors(items), device=torch.device(device)).top_k(Vectors(users), 20)
        assert torch.get_float32_matmul_precision() == allowed
    finally:
        torch.set_float32_matmul_precision(before)
    exact = users.astype(float) @ items.T.astype(float)
    np.testing.assert_allclose(scores, np.take_along_axis(exact, rows, 1), atol=1e-4)
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :20], atol=1e-4)


def test_lists_of_blocks_are_those_of_the_cpu(device):
    rng = np.random.default_rng(2)
    items = Vectors(normal(3, 700, 16), valid=rng.random(700) < 0.9)
    users = Vectors(normal(4, 150, 16), valid=rng.random(150) < 0.9)
    items.dense[~items.valid], users.dense[~users.valid] = np.nan, np.inf
    seen = Histories.of([rng.integers(-1, 700, user % 30).tolist() for user in range(150)])
    for candidates in (None, rng.choice(700, 300, replace=False)):
        there = Ranker(items, candidates, block=40, device=torch.device(device)).top_k(users, 250, seen)
        here = Ranker(items, candidates).top_k(users, 250, seen)
        np.testing.assert_allclose(there[1], here[1], rtol=1e-4, atol=1e-5)
        assert (there[0] == here[0]).mean() > 0.999
        np.testing.assert_array_equal(there[0] < 0, here[0] < 0)


def test_a_list_is_the_same_beside_any_other_users(device):
    users, items = Vectors(normal(5, 200, 32)), Vectors(normal(6, 3_000, 32))
    ranker = Ranker(items, multiple=32, block=64, device=torch.device(device))
    whole = ranker.top_k(users, 20)
    for rows in (np.array([3]), np.arange(100, 165), np.arange(199, -1, -1)):
        found = ranker.top_k(users.take(rows), 20)
        np.testing.assert_array_equal(found[0], whole[0][rows])
        np.testing.assert_array_equal(found[1], whole[1][rows])


def test_boosted_scores_are_ranked_there_too(device):
    rng = np.random.default_rng(7)
    users, items = (Vectors(rng.integers(0, 4, (n, 12)).astype(np.float32)) for n in (60, 900))
    factors = np.where(rng.random(900) < 0.3, np.float32(1.5), np.float32(1))
    boosts, candidates = Boosts(factors, (factors - 1) / np.float32(8)), rng.choice(900, 500, replace=False)
    seen = Histories.of([rng.integers(0, 900, 40).tolist() for _ in range(60)])
    for some in (None, candidates):
        there, here = (
            boosts.ranker(items, some, device=one).top_k(users, 30, seen) for one in (torch.device(device), None)
        )
        np.testing.assert_array_equal(there[0], here[0])
        np.testing.assert_array_equal(there[1], here[1])


def test_vectors_with_a_sparse_part_are_ranked_on_the_cpu(device):
    users, items = normal(8, 9, 6), normal(9, 30, 6)
    users, items = (Vectors(part, sp.csr_array(np.maximum(part, 0))) for part in (users, items))
    ranker = Ranker(items, device=torch.device(device))
    assert ranker.scores(users).device.type == "cpu"
    np.testing.assert_array_equal(ranker.top_k(users, 5)[1], Ranker(items).top_k(users, 5)[1])


def test_blocks_take_an_eighth_of_the_free_memory_and_items_that_take_half_are_ranked_on_the_cpu(monkeypatch, device):
    users, items = Vectors(normal(10, 90, 8)), Vectors(normal(11, 1_000, 8))
    expected = Ranker(items).top_k(users, 5)
    for free, block in ((10**12, 4_096), (512_000, 16), (64_000, 2), (63_999, 2**23 // 1_000)):
        monkeypatch.setattr(on_device, "free_bytes", lambda _, free=free: free)
        ranker = Ranker(items, device=torch.device(device))
        assert ranker.block == block
        np.testing.assert_array_equal(ranker.top_k(users, 5)[0], expected[0])


@pytest.fixture(scope="module")
def world():
    data = BlockTaste(users=120, items=40).dataset()
    return data, split(data, "leave_one_out")


def towers(world, where, **options):
    data, parts = world
    training = {"epochs": 2, "warmup": 5, "patience": 0, "device": where}
    return TwoTower(dim=16, training=training, **options).fit(
        data, parts.train, context=FitContext(3, parts.validation)
    )


def test_the_option_of_the_engine_says_where_it_is_ranked(world, monkeypatch):
    data, parts = world
    auto, cpu, ease = towers(world, "auto"), towers(world, "cpu"), EASE().fit(data, parts.train)
    both = Hybrid(parts=["a", "b"])
    both.fit(data, parts.train, context=FitContext(0, parts.validation, parts={"a": auto, "b": ease}))
    assert device_of(auto) == (torch.device("cuda") if torch.cuda.is_available() else None)
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        cuda = torch.device("cuda") if there else None
        assert [device_of(one) for one in (auto, Bundle(auto, data), masked(auto, ["ids"]))] == [cuda] * 3
        assert device_of(TwoTower(training={"device": "cuda"})) == cuda
        assert [device_of(one) for one in (cpu, ease, Bundle(cpu, data), both)] == [None] * 4


def test_evaluation_recommendation_validation_and_the_service_rank_where_the_option_says(world, monkeypatch, device):
    data, parts = world
    engine = towers(world, "auto")
    context, bundle = FitContext(3, parts.validation), Bundle(engine, data)
    validate = validation_metric(engine, data, context, "ndcg@10", 100, lambda: None)
    doors = {
        "evaluate": lambda: evaluate(engine, data, parts.test, ks=(10,)).mean("ndcg@10"),
        "recommend": lambda: recommend(bundle, data, k=5)["score"].sum(),
        "validation": validate,
        "service": lambda: (
            ServedModel(bundle).retriever.top_k(Request.from_dataset(data, np.arange(20)), 5).scores.sum()
        ),
    }
    expected = {name: door() for name, door in doors.items()}
    asked = rank_on(device, monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name, door in doors.items():
        asked.clear()
        assert door() == pytest.approx(expected[name], rel=1e-3), name
        assert torch.device("cuda") in asked, name


def test_a_training_that_validates_on_a_device_chooses_the_same(world, monkeypatch, device):
    options = {"user_id": True, "popularity_weight": None, "graph_weight": None}
    expected = towers(world, "cpu", **options)
    asked = rank_on(device, monkeypatch)
    found = towers(world, "cpu", **options)
    assert len(asked) > 10
    assert [point["metric"] for point in found.curve_] == pytest.approx(
        [p["metric"] for p in expected.curve_], abs=1e-3
    )
    assert found.options_.graph_weight == expected.options_.graph_weight
