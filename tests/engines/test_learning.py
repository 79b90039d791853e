"""What validation measures while an engine is trained."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.splits.split import Holdout
from recsys.engine import FitContext
from recsys.engines.baselines.popularity import Popularity
from recsys.engines.learning import validation_metric
from recsys.evaluation.evaluate import evaluate
from tests.engines.graph.test_spectral import random_data

DATA = random_data(60, 30, seed=2)
EVENTS = DATA.interactions
AGAIN = Holdout(np.unique(EVENTS.user), EVENTS, EVENTS)
"""Users who touch again what they touched before."""


@pytest.fixture
def engine():
    return Popularity().fit(DATA, EVENTS)


def test_it_sees_what_was_seen_only_where_the_report_does(engine):
    kept, left_out = (
        validation_metric(
            engine, DATA, FitContext(0, replace(AGAIN, filter_seen=filtered)), "recall@10", 100, lambda: None
        )
        for filtered in (False, True)
    )
    assert left_out() == 0
    assert kept() == pytest.approx(evaluate(engine, DATA, replace(AGAIN, filter_seen=False)).mean("recall@10"))


def test_the_engine_is_made_ready_before_it_is_asked_and_without_questions_there_is_nothing_to_call(engine):
    calls = []
    measure = validation_metric(engine, DATA, FitContext(0, AGAIN), "ndcg@10", 5, lambda: calls.append(1))
    measure(), measure()
    assert calls == [1, 1]
    assert validation_metric(engine, DATA, FitContext(), "ndcg@10", 5, lambda: calls.append(1)) is None
