"""Requests to a registered model that no client should send: one kind of error, with the row, and bounded memory."""

import json
import resource

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.baselines.ease import EASE
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.predictor import Predictor

HALF = json.loads(r'"team \udcff"')
DATA = BlockTaste(users=30, items=14).dataset()


@pytest.fixture(scope="module")
def predictor():
    return Predictor(Bundle(EASE().fit(DATA), DATA))


def _nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


def _twice(name, *cells):
    return pd.DataFrame([cells], columns=[name, name])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (_twice("user_id", "u000", "u001"), "the column 'user_id' occurs twice"),
        (_twice("history", [100], [101]), "the column 'history' occurs twice"),
        (_twice("age", 3, 4), "the column 'age' occurs twice"),
        (pd.DataFrame({"history": [_nested(2000)]}), "row 0: history holds .*which is no id"),
        (pd.DataFrame({"history": [np.array(3)]}), "row 0: history is array.*give a list"),
        (pd.DataFrame({"user_id": ["u000"], "candidates": [[[100]]]}), "candidates holds .*which is no id"),
        (pd.DataFrame({"user_id": ["u000"], "exclude": [list(range(10**6))], "k": [-1]}), "row 0: k must be"),
        (
            pd.DataFrame({"user_id": ["u000"], "team": pd.Series([HALF], dtype=object)}),
            "'team', row 1.*half a char",
        ),
        ({"user_id": ["u000"]}, "rows are dict; give a DataFrame"),
        (None, "rows are NoneType; give a DataFrame"),
    ],
)
def test_a_request_of_another_shape_is_refused_in_one_way(predictor, rows, told):
    with pytest.raises(DataError, match=told):
        predictor.predict(rows)


def test_a_row_far_down_is_named_by_its_number(predictor):
    rows = pd.DataFrame({"history": [[100]] * 20_000, "k": [1] * 19_999 + [0]})
    with pytest.raises(DataError, match="row 19999: k must be at least 1"):
        predictor.predict(rows)


def test_rows_that_are_answered_in_blocks_have_the_answers_they_have_alone(predictor, monkeypatch):
    rows = pd.DataFrame(
        {"user_id": ["u000", "u001", "u000", None], "candidates": [[100, 101, 102], None, [103, 104], [105]]},
        index=[7, 7, 8, 9],
    )
    rows["history"] = [None, None, None, [100]]
    whole = predictor.predict(rows)
    monkeypatch.setattr("recsys.registry.pyfunc.predictor._CANDIDATES", 3)
    pd.testing.assert_frame_equal(predictor.predict(rows), whole)


def test_candidates_of_many_rows_take_no_memory_of_rows_times_catalogue():
    data = BlockTaste(users=30, items=14, new_items=20_000).dataset()
    large = Predictor(Bundle(EASE(neighbours=5).fit(data), data))
    rows = pd.DataFrame({"history": [[100]] * 600, "candidates": [[101, 102]] * 600})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = large.predict(rows)
    assert all(set(items) <= {101, 102} for items in found["item_ids"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024  # kilobytes; 1.1 GB before


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_half_a_character_in_a_table_is_refused_with_column_and_row(column):
    cells = {"user_id": ["a", "b"], "item_id": ["x", "y"]}
    cells[column] = ["a", HALF]
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in cells.items()})
    with pytest.raises(DataError, match=rf"{column}.*half a character") as refused:
        rs.read_dataset(frame)
    assert "row 2" in str(refused.value)


def test_rows_without_any_candidate_have_empty_lists(predictor):
    found = predictor.predict(pd.DataFrame({"user_id": ["u000", "u001"], "candidates": [[], []]}))
    assert found["item_ids"].tolist() == [[], []]
    assert predictor.predict(pd.DataFrame({"user_id": ["u000"], "candidates": [[1]]}))["item_ids"].tolist() == [[]]
