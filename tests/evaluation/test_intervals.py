import numpy as np
import pytest
import scipy.sparse as sp

from recsys.data.interactions import Interactions
from recsys.evaluation.catalogue import CatalogueMetrics, diversity, holders
from recsys.evaluation.intervals import bootstrap_interval, holm, paired_test, ratio_interval


@pytest.mark.parametrize("kind", ["few", "many"])
def test_the_interval_is_that_of_the_normal_approximation(kind):
    rng = np.random.default_rng(0)
    values = rng.random(6000) if kind == "many" else (rng.random(6000) < 0.3).astype(float)
    interval = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.value == values.mean()
    assert interval.high - interval.value == pytest.approx(half, rel=0.1)
    assert interval.value - interval.low == pytest.approx(half, rel=0.1)


def test_the_interval_of_a_ratio_covers_the_truth_where_users_hit_at_rates_of_their_own():
    """60 users of 100 targets each; hits are alike within a user, so that 6,000 targets say little more than 60."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        interval = ratio_interval(rng.binomial(100, rng.beta(0.5, 2, 60)), np.full(60, 100), n=500)
        covered += interval.low <= 0.2 <= interval.high
    assert 0.9 <= covered / 200 <= 0.99


def test_the_interval_of_a_ratio_is_that_of_users_drawn_one_by_one():
    rng = np.random.default_rng(1)
    wholes = rng.poisson(3, 80)
    parts = rng.binomial(wholes, rng.beta(0.5, 1, 80))
    drawn = rng.integers(0, 80, (20_000, 80))
    expected = np.quantile(parts[drawn].sum(1) / wholes[drawn].sum(1), [0.025, 0.975])
    interval = ratio_interval(parts, wholes, n=20_000)
    assert interval.value == parts.sum() / wholes.sum()
    assert [interval.low, interval.high] == pytest.approx(expected, abs=0.005)


def test_the_interval_of_a_ratio_with_one_whole_a_user_is_that_of_the_mean():
    hits = (np.random.default_rng(2).random(500) < 0.3).astype(np.int64)
    assert ratio_interval(hits, np.ones(500, np.int64)) == bootstrap_interval(hits.astype(float))
    none = np.zeros(3, np.int64)
    assert ratio_interval(none, none) == bootstrap_interval(np.empty(0))


def test_a_real_difference_is_found_and_a_chance_one_is_not():
    rng = np.random.default_rng(1)
    base = rng.random(2000)
    better = paired_test(base + 0.02 + 0.1 * rng.normal(size=2000), base)
    same = paired_test(base + 0.1 * rng.permutation(np.repeat([-1, 1], 1000)), base)
    assert better.low > 0
    assert better.p < 0.01
    assert same.low < 0 < same.high
    assert same.p > 0.5
    assert paired_test(base, base).p == 1


def test_holm_multiplies_the_smallest_most():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_diversity_equals_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 30, 200), rng.integers(0, 12, 200)
    train = Interactions.of(user, item)
    lists = np.stack([rng.permutation(12)[:4] for _ in range(5)])
    lists[0, 2:] = -1
    dense = train.to_csr(30, 12).toarray()
    unit = dense / np.maximum(np.linalg.norm(dense, axis=0), 1e-9)
    expected = []
    for row in lists:
        kept = row[row >= 0]
        expected.append(np.mean([1 - unit[:, a] @ unit[:, b] for i, a in enumerate(kept) for b in kept[i + 1 :]]))
    assert diversity(lists, sp.csr_array(train.to_csr(30, 12).T)) == pytest.approx(np.mean(expected))


def test_diversity_of_costly_lists_is_that_of_a_sample():
    rng = np.random.default_rng(0)
    had = sp.csr_array(Interactions.of(rng.integers(0, 300, 4000), rng.integers(0, 60, 4000)).to_csr(300, 60).T)
    lists = np.stack([rng.permutation(60)[:4] for _ in range(5000)])
    exact, sampled = diversity(lists, had), diversity(lists, had, entries=2000 * 4 * 60)
    assert sampled != exact
    assert sampled == pytest.approx(exact, abs=0.01)


def test_catalogue_metrics_of_one_item_for_everybody():
    train = Interactions.of(np.array([0, 1, 2, 2]), np.array([0, 0, 0, 1]))
    found = CatalogueMetrics(train, 3, 5, k=1)(np.zeros((3, 1), np.int64))
    assert found["coverage"] == 0.2
    assert found["popularity_share"] == 1
    assert found["gini"] == pytest.approx(0.8)
    assert found["novelty"] == 0


def test_an_item_is_as_novel_as_users_who_had_it_are_few_however_often_they_did():
    often = Interactions.of(
        np.append(np.zeros(99, int), np.arange(100)), np.append(np.zeros(99, int), np.ones(100, int))
    )
    metrics = CatalogueMetrics(often, 100, 2, k=1)
    found = metrics(np.array([[0]]))
    assert found["novelty"] == pytest.approx(-np.log2(2 / 101))
    assert metrics(np.array([[1]]))["novelty"] == 0


def test_many_users_in_bins_are_what_they_are_one_by_one(monkeypatch):
    rng = np.random.default_rng(2)
    a = rng.random(6000)
    b = a - 0.0012 + 0.05 * rng.normal(size=6000)
    one_by_one = paired_test(a, b)
    monkeypatch.setattr("recsys.evaluation.intervals._MANY", 1000)
    binned = paired_test(a, b)
    assert binned.difference == one_by_one.difference
    assert binned.low == pytest.approx(one_by_one.low, abs=1e-4)
    assert binned.high == pytest.approx(one_by_one.high, abs=1e-4)
    assert binned.p == pytest.approx(one_by_one.p, abs=0.05)


def test_the_users_who_have_each_item_are_found_block_by_block(monkeypatch):
    rng = np.random.default_rng(4)
    train = Interactions.of(rng.integers(0, 30, 400), rng.integers(0, 12, 400))
    for size in (1, 50, 10_000):
        whole, sorts = Interactions.blocks, []
        monkeypatch.setattr(Interactions, "blocks", lambda self, size=size, whole=whole: whole(self, size))
        monkeypatch.setattr("recsys.evaluation.catalogue.BLOCK", size)
        monkeypatch.setattr(
            np, "sort", lambda rows, sort=np.sort, sorts=sorts: (sorts.append(len(rows)), sort(rows))[1]
        )
        found = holders(train, 30, 12)
        monkeypatch.undo()
        assert sum(sorts) == len(train)
        np.testing.assert_array_equal(found.toarray(), train.to_csr(30, 12).T.toarray() > 0)
        assert found.nnz == train.to_csr(30, 12).nnz
