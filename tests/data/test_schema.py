import numpy as np
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


RNG = np.random.default_rng(0)
FOODS, SURNAMES, NAMES = (
    ["vegan", "scharf", "Suppe", "Salat", "Burger", "Kinder"],
    ["Smith", "Jones", "Moore", "Garcia", "James", "Lee", "Brown", "Clark", "Hall", "Young"],
    ["Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "James", "Gil", "Hugo", "Ida"],
)


def lists(mark, most=3, of=FOODS):
    return [mark.join(RNG.choice(of, RNG.integers(1, most + 1), replace=False)) for _ in range(200)]


@pytest.mark.parametrize("mark", [" / ", ", ", "; ", "|", " | ", "/", ";", ","])
def test_lists_of_few_values_are_tags_with_their_separator(mark):
    assert infer_schema(pd.DataFrame({"x": lists(mark)})).columns["x"].text.replace(" ", "") == f"tags:{mark.strip()}"


@pytest.mark.parametrize(
    "cells",
    [
        [f"{a}, {b}" for a in SURNAMES for b in NAMES] * 2,
        [f"{a}, {b}" for a in SURNAMES for b in NAMES] * 2 + ["Madonna"] * 3,
        [f"{size}, {colour}" for size in "SML" for colour in ("red", "blue", "green", "grey")] * 9 + ["S", "M"] * 9,
        [f"A dish with {a}, {b} and more, cooked fresh every day" for a in FOODS for b in FOODS] * 9,
        [f"{a},{b}" for a in range(20) for b in range(10)],
        [f"{day:02d}/{month:02d}/2024" for day in range(1, 29) for month in range(1, 13)],
        ["Home / Garden", "Sport / Leisure", "Books"] * 20,
        [f"Matrix {n}, The" for n in range(99)],
        ["Berlin, Germany", "Bonn, Germany", "Paris, France", "Nice, France", "Rome, Italy"] * 20,
    ],
)
def test_names_sentences_numbers_dates_and_places_with_marks_are_no_tags(cells):
    assert kind(cells) is not Kind.TAGS
