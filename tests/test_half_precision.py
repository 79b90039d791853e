"""Lists by way of half precision are those of a full sort by scores in single precision, for whatever vectors."""

import tracemalloc

import numpy as np
import pytest

from recsys.data.histories import Histories
from recsys.engine import Vectors
from recsys.errors import ArtifactError
from recsys.ranking import Ranker, top_k
from recsys.ranking.half_precision import HalfPrecision
from recsys.retrieval.rules.boosts import Boosts

ITEMS, K = 3_001, 20


@pytest.fixture(autouse=True)
def chosen(monkeypatch):
    monkeypatch.setattr(HalfPrecision, "pays", staticmethod(lambda items, k: True))


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sorted_lists(users, items, k, seen=None):
    """The lists of a stable sort of all scores, each summed alone."""
    scores = np.stack([np.einsum("nd,nd->n", items, np.broadcast_to(user, items.shape)) for user in users])
    if seen is not None:
        scores[seen.users(), seen.items] = -np.inf
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def negative(seed):
    return -np.abs(normal(seed, 40, 24)), np.abs(normal(seed + 1, ITEMS, 24)) + 1


def lengths_apart(seed):
    items = normal(seed, ITEMS, 24)
    items[::10] *= 30
    return normal(seed + 1, 40, 24), items


def one_far_longer(seed):
    items = normal(seed, ITEMS, 24)
    items[[7, 1500]] *= np.float32([[3e4], [9e4]])
    return normal(seed + 1, 40, 24), items


def scaled(user, item):
    return lambda seed: (normal(seed, 40, 24) * np.float32(user), normal(seed + 1, ITEMS, 24) * np.float32(item))


def close(seed):
    """Items that half precision takes for the same."""
    return normal(seed, 40, 24), normal(seed + 1, 1, 24) + normal(seed + 2, ITEMS, 24) * np.float32(1e-4)


def rare(seed):
    """Items of which all but a few are level, so that the last places are negative for some."""
    items = np.zeros((ITEMS, 24), np.float32)
    items[5:20] = normal(seed, 15, 24)
    return normal(seed + 1, 40, 24), items


WORLDS = {
    "usual": scaled(1, 1),
    "long and short": scaled(1e20, 1e-20),
    "short": scaled(1e-6, 1e-9),
    "shortest": scaled(1e-20, 1e-18),
    "long": scaled(1e9, 1e9),
    "negative": negative,
    "lengths apart": lengths_apart,
    "one far longer": one_far_longer,
    "close": close,
    "rare": rare,
}


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("k", [1, K])
@pytest.mark.parametrize("world", WORLDS)
def test_lists_are_those_of_a_full_sort(world, k, seen):
    users, items = WORLDS[world](3)
    best = sorted_lists(users, items, 2 * k)[0]
    left_out = Histories.of([row[::2].tolist() for row in best]) if seen else None
    found, expected = top_k(Vectors(users), Vectors(items), k, left_out), sorted_lists(users, items, k, left_out)
    lost = HalfPrecision(items, np.empty(0, int)).top_k(users, k, (np.empty(0, int), np.empty(0, int)))[1]
    if len(lost) == 0:
        same(found, expected)
    else:  # found by the product in single precision, whose sums end otherwise
        assert world in ("close", "rare", "shortest")
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-6 * float(expected[1].max()))


def test_of_negative_scores_the_bounds_reach_as_far_as_rounding():
    """The best item's product is rounded down twice, and that of the next one up twice, past a power of two."""
    items = np.full((ITEMS, 3), 200, np.float32)
    items[:2] = [[129.5, 129.5, -1], [128.5, 128.5, 1]]
    rows, scores = top_k(Vectors(-np.ones((1, 3), np.float32)), Vectors(items / 256), 1)
    assert (rows.tolist(), scores.tolist()) == ([[0]], [[-258 / 256]])


@pytest.mark.parametrize(("dims", "longest"), [(8, 1e4), (1024, 1)], ids=["no list found", "many dimensions"])
def test_the_second_look_takes_little_memory(dims, longest):
    users, items = Vectors(normal(1, 100, dims)), normal(2, ITEMS, dims)
    items[7:17] *= np.float32(longest)
    ranker = Ranker(Vectors(items))
    ranker.top_k(users, K)
    tracemalloc.start()
    ranker.top_k(users, K)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_users_without_a_vector_are_not_ranked_again_in_single_precision():
    class Counted(Ranker):
        blocks = 0

        def scores(self, users):
            self.blocks += 1
            return super().scores(users)

    ranker = Counted(Vectors(normal(2, ITEMS, 24)))
    rows, _ = ranker.top_k(Vectors(normal(1, 40, 24), valid=np.arange(40) % 2 == 0), K)
    assert ((rows == -1).all(axis=1) == np.arange(40) % 2).all()
    assert ranker.blocks == 0


def test_a_list_is_the_same_beside_any_other_users():
    users, items = Vectors(normal(1, 700, 32)), Vectors(normal(2, ITEMS, 32))
    ranker = Ranker(items)
    whole = ranker.top_k(users, K)
    for rows in (np.array([3]), np.arange(100, 165), np.arange(699, -1, -1)):
        same(ranker.top_k(users.take(rows), K), (whole[0][rows], whole[1][rows]))


def test_most_of_a_catalogue_may_be_left_out():
    users, items = normal(4, 30, 16), normal(5, ITEMS, 16)
    valid, candidates = np.arange(ITEMS) % 50 == 0, np.arange(0, ITEMS, 2)
    items[~valid] = np.nan
    seen = Histories.of([np.arange(0, 100 * (user % 4), 50).tolist() for user in range(30)])
    found = top_k(Vectors(users), Vectors(items, valid=valid), K, seen, candidates)
    allowed = np.intersect1d(np.flatnonzero(valid), candidates)
    for user in range(30):
        left = np.setdiff1d(allowed, seen.take([user]).items)
        rows, scores = sorted_lists(users[[user]], items[left], K)
        same((found[0][[user], : len(left)], found[1][[user], : len(left)]), (left[rows], scores))
        assert (found[0][user, len(left) :] == -1).all()


def test_a_user_whose_vector_is_not_finite_is_refused_and_one_without_may_hold_anything():
    users, items = normal(6, 5, 8), normal(7, ITEMS, 8)
    users[2, 3] = np.inf
    with pytest.raises(ArtifactError, match="train the engine again"):
        top_k(Vectors(users), Vectors(items), K)
    rows, scores = top_k(Vectors(users, valid=np.arange(5) != 2), Vectors(items), K)
    assert (rows[2] == -1).all()
    same((rows[3:], scores[3:]), sorted_lists(users[3:], items, K))


def test_products_that_overflow_are_refused():
    with pytest.raises(ArtifactError, match="train the engine again"):
        top_k(Vectors(np.full((1, 2), 1e30, np.float32)), Vectors(np.full((ITEMS, 2), 1e30, np.float32)), 1)


def test_a_long_item_that_is_left_out_or_excluded_is_not_listed():
    users, items = normal(1, 40, 24), normal(2, ITEMS, 24)
    items[[3, 9]] *= 1e4
    seen = Histories.of([[9] if user % 2 else [] for user in range(40)])
    valid = np.arange(ITEMS) != 3
    found = top_k(Vectors(users), Vectors(items, valid=valid), K, seen)
    left = np.flatnonzero(valid)
    rows, scores = sorted_lists(users, items[left], K, Histories.of([[8] if user % 2 else [] for user in range(40)]))
    same(found, (left[rows], scores))
    assert (found[0] == 9).any()


def test_it_is_chosen_for_large_catalogues_where_the_machine_multiplies_half_precision(monkeypatch):
    from recsys.ranking import half_precision

    monkeypatch.undo()
    for there in (False, True):
        monkeypatch.setattr(half_precision, "_in_hardware", lambda there=there: there)
        assert HalfPrecision.pays(np.empty((50_000, 8), np.float32), 100) == there
        assert not HalfPrecision.pays(np.empty((20_000, 8), np.float32), 100)
        assert not HalfPrecision.pays(np.empty((1_000, 8), np.float32), 1)


@pytest.mark.parametrize("factor", [0.5, 1.5, 100], ids=["few rise", "some rise", "all rise"])
@pytest.mark.parametrize("sizes", [4, 10**6], ids=["many ties", "no ties"])
def test_boosted_items_are_ranked_apart_from_the_others_with_the_same_lists(sizes, factor, monkeypatch):
    rng = np.random.default_rng(8)
    users, items = (rng.integers(0, sizes, (n, 12)).astype(np.float32) for n in (60, ITEMS))
    factors = np.ones(ITEMS, np.float32)
    factors[rng.choice(ITEMS, 200, replace=False)] = factor
    seen = Histories.of([rng.integers(0, ITEMS, 40).tolist() for _ in range(60)])
    boosts, candidates = Boosts(factors, (factors - 1) / np.float32(8)), rng.choice(ITEMS, 2_000, replace=False)
    for some in (None, candidates):
        apart = boosts.ranker(Vectors(items), some).top_k(Vectors(users), K, seen)
        monkeypatch.setattr(HalfPrecision, "pays", staticmethod(lambda items, k: False))
        together = boosts.ranker(Vectors(items), some).top_k(Vectors(users), K, seen)
        monkeypatch.setattr(HalfPrecision, "pays", staticmethod(lambda items, k: True))
        np.testing.assert_allclose(apart[1], together[1], rtol=1e-5)
        np.testing.assert_array_equal(apart[0], together[0])


def test_beside_any_other_users_boosted_lists_are_the_same_where_the_bounds_leave_too_many_items():
    users, items, factors = Vectors(normal(1, 70, 16)), normal(2, 9_000, 16), np.ones(9_000, np.float32)
    items[5_000:5_010] *= 3_000
    factors[:100] = 2
    ranker = Boosts(factors, np.zeros(9_000, np.float32)).ranker(Vectors(items), multiple=32)
    whole = ranker.top_k(users, K)
    for user in range(70):
        same(ranker.top_k(users.take(np.array([user])), K), (whole[0][[user]], whole[1][[user]]))
