"""List lengths beyond the catalogue cost what the catalogue costs; those beyond reason are refused."""

import tracemalloc

import numpy as np
import pytest

import recsys as rs
from pipelines.commands.tune_processes import check_jobs
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines import ENGINES
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ConfigError
from recsys.evaluation.compare import evaluate_engines
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.evaluation.report.html import render

DATA = BlockTaste(users=30, items=14).dataset()
PARTS = split(DATA)
ENGINE = Popularity().fit(DATA, PARTS.train)


def test_a_list_length_beyond_the_catalogue_takes_no_more_memory():
    tracemalloc.start()
    result = evaluate(ENGINE, DATA, PARTS.test, ks=(1_000_000_000,))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert (result.values.depth, result.items.shape) == (14, (len(PARTS.test), 10))
    at_the_catalogue = evaluate(ENGINE, DATA, PARTS.test, ks=(14,))
    for name in ("recall", "recall_capped", "ndcg", "map", "mrr", "hit_rate"):
        np.testing.assert_array_equal(result.values[f"{name}@1000000000"], at_the_catalogue.values[f"{name}@14"])


def test_the_report_says_which_list_lengths_were_asked_for_and_what_lists_hold():
    report = evaluate_engines(ENGINE, DATA, PARTS, ks=(10, 1_000_000))
    note = "Lists of 1000000 items were asked for; there are 14 candidates"
    assert note in repr(report)
    assert note in render(report.content)
    assert "asked for" not in repr(evaluate_engines(ENGINE, DATA, PARTS, ks=(10, 14)))


@pytest.mark.parametrize("ks", [(10**30,), (10**9 + 1,), tuple(range(1, 200))])
def test_list_lengths_beyond_reason_are_refused(ks):
    with pytest.raises(ConfigError, match="list length"):
        evaluate_engines(ENGINE, DATA, PARTS, ks=ks)


@pytest.mark.parametrize("k", ["\u00b2", "\u0663", "9" * 5000, "1000000001", "0", "-1", "1e3", ""])
def test_a_metric_at_no_list_length_is_refused(k):
    with pytest.raises(ConfigError, match="list length"):
        parse_metric(f"ndcg@{k}")


RULES = [
    {"exploration": {"share": 1, "seed": 10**18}},
    {"diversity": {"method": "dpp", "pool": 10**18}},
    {"calibration": {"column": "genre", "pool": 10**18}},
    {"caps": [{"column": "genre", "most": 10**18}]},
    {"at_least": [{"where": "size > 0", "least": 10**12}]},
    {"group": "genre", "reasons": True},
]


@pytest.mark.parametrize("k", [10**9, 10**30])
@pytest.mark.parametrize("rules", RULES, ids=lambda rules: next(iter(rules)))
def test_lists_with_rules_are_cut_at_the_catalogue(rules, k):
    engine = rs.ALS(factors=2, iterations=1).fit(DATA)
    tracemalloc.start()
    found = rs.recommend(engine, DATA, k=k, rules=rules)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    at_the_catalogue = rs.recommend(engine, DATA, k=DATA.n_items, rules=rules)
    assert found.equals(at_the_catalogue)


@pytest.mark.parametrize(
    ("kind", "option"),
    [("als", "factors"), ("bpr", "factors"), ("lightgcn", "dim"), ("sage", "dim"), ("item2vec", "dim")],
)
@pytest.mark.parametrize("value", [10**6, 10**18])
def test_vectors_beyond_reason_are_refused_before_they_are_made(kind, option, value):
    with pytest.raises(ConfigError, match=f"{option} = .* is beyond 65,536"):
        ENGINES[kind](**{option: value})


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail] not enough memory: you tried"), ValueError("array is too big")],
)
def test_a_fit_that_no_memory_holds_names_the_engine_and_the_remedy(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(Popularity, "_fit", refuse)
    with pytest.raises(ConfigError, match=r"popularity takes more memory than there is .*; lower its sizes"):
        Popularity().fit(DATA)


@pytest.mark.parametrize("jobs", [10**4, 10**30])
def test_more_processes_than_a_machine_has_use_for_are_refused(jobs):
    with pytest.raises(ConfigError, match=rf"--jobs {jobs}: this machine has \d+ processors; give at most \d+"):
        check_jobs(jobs)
    check_jobs(8)
