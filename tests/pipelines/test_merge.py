"""Old and newer data as one dataset, by hand."""

import numpy as np
import pandas as pd
import pytest

from pipelines.merge import merged
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.errors import DataError


def _dataset(users, items, triples, columns, kinds, clock=True) -> Dataset:
    user, item, time = (np.array(part) for part in zip(*triples, strict=True))
    u, i = Vocabulary.of(users), Vocabulary.of(items)
    table = EntityTable(i, pd.DataFrame(columns), Schema.of(kinds))
    return Dataset("d", EntityTable.bare(u), table, Interactions.of(u.rows(user), i.rows(item), time), clock)


def _old(clock=True) -> Dataset:
    return _dataset(
        ["b", "c"], [1, 2], [("b", 1, 5), ("b", 2, 6), ("c", 1, 5)], {"title": ["one", "two"]}, {"title": "text"}, clock
    )


def _new(clock=True) -> Dataset:
    return _dataset(
        ["a", "b"],
        [0, 2],
        [("a", 0, 1), ("b", 2, 6), ("b", 0, 7)],
        {"title": ["zero", None], "year": [1990, 1991]},
        {"title": "text", "year": "numeric"},
        clock,
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
    data, fresh = merged(_old(clock=False), _new(clock=False))
    mine = data.interactions.select(data.interactions.user == 0)
    assert mine.item.tolist() == [0, 1, 1, 2]
    assert mine.time.tolist() == [5, 6, 7, 8]
    assert fresh.tolist() == [False, False, True, True, False, True]


def test_a_clock_and_no_clock_cannot_be_put_in_order():
    with pytest.raises(DataError, match="cannot be put in order"):
        merged(_old(), _new(clock=False))
