"""Metrics by hand and against an independent implementation."""

import warnings

import numpy as np
import pytest

from recsys.data.histories import Histories
from recsys.errors import ConfigError
from recsys.evaluation.evaluate import is_relevant
from recsys.evaluation.metrics import METRICS, parse_metric

HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]], bool)
RELEVANT = np.array([3, 2, 1])


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        ("recall", 3, [2 / 3, 0, 1]),
        ("recall_capped", 2, [1 / 2, 0, 1]),
        ("precision", 4, [2 / 4, 0, 1 / 4]),
        ("hit_rate", 1, [1, 0, 0]),
        ("mrr", 4, [1, 0, 1 / 2]),
        ("map", 4, [(1 + 2 / 3) / 3, 0, 1 / 2]),
        ("ndcg", 3, [(1 + 0.5) / (1 + 1 / np.log2(3) + 0.5), 0, 1 / np.log2(3)]),
    ],
)
def test_each_metric_by_hand(name, k, expected):
    assert METRICS[name](HITS, RELEVANT, k).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_a_share_and_zero_without_relevant_items(name):
    rng = np.random.default_rng(0)
    hits = rng.random((50, 20)) < 0.2
    relevant = hits.sum(1) + rng.integers(0, 4, 50)
    for k in (1, 5, 20, 40):
        values = METRICS[name](hits, relevant, k)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    assert METRICS[name](np.zeros((1, 5), bool), np.array([0]), 3).tolist() == [0]


def reference(lists, wanted, measures):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ir_measures

        run = [
            ir_measures.ScoredDoc(str(u), str(i), float(-p))
            for u, row in enumerate(lists)
            for p, i in enumerate(row)
            if i >= 0
        ]
        qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, row in enumerate(wanted) for i in row]
        found = {}
        for value in ir_measures.iter_calc([ir_measures.parse_measure(m) for m in measures], qrels, run):
            found[str(value.measure), int(value.query_id)] = value.value
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_metrics_agree_with_an_independent_implementation(seed):
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(30)[:12] for _ in range(25)])
    lists[rng.integers(0, 25, 5), 8:] = -1  # fewer candidates than k
    wanted = [sorted(rng.permutation(30)[: rng.integers(1, 15)].tolist()) for _ in range(25)]
    asked = Histories.of(wanted)
    hits = is_relevant(lists, asked, 30)
    ours = {"recall": "R", "precision": "P", "ndcg": "nDCG", "mrr": "RR", "hit_rate": "Success"}
    measures = [f"{theirs}@{k}" for theirs in ours.values() for k in (1, 5, 10)]
    expected = reference(lists, wanted, measures)
    for name, theirs in ours.items():
        for k in (1, 5, 10):
            values = METRICS[name](hits, asked.lengths, k)
            for user in range(25):
                assert values[user] == pytest.approx(expected.get((f"{theirs}@{k}", user), 0.0)), (name, k, user)


def test_a_metric_is_named_with_its_k():
    assert parse_metric("ndcg@10") == ("ndcg", 10)
    for wrong in ("ndcg", "ndcg@", "ndcg@x", "ndgc@10", "ndcg@0"):
        with pytest.raises(ConfigError):
            parse_metric(wrong)
