"""List lengths beyond the catalogue cost what the catalogue costs; those beyond reason are refused."""

import tracemalloc

import numpy as np
import pytest

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
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
    assert result.items.shape == (len(PARTS.test), 14)
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
