"""Old and newer data as one dataset, by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.merge import merged, remap_items
from recsys.data.schema import Schema
from recsys.data.splits.holdout import Holdout
from recsys.data.vocabulary import Vocabulary
from recsys.errors import DataError


def _dataset(users, items, triples, columns, kinds, has_timestamps=True) -> Dataset:
    user, item, time = (np.array(part) for part in zip(*triples, strict=True))
    u, i = Vocabulary.of(users), Vocabulary.of(items)
    table = EntityTable(i, pd.DataFrame(columns), Schema.of(kinds))
    return Dataset("d", EntityTable.bare(u), table, Interactions.of(u.rows(user), i.rows(item), time), has_timestamps)


def _old(has_timestamps=True) -> Dataset:
    return _dataset(
        ["b", "c"],
        [1, 2],
        [("b", 1, 5), ("b", 2, 6), ("c", 1, 5)],
        {"title": ["one", "two"]},
        {"title": "text"},
        has_timestamps,
    )


def _new(has_timestamps=True) -> Dataset:
    return _dataset(
        ["a", "b"],
        [0, 2],
        [("a", 0, 1), ("b", 2, 6), ("b", 0, 7)],
        {"title": ["zero", None], "year": [1990, 1991]},
        {"title": "text", "year": "numeric"},
        has_timestamps,
    )


def test_old_rows_keep_their_place_and_cells_are_filled():
    data, _ = merged(_old(), _new())
    assert data.users.vocabulary.ids.tolist() == ["b", "c", "a"]
    assert data.items.vocabulary.ids.tolist() == [1, 2, 0]
    assert data.items.columns["title"].tolist() == ["one", "two", "zero"]
    assert data.items.columns["year"].isna().tolist() == [True, False, False]
    assert data.items.schema.to_dict() == {"title": "text", "year": "numeric"}


def test_an_interaction_that_both_hold_is_kept_once_as_old():
    data, fresh = merged(_old(), _new())
    triples = list(zip(data.interactions.user, data.interactions.item, data.interactions.time, strict=True))
    assert triples == [(0, 0, 5), (0, 1, 6), (0, 2, 7), (1, 0, 5), (2, 2, 1)]
    assert fresh.tolist() == [False, False, True, False, True]


def test_without_a_clock_the_newer_come_after_the_old():
    data, fresh = merged(_old(has_timestamps=False), _new(has_timestamps=False))
    mine = data.interactions.select(data.interactions.user == 0)
    assert mine.item.tolist() == [0, 1, 1, 2]
    assert mine.time.tolist() == [5, 6, 7, 8]
    assert fresh.tolist() == [False, False, True, True, False, True]


def _listed(*triples, has_order=True) -> Dataset:
    """Users and items as they stand in ``triples``, without a clock."""
    users, items = ([triple[n] for triple in triples] for n in range(2))
    data = _dataset(users, items, triples, {"n": sorted(set(items))}, {"n": "numeric"}, has_timestamps=False)
    return replace(data, has_order=has_order)


def _histories(data: Dataset) -> dict[str, list[tuple[int, int]]]:
    """Each user's items and positions, oldest first."""
    x, users, items = data.interactions, data.users.vocabulary.ids, data.items.vocabulary.ids
    mine = {user: x.select(x.user == row) for row, user in enumerate(users)}
    return {user: list(zip(items[m.item].tolist(), m.time.tolist(), strict=True)) for user, m in mine.items()}


@pytest.mark.parametrize("has_timestamps", [True, False])
def test_an_export_that_is_the_old_one_brings_nothing_new(has_timestamps):
    data, fresh = merged(_old(has_timestamps), _old(has_timestamps), "replace")
    assert data.fingerprint == _old(has_timestamps).fingerprint
    assert not fresh.any()


def test_an_export_replaces_the_interactions_and_what_it_lacks_is_gone():
    data, fresh = merged(_old(), _new(), "replace")
    triples = list(zip(data.interactions.user, data.interactions.item, data.interactions.time, strict=True))
    assert triples == [(0, 1, 6), (0, 2, 7), (2, 2, 1)]
    assert fresh.tolist() == [False, True, True]
    assert data.users.vocabulary.ids.tolist() == ["b", "c", "a"]


def test_an_export_without_timestamps_keeps_its_positions_and_so_does_the_next():
    rows = [("b", 7, 10), ("b", 9, 15), ("b", 8, 20), ("b", 7, 40), ("c", 7, 10), ("d", 8, 3)]
    first, second = _listed(rows[0], rows[2], rows[4]), _listed(*rows)
    third = _listed(*rows, ("c", 8, 11), ("d", 9, 5))
    data, fresh = merged(first, second, "replace")
    assert _histories(data) == _histories(second)
    assert fresh.sum() == 3
    data, fresh = merged(data, third, "replace")
    assert _histories(data) == _histories(third)
    assert fresh.sum() == 2


def test_an_export_whose_positions_were_counted_anew_holds_no_old_interaction_as_new():
    old, new = _listed(("b", 7, 0), ("b", 8, 1)), _listed(("b", 6, 0), ("b", 7, 1), ("b", 8, 2), ("b", 8, 3))
    data, fresh = merged(old, new, "replace")
    assert [item for item, _ in _histories(data)["b"]] == [6, 7, 8, 8]
    assert fresh.tolist() == [True, False, False, True]


def test_newer_rows_that_repeat_a_position_by_chance_are_all_new():
    data, fresh = merged(_listed(("b", 7, 0), ("b", 8, 1)), _listed(("b", 7, 0), ("b", 9, 1)))
    assert _histories(data) == {"b": [(7, 0), (8, 1), (7, 2), (9, 3)]}
    assert fresh.tolist() == [False, False, True, True]


def test_appended_rows_are_all_new_also_those_of_a_user_whose_old_rows_stand_among_them():
    old = _listed(("b", 7, 0), ("b", 8, 1), ("c", 7, 0))
    data, fresh = merged(old, _listed(("c", 7, 0), ("c", 9, 1)))
    assert _histories(data) == {"b": [(7, 0), (8, 1)], "c": [(7, 0), (7, 1), (9, 2)]}
    assert fresh.tolist() == [False, False, False, True, True]


def test_an_export_without_positions_brings_the_items_that_a_user_lacked_and_they_come_last():
    first = _listed(("b", 7, 0), ("b", 8, 0), ("c", 7, 0), has_order=False)
    second = _listed(("b", 6, 0), ("b", 7, 0), ("b", 8, 0), ("c", 7, 0), ("c", 8, 0), has_order=False)
    data, fresh = merged(first, second, "replace")
    assert sorted(_histories(data)["b"]) == [(6, 1), (7, 0), (8, 0)]
    assert _histories(data)["c"] == [(7, 0), (8, 1)]
    assert fresh.sum() == 2


def test_a_clock_and_no_clock_cannot_be_put_in_order():
    with pytest.raises(DataError, match="cannot be put in order"):
        merged(_old(), _new(has_timestamps=False))


def test_evaluation_users_keep_their_meaning_in_the_rows_of_another_dataset():
    wide, narrow = merged(_old(), _new())[0], _new()
    asked = Holdout(np.array([0, 1], np.int32), narrow.interactions.select([0]), narrow.interactions.select([1, 2]))
    found = remap_items(replace(asked, candidates=np.array([0, 1])), narrow, wide)
    assert found.users.tolist() == [0, 2]
    assert (found.history.user.tolist(), found.history.item.tolist()) == ([2], [2])
    assert list(zip(found.targets.user, found.targets.item, found.targets.time, strict=True)) == [(0, 1, 6), (0, 2, 7)]
    assert found.candidates.tolist() == [1, 2]
    assert remap_items(asked, narrow, _old()) is None
