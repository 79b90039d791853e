from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.interactions import Interactions
from recsys.errors import ArtifactError

EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5), st.integers(1, 3)), max_size=25)


def of(events):
    user, item, time, weight = (np.array([event[n] for event in events], np.int64) for n in range(4))
    return Interactions.of(user, item, time, weight.astype(np.float32))


@given(events=EVENTS, seed=st.integers(0, 99))
def test_the_order_of_the_file_does_not_matter(events, seed):
    order = np.random.default_rng(seed).permutation(len(events))
    assert of(events).fingerprint == of([events[n] for n in order]).fingerprint


@given(events=EVENTS)
def test_they_are_sorted_by_user_then_time(events):
    x = of(events)
    rows = list(zip(x.user.tolist(), x.time.tolist(), strict=True))
    assert rows == sorted(rows)


def test_a_tie_in_time_does_not_tell_which_item_has_the_highest_row():
    users, items = 400, 5
    x = Interactions.of(np.repeat(np.arange(users), items), np.tile(np.arange(items), users))
    lists = x.item.reshape(users, items)
    for place in range(items):
        assert np.bincount(lists[:, place], minlength=items).min() > users / items * 0.6
    assert len(np.unique(lists, axis=0)) > 100


@given(events=EVENTS.filter(bool), column=st.integers(0, 3), row=st.integers(0, 24))
def test_one_changed_cell_changes_the_fingerprint(events, column, row):
    other = [list(event) for event in events]
    other[row % len(events)][column] += 1
    assert (of(other).fingerprint == of(events).fingerprint) == (sorted(map(tuple, other)) == sorted(events))


@given(events=EVENTS, moment=st.integers(0, 6))
def test_before_and_after_are_all(events, moment):
    x = of(events)
    early, late = x.before(moment), x.select(x.time >= moment)
    assert (early.time < moment).all()
    assert early.joined(late).fingerprint == x.fingerprint


@given(events=EVENTS)
def test_offsets_mark_each_users_range(events):
    x = of(events)
    offsets = x.offsets(5)
    for user in range(5):
        assert (x.user[offsets[user] : offsets[user + 1]] == user).all()
    assert offsets[-1] == len(x)


def test_a_matrix_counts_repeated_pairs_once_or_adds_their_weights():
    x = of([(0, 1, 0, 2), (0, 1, 3, 3), (1, 0, 1, 1)])
    assert x.to_csr(2, 2).toarray().tolist() == [[0, 1], [1, 0]]
    assert x.to_csr(2, 2, weighted=True).toarray().tolist() == [[0, 5], [1, 0]]
    assert x.item_counts(3).tolist() == [1, 2, 0]


def test_on_disk_they_are_memory_mapped_and_read_only(tmp_path):
    x = of([(0, 1, 0, 2), (1, 0, 1, 1)])
    x.save(tmp_path / "x")
    loaded = Interactions.load(tmp_path / "x")
    assert isinstance(loaded.item, np.memmap)
    assert loaded.fingerprint == x.fingerprint
    with pytest.raises(ValueError, match="read-only"):
        loaded.item[0] = 1


def test_no_interactions_survive_the_disk_too(tmp_path):
    Interactions.empty().save(tmp_path / "x")
    assert len(Interactions.load(tmp_path / "x")) == 0


def test_damaged_columns_are_refused(tmp_path):
    of([(0, 1, 0, 2), (1, 0, 1, 1)]).save(tmp_path / "x")
    np.save(tmp_path / "x" / "item.npy", np.zeros(5, np.int32))
    with pytest.raises(ArtifactError, match="differ in length"):
        Interactions.load(tmp_path / "x")
    (tmp_path / "x" / "item.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ArtifactError, match="prepare the data again"):
        Interactions.load(tmp_path / "x")


def test_event_types_stay_with_their_rows_and_do_not_depend_on_the_order_of_the_file(tmp_path):
    rows = np.array([(0, 1, 5, 2), (0, 1, 5, 0), (1, 3, 2, 1), (0, 2, 4, 1)])
    x, y = (Interactions.of(*part[:, :3].T, event=part[:, 3].astype(np.int16)) for part in (rows, rows[::-1]))
    assert x.event.tolist() == [1, 0, 2, 1]
    assert x.fingerprint == y.fingerprint
    assert x.select(x.user == 1).event.tolist() == [1]
    assert x.before(5).joined(x.select(x.time >= 5)).fingerprint == x.fingerprint
    assert x.joined(Interactions.of(*rows[:, :3].T)).event is None
    x.save(tmp_path / "x")
    assert Interactions.load(tmp_path / "x").event.tolist() == x.event.tolist()


def test_pairs_are_found_whatever_their_order_and_however_often_they_occur():
    train = Interactions.of(np.array([0, 0, 0, 2, 2]), np.array([4, 1, 4, 0, 3]))
    asked = Interactions.of(np.array([2, 0, 0, 1, 2, 2]), np.array([3, 1, 2, 4, 3, 4]))
    found = train.holds(asked)
    pairs = set(zip(train.user.tolist(), train.item.tolist(), strict=True))
    assert found.tolist() == [pair in pairs for pair in zip(asked.user.tolist(), asked.item.tolist(), strict=True)]
    assert found.sum() == 3
    assert not Interactions.empty().holds(asked).any()
    assert train.holds(Interactions.empty()).tolist() == []


def test_a_matrix_has_a_pair_once_or_its_weights_together():
    weights = np.array([1, 2, 4], np.float32)
    train = Interactions.of(np.array([1, 1, 1]), np.array([2, 0, 2]), weight=weights)
    assert train.to_csr(3, 3).toarray().tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert train.to_csr(3, 3, weighted=True).toarray()[1].tolist() == [2, 0, 5]
    assert train.weight.tolist().count(4) == 1  # the matrix is no view of the weights


@pytest.mark.parametrize("row", range(1, 8))
@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("user", 0, "not sorted"),
        ("user", 9, "user rows that do not exist"),
        ("item", -1, "item rows that do not exist"),
        ("time", 0, "does not ascend"),
        ("time", 2**63 - 1, "times that are none"),
        ("weight", np.nan, "not finite"),
        ("weight", -1.0, "not positive"),
    ],
)
def test_a_row_that_cannot_be_is_found_wherever_blocks_begin(column, value, told, row, monkeypatch, tmp_path):
    monkeypatch.setattr("recsys.data.interactions.BLOCK", 3)
    user, time = np.int32([1, 1, 1, 1, 1, 1, 2, 2]), np.arange(10, 18)
    columns = {"user": user, "item": np.zeros(8, np.int32), "time": time, "weight": np.ones(8, np.float32)}
    Interactions(**columns).check(3, 1, tmp_path)
    if column == "time" and value == 0 and row == 6:
        value = 16  # the first row of a user comes after none
        columns[column][7] = 15
    columns[column][row] = value
    with pytest.raises(ArtifactError, match=told):
        Interactions(**columns).check(3, 1, tmp_path)


@given(events=EVENTS, users=st.sets(st.integers(0, 4)), size=st.integers(1, 9))
def test_the_interactions_of_some_users_and_blocks_of_users_are_those_of_a_mask(events, users, size):
    x = of(events)
    rows = np.array(sorted(users), np.int64)
    assert x.of_users(rows).fingerprint == x.select(np.isin(x.user, rows)).fingerprint
    blocks = [x.user[part] for part in x.blocks(size)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0, np.int32), *blocks]), x.user)
    assert all(a[-1] != b[0] for a, b in pairwise(blocks))
