"""The filling of lists, of pools that are made by hand."""

import numpy as np
import pytest

from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.ranking.caps import CapRule, crowded
from recsys.retrieval.rules.ranking.diversity import DiversityRule
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.rules.ranking.selection import Greedy
from recsys.retrieval.top_up import Lists
from tests.retrieval.rules.reference import Slow

USERS, DEPTH, K = 40, 24, 12


def tied_pool(rng):
    """Scores in steps of a quarter between the first and the last place: full of ties, and exact."""
    inside = -np.sort(-rng.integers(0, 5, (USERS, K)), axis=1)
    inside[:, 0], inside[:, -1] = 4, 0
    scores = np.hstack([inside, -np.sort(rng.integers(0, 4, (USERS, DEPTH - K)), axis=1)]).astype(np.float32)
    rows = np.argsort(rng.random((USERS, 60)), axis=1)[:, :DEPTH]
    return Pool.of(Lists(rows, scores, np.zeros(rows.shape, bool)))


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("capped", [False, True])
def test_equal_values_keep_the_order_of_the_ranking(weight, capped):
    rng = np.random.default_rng(0)
    pool, vectors = tied_pool(rng), np.eye(4, dtype=np.float32)[rng.integers(0, 4, 60)]
    brand = rng.integers(-1, 5, (60, 1)).astype(np.int32)
    caps = [CapRule("caps", ColumnValues(brand, tuple("abcde")), 3)] if capped else []
    picked = Greedy(K, caps, terms=[DiversityRule(weight, "mmr", vectors)], reasons=False).select(pool).picked
    plain = [([[int(code)] if code >= 0 else [] for code in brand[:, 0]], 3)] if capped else []
    for user, columns in enumerate(picked):
        ranking = list(zip(pool.rows[user].tolist(), pool.scores[user].tolist(), strict=True))
        expected = Slow(ranking, K, plain, diversity=("mmr", vectors, weight))._list(DEPTH, 1)
        assert pool.rows[user, columns[columns >= 0]].tolist() == expected, user


def test_a_rule_that_compares_again_does_not_see_what_it_compared_before():
    rng = np.random.default_rng(1)
    pool, vectors = tied_pool(rng), np.eye(4, dtype=np.float32)[rng.integers(0, 4, 60)]
    rule = DiversityRule(0.5, "mmr", vectors)
    whole = Greedy(K, terms=[rule]).select(pool).picked
    parts = [Greedy(K, terms=[rule]).select(pool.take(slice(n, n + 9))).picked for n in range(0, USERS, 9)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("most", [1, 2, 5, 100])
@pytest.mark.parametrize("tags", [1, 3])
def test_crowded_candidates_have_a_value_of_which_there_is_too_much(most, tags):
    rng = np.random.default_rng(most)
    codes = np.argsort(rng.random((30, 20, 12)), axis=2)[:, :, :tags].astype(np.int32)
    codes[rng.random(codes.shape) < 0.3] = -1
    found = crowded(codes, most)
    for user in range(30):
        lists = [set(row[row >= 0].tolist()) for row in codes[user]]
        counts = {value: sum(value in other for other in lists) for values in lists for value in values}
        assert found[user].tolist() == [any(counts[value] > most for value in values) for values in lists]
