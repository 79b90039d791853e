"""What an engine's lists are measured against."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.config import EvaluateSection
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Vectors
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ConfigError, DataError
from recsys.evaluation.evaluate import evaluate, measure, relevant, score_metric
from recsys.evaluation.metrics import METRICS, ListMetrics
from recsys.evaluation.report.build import DataSummary, build_report, unreachable
from recsys.evaluation.report.html import render

ONES, SCORES = Vectors(dense=np.ones((2, 1), np.float32)), Vectors(dense=np.array([[0], [3], [2], [1]], np.float32))


def repeated() -> Holdout:
    """User 0 touched item 1 three times and item 2 once; user 1 touched item 1 twice."""
    targets = Interactions.of(np.array([0, 0, 0, 0, 1, 1]), np.array([1, 1, 2, 1, 1, 1]), np.arange(6))
    return Holdout(np.array([0, 1], np.int32), Interactions.empty(), targets)


def test_a_target_touched_twice_is_one_relevant_item():
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (2, 4))
    data = Dataset("r", users, items, repeated().targets, True)
    engine = SimpleNamespace(item_vectors=lambda items: SCORES, user_vectors=lambda request: ONES)
    result = evaluate(engine, data, repeated(), ks=(1, 2))
    assert result.values["recall@2"].tolist() == [1, 1]
    assert result.values["ndcg@2"].tolist() == [1, 1]
    assert result.target_counts.tolist() == [2, 1]
    assert result.targets.tolist() == [1, 2, 1]


def test_figures_do_not_depend_on_the_size_of_a_block():
    parts = split(BlockTaste(users=50, items=14).dataset(), "leave_last_n")
    data = BlockTaste(users=50, items=14).dataset()
    engine = Popularity().fit(data, parts.train)
    whole, small = (evaluate(engine, data, parts.test, ks=(1, 5), block=size) for size in (1000, 7))
    for name, values in vars(whole).items():
        if name != "values":
            np.testing.assert_array_equal(getattr(small, name), values)
    for metric, each in whole.values.items():
        np.testing.assert_array_equal(small.values[metric], each)


def test_metrics_that_are_asked_for_are_those_of_the_hits_of_all_users():
    rng, ks = np.random.default_rng(0), (1, 5, 20, 50)
    hits, relevant = rng.random((3000, 23)) < 0.1, rng.integers(0, 30, 3000)
    found = ListMetrics.of(hits, relevant, ks)
    assert list(found) == [f"{name}@{k}" for k in ks for name in METRICS]
    for k in ks:
        for name, metric in METRICS.items():
            np.testing.assert_array_equal(found[f"{name}@{k}"], metric(hits, relevant, k))
    assert "recall@7" not in found
    with pytest.raises(KeyError, match="recall@7"):
        found["recall@7"]


def test_results_of_lists_of_a_hundred_take_a_hundred_bytes_a_user():
    rng, n = np.random.default_rng(0), 5000
    users = np.arange(n, dtype=np.int32)
    targets = Interactions.of(users, rng.integers(0, 400, n))
    wanted = relevant(Holdout(users, Interactions.empty(), targets), users)
    lists = np.argsort(rng.random((n, 400)), axis=1)[:, :100]
    result = measure(users, lists, np.zeros(n, np.int64), wanted, (1, 5, 10, 20, 50, 100), 400)
    kept = [*vars(result).values(), *vars(result.values).values()]
    assert sum(part.nbytes for part in kept if isinstance(part, np.ndarray)) <= 100 * n
    assert result.mean("recall@100") == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(result.items, lists[:, :10])


@pytest.mark.parametrize("metric", ["recall@2", "ndcg@2"])
def test_validation_counts_a_repeated_target_once_too(metric):
    assert score_metric(ONES, SCORES, repeated(), metric) == 1


@pytest.mark.parametrize(("ks", "k"), [((5,), 5), ((20, 50), 20), ((1, 5, 20), 5), ((10, 20), 10)])
def test_engines_are_compared_at_the_nearest_k_to_ten_that_is_measured(ks, k):
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (2, 4))
    holdout = repeated()
    data = Dataset("r", users, items, holdout.targets, True)
    engine = SimpleNamespace(item_vectors=lambda items: SCORES, user_vectors=lambda request: ONES)
    results = dict.fromkeys(("a", "b"), evaluate(engine, data, holdout, ks=ks))
    split = Split("made up", holdout.targets, holdout, holdout.targets, holdout)
    report = build_report(DataSummary("x", "y", 2, 4), split, results, "a")
    rows = report.content["comparisons"]
    assert [(row["engine"], row["metric"]) for row in rows] == [("b", f"recall@{k}"), ("b", f"ndcg@{k}")]
    assert "@" in report.table()
    page = render(report.content)
    assert f"recall@{k} by length of history" in page
    assert f"<span data-shows-metric>ndcg@{k}</span>" in page


def test_a_slice_of_popularity_is_as_sure_as_its_users_are_many():
    """Half of 60 users get both of their targets and the others neither: 60 answers, not 120."""
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (60, 40))
    wanted = np.stack([np.where(np.arange(60) % 2, 1 + n, 20 + n) for n in range(2)], 1).ravel()
    targets = Interactions.of(np.repeat(np.arange(60), 2), wanted)
    holdout = Holdout(np.arange(60, dtype=np.int32), Interactions.empty(), targets)
    data = Dataset("r", users, items, targets, True)
    same = Vectors(dense=np.ones((60, 1), np.float32)), Vectors(dense=-np.arange(40, dtype=np.float32)[:, None])
    engine = SimpleNamespace(item_vectors=lambda items: same[1], user_vectors=lambda request: same[0])
    split = Split("made up", Interactions.empty(), holdout, Interactions.empty(), holdout)
    results = {"a": evaluate(engine, data, holdout, ks=(10,))}
    report = build_report(DataSummary("x", "y", 60, 40), split, results, "a")
    (found,) = report.content["slices"]["a"]["item_popularity"]
    assert (found["targets"], found["value"]) == (120, 0.5)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(60), rel=0.1)


@pytest.mark.parametrize(("refit", "count"), [(False, 1), (True, 2)])
def test_items_are_popular_by_what_the_engines_have_learnt_from(refit, count):
    holdout = repeated()
    train = Interactions.of(np.array([0]), np.array([1]))
    both = Interactions.of(np.array([0, 1]), np.array([1, 1]))
    split = Split("made up", train, holdout, both, holdout, refit=refit)
    assert split.final_train.item_counts(4)[1] == count


@pytest.mark.parametrize("ks", [[], [0], [-3, 10]])
def test_a_list_length_below_one_is_an_error_of_the_config(ks):
    with pytest.raises(ConfigError, match="ks"):
        parse(EvaluateSection, {"ks": ks}, "this test")


def test_a_target_that_the_history_holds_cannot_be_reached_by_a_list_without_seen_items():
    history = Interactions.of(np.array([0, 1]), np.array([2, 2]))
    assert unreachable(replace(repeated(), history=history)) == 1
    assert unreachable(repeated()) == 0


def test_a_holdout_without_users_is_refused():
    world = BlockTaste(users=30, items=14).dataset()
    nobody = replace(repeated(), users=np.empty(0, np.int32), targets=Interactions.empty())
    with pytest.raises(DataError, match="the holdout has no users"):
        evaluate(Popularity().fit(world), world, nobody)
