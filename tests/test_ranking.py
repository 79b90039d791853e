import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.engine import Vectors
from recsys.errors import ArtifactError
from recsys.ranking import Ranker, best_columns, check_finite, top_k
from recsys.ranking.half_precision import HalfPrecision
from tests.test_on_device import rank_on


@pytest.fixture(params=["single precision", "half precision", "device"], autouse=True)
def way(request, monkeypatch, device):
    """How lists are found, whatever this machine, the size of the catalogue and the engine would choose."""
    monkeypatch.setattr(HalfPrecision, "pays", staticmethod(lambda items, k: request.param == "half precision"))
    if request.param == "device":
        rank_on(device, monkeypatch)


def slow(scores, k, exclude=None, allowed=None):
    """Sort every row in Python by (score descending, row ascending)."""
    k = min(k, scores.shape[1])
    rows = np.full((len(scores), k), MISSING, np.int64)
    values = np.full((len(scores), k), -np.inf, np.float32)
    for user, row in enumerate(scores):
        barred = set() if exclude is None else set(exclude[user])
        ranked = [i for i in range(len(row)) if i not in barred and (allowed is None or allowed[i])]
        ranked = sorted(ranked, key=lambda i: (-row[i], i))[:k]
        rows[user, : len(ranked)] = ranked
        values[user, : len(ranked)] = row[ranked]
    return rows, values


def integers(seed, *shape, high=3):
    """Small integers: exact in float32, and full of ties."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.float32)


def check(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("k", [1, 3, 10, 50, 60])
@pytest.mark.parametrize("block", [1, 4, 100])
def test_lists_equal_a_full_sort_also_among_ties(k, block):
    users, items = integers(0, 17, 4), integers(1, 50, 4)
    check(Ranker(Vectors(items), block=block).top_k(Vectors(users), k), slow(users @ items.T, k))


def test_when_all_scores_tie_the_lowest_rows_win_in_order():
    rows, scores = top_k(Vectors(np.ones((3, 1), np.float32)), Vectors(np.ones((1000, 1), np.float32)), 5)
    assert rows.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert (scores == 1).all()


@pytest.mark.parametrize("wide", [True, False], ids=["array", "csr"])
@pytest.mark.parametrize("dense", [True, False], ids=["with dense", "sparse alone"])
def test_the_sparse_part_adds_its_inner_product(dense, wide):
    a, b = integers(2, 9, 6), integers(3, 30, 6)
    users, items = integers(4, 9, 4), integers(5, 30, 4)
    expected = a @ b.T + (users @ items.T if dense else 0)
    found = top_k(
        Vectors(users if dense else None, sp.csr_array(a)),
        Vectors(items if dense else None, b if wide else sp.csr_array(b)),
        7,
    )
    check(found, slow(expected, 7))


def test_excluded_items_are_never_returned_and_unknown_ones_are_ignored():
    users, items = integers(6, 8, 4), integers(7, 20, 4)
    seen = [[0, 1, 2], [], [19, 19], list(range(20)), [MISSING, 3], list(range(18)), [5], []]
    found = top_k(Vectors(users), Vectors(items), 4, Histories.of(seen))
    check(found, slow(users @ items.T, 4, seen))
    assert (found[0][3] == MISSING).all()
    assert np.isneginf(found[1][3]).all()


def test_exclusions_follow_their_users_across_blocks():
    users, items = integers(8, 23, 4), integers(9, 20, 4)
    seen = [list(np.random.default_rng(u).integers(0, 20, u % 7)) for u in range(23)]
    found = Ranker(Vectors(items), block=5).top_k(Vectors(users), 6, Histories.of(seen))
    check(found, slow(users @ items.T, 6, seen))


def test_candidates_limit_the_catalogue_and_come_back_as_catalogue_rows():
    users, items = integers(10, 8, 4), integers(11, 20, 4)
    candidates = np.array([17, 3, 9, 3, 0])
    seen = [[3], [17, 18], [], [0, 3, 9, 17], [1], [], [19], [MISSING]]
    found = top_k(Vectors(users), Vectors(items), 4, Histories.of(seen), candidates)
    check(found, slow(users @ items.T, 4, seen, np.isin(np.arange(20), candidates)))


def test_no_candidates_give_empty_lists():
    rows, scores = top_k(
        Vectors(np.ones((2, 1), np.float32)), Vectors(np.ones((3, 1), np.float32)), 2, None, np.array([], int)
    )
    assert (rows == MISSING).all()
    assert np.isneginf(scores).all()


def test_an_item_without_a_place_is_never_returned_and_a_user_without_one_gets_nothing():
    users, items = integers(12, 5, 4), integers(13, 12, 4)
    valid = np.arange(12) % 3 > 0
    rows, scores = top_k(
        Vectors(users, valid=np.array([True, False, True, True, True])), Vectors(items, valid=valid), 10
    )
    expected = slow(users @ items.T, 10, allowed=valid)
    keep = [0, 2, 3, 4]
    check((rows[keep], scores[keep]), (expected[0][keep], expected[1][keep]))
    assert (rows[1] == MISSING).all()


def test_no_users_give_no_rows():
    rows, scores = top_k(Vectors(np.empty((0, 2), np.float32)), Vectors(integers(1, 4, 2)), 3)
    assert rows.shape == scores.shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_item_whose_vector_is_not_finite_is_refused_and_takes_no_place(value):
    users, items = Vectors(np.float32([[1, 1]])), Vectors(np.float32([[1, 0], [value, 0], [2, 0]]))
    with pytest.raises(ArtifactError, match="item row 1 is"):
        top_k(users, items, k=2)
    with pytest.raises(ArtifactError, match=r"1 of 3 vectors of the items of x .* first that of b"):
        check_finite(items, np.array(["a", "b", "c"], object), "items of x")
    with pytest.raises(ArtifactError, match="first that of 5"):
        check_finite(Vectors(sparse=sp.csr_array(np.float32([[0, 1], [value, 0]]))), np.array([4, 5]), "items of x")


def test_an_item_without_a_vector_may_hold_anything():
    items = Vectors(np.float32([[1, 0], [np.nan, 0], [2, 0]]), valid=np.array([True, False, True]))
    assert top_k(Vectors(np.float32([[1, 1]])), items, k=2)[0].tolist() == [[2, 0]]
    check_finite(items, np.arange(3), "items of x")


def test_a_list_is_never_longer_than_the_catalogue():
    users, items = Vectors(np.ones((4, 1), np.float32)), Vectors(np.ones((12, 1), np.float32))
    assert top_k(users, items, k=10**12)[0].shape == (4, 12)


@pytest.mark.parametrize("values", [3, 50, 10**6], ids=["hardly any values", "some ties", "no ties"])
@pytest.mark.parametrize(("width", "k"), [(17, 1), (340, 20), (1_031, 5), (5_003, 30), (100_000, 100)])
def test_the_highest_columns_of_long_rows_are_those_of_a_full_sort(width, k, values, device):
    rng = np.random.default_rng(width + values)
    table = rng.integers(0, values, (6, width)).astype(np.float32)
    table[rng.random(table.shape) < 0.3] = -np.inf
    table[5, 7:] = -np.inf
    rows, scores = best_columns(torch.from_numpy(table.copy()).to(device), k)
    expected = np.argsort(-table, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(scores, np.take_along_axis(table, expected, axis=1))
    finite = np.isfinite(scores)
    np.testing.assert_array_equal(rows[finite], expected[finite])


def test_a_score_that_is_not_a_number_is_met_in_a_long_row(device):
    table = torch.zeros(1, 4_000, device=device)
    table[0, 3_001] = torch.nan
    assert np.isnan(best_columns(table, 10)[1]).any()


@pytest.mark.parametrize("k", [1, 10, 60])
def test_items_that_lie_last_in_the_table_keep_their_order_among_ties(k):
    users, items = integers(7, 9, 4), integers(8, 61, 4)
    rng = np.random.default_rng(9)
    last, candidates = rng.random(61) < 0.4, np.flatnonzero(rng.random(61) < 0.8)
    exclude = [rng.integers(0, 61, 5).tolist() for _ in range(9)]
    for some in (None, candidates):
        allowed = np.isin(np.arange(61), candidates) if some is not None else None
        found = Ranker(Vectors(items), some, last=last).top_k(Vectors(users), k, Histories.of(exclude))
        check(found, slow(users @ items.T, k, exclude, allowed))


def test_a_block_of_a_part_of_the_catalogue_has_whole_cache_lines_and_the_same_scores():
    users, items = integers(1, 200, 4), integers(2, 99, 4)
    ranker = Ranker(Vectors(items), block=130, multiple=32)
    table = ranker.scores(Vectors(users[:128]))
    assert table.stride(0) % 16 == 0
    np.testing.assert_array_equal(table.cpu().numpy(), users[:128] @ items.T)
    check(ranker.top_k(Vectors(users), 20), slow(users @ items.T, 20))


@pytest.mark.filterwarnings("error")
def test_vectors_that_are_read_only_are_ranked_without_a_warning():
    users, items = integers(1, 9, 4), integers(2, 40, 4)
    users.flags.writeable = False
    check(top_k(Vectors(users), Vectors(items), 5), slow(users @ items.T, 5))
