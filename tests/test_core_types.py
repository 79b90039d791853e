import numpy as np
import pytest

from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import Vectors
from recsys.errors import DataError


def test_interactions_do_not_depend_on_the_order_of_the_file():
    user, item, time = np.array([1, 0, 1]), np.array([2, 1, 0]), np.array([5, 3, 5])
    order = [2, 0, 1]
    a, b = Interactions.of(user, item, time), Interactions.of(user[order], item[order], time[order])
    assert a.fingerprint == b.fingerprint
    assert a.item.tolist() == [1, 0, 2]


def test_interactions_survive_the_disk(tmp_path):
    a = Interactions.of(np.array([1, 0]), np.array([2, 1]))
    a.save(tmp_path / "x")
    assert Interactions.load(tmp_path / "x").fingerprint == a.fingerprint


def test_histories_of_unknown_users_are_empty():
    a = Interactions.of(np.array([1, 0, 1]), np.array([2, 1, 0]), np.array([9, 1, 3]))
    h = Histories.from_interactions(a, np.array([1, MISSING, 0]))
    assert h.items.tolist() == [0, 2, 1]
    assert h.offsets.tolist() == [0, 2, 2, 3]
    assert h.take(np.array([2, 0])).items.tolist() == [1, 0, 2]


def test_histories_of_users_who_lie_side_by_side_are_no_copy():
    a = Interactions.of(np.array([0, 0, 2, 3]), np.array([5, 6, 7, 8]), np.arange(4))
    h = Histories.from_interactions(a, np.array([0, 1, 2]))
    assert (h.lengths.tolist(), h.items.tolist()) == ([2, 0, 1], [5, 6, 7])
    assert np.shares_memory(h.items, a.item)
    apart = Histories.from_interactions(a, np.array([3, 0]))
    assert (apart.lengths.tolist(), apart.items.tolist()) == ([1, 2], [8, 5, 6])


def test_renaming_drops_items_without_a_new_row():
    h = Histories.of([[0, 1], [1]]).remap_items(np.array([5, MISSING]))
    assert h.items.tolist() == [5]
    assert h.offsets.tolist() == [0, 1, 1]


def test_a_history_matrix_keeps_the_largest_of_repeats():
    matrix = Histories.of([[1, 1, 0]]).to_csr(2, np.array([0.5, 1.0, 0.25]))
    assert matrix.toarray().tolist() == [[0.25, 1.0]]


def test_a_vocabulary_grows_without_moving_old_rows():
    v = Vocabulary.of([5, 3]).extended([4, 5])
    assert v.ids.tolist() == [3, 5, 4]
    with pytest.raises(DataError, match="twice"):
        Vocabulary(np.array([1, 1]))


def test_dense_and_sparse_scores_add_up():
    import scipy.sparse as sp

    users = Vectors(np.ones((1, 2), np.float32), sp.csr_array(np.array([[0, 2]], np.float32)))
    items = Vectors(np.ones((3, 2), np.float32), np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    assert users.scores(items).tolist() == [[2, 4, 4]]
