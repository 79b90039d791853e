import pandas as pd
import pytest

from recsys.data.ingest.infer import infer_schema
from recsys.data.schema import Column, Kind, Schema
from recsys.errors import ConfigError


def kind(cells, name="x"):
    return infer_schema(pd.DataFrame({name: pd.Series(cells)})).columns[name].kind


@pytest.mark.parametrize(
    ("expected", "cells"),
    [
        (Kind.NUMERIC, [1.5, 2.0, None]),
        (Kind.NUMERIC, ["1995", "1996", None]),
        (Kind.CATEGORICAL, [1, 2, 3] * 20),
        (Kind.CATEGORICAL, ["1", "2", "3"] * 20),
        (Kind.CATEGORICAL, ["red", "blue"] * 4),
        (Kind.CATEGORICAL, [True, False]),
        (Kind.TAGS, ["a|b", "c", "a"]),
        (Kind.TAGS, [["a", "b"], ["c"]]),
        (Kind.TAGS, [[1, 2], [3]]),
        (Kind.TEXT, ["a long description of what happens in it"] * 3),
        (Kind.TEXT, [f"Film {n}" for n in range(30)]),
        (Kind.TIME, ["2020-01-01", "2021-12-31T10:00:00", None]),
        (Kind.TIME, pd.to_datetime(["2020-01-01", None])),
        (Kind.IMAGE, ["posters/1.jpg", None, "2.PNG"]),
        (Kind.EMBEDDING, [[0.1, 0.2], None, [0.3, 0.4]]),
        (Kind.EMBEDDING, [[0.1, 0.2], [0.3]]),
        (Kind.IGNORED, [None, None]),
        (Kind.IGNORED, []),
    ],
)
def test_the_kind_of_a_column_is_seen_in_its_cells(expected, cells):
    assert kind(cells) is expected


def test_seconds_are_a_time_where_the_name_says_so():
    assert kind([10**9, 10**9 + 5], "created") is Kind.TIME
    assert kind([10**9, 10**9 + 5], "income") is Kind.NUMERIC


def test_dates_are_times_if_at_most_a_tenth_of_the_cells_are_none():
    assert kind(["2020-01-01"] * 30 + ["2020-02-30"]) is Kind.TIME
    assert kind(["2020-01-01"] * 30 + ["2020-02-30"] * 5) is not Kind.TIME


def test_tags_may_have_another_separator():
    schema = Schema.of({"cast": "tags:;", "genres": "tags"})
    assert schema.columns["cast"] == Column(Kind.TAGS, ";")
    assert schema.to_dict() == {"cast": "tags:;", "genres": "tags:|"}
    assert schema.names(Kind.TAGS) == ["cast", "genres"]


def test_an_unknown_kind_names_the_nearest_and_all():
    with pytest.raises(ConfigError, match=r"did you mean 'numeric'.*embedding"):
        Schema.of({"year": "numerical"})


def test_a_schema_keeps_its_order_on_disk(tmp_path):
    schema = Schema.of({"b": "text", "a": "tags:,", "c": "ignored"})
    schema.save(tmp_path / "s.json")
    assert Schema.load(tmp_path / "s.json") == schema
    assert list(schema) == ["b", "a", "c"]
