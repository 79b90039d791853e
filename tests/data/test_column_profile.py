"""Profiles of columns, and their warnings."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.column_profile import column_profile, column_profiles
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.infer import infer_schema
from recsys.data.ingest.validate import validate
from recsys.data.schema import Column, Kind, Schema
from recsys.data.synthetic.worlds import BlockTaste

N = 200
RNG = np.random.default_rng(0)


def _warned(cells: list[object], kind: str, name: str = "column") -> list[str]:
    column = Schema.of({name: kind}).columns[name]
    numeric = column.kind in (Kind.NUMERIC, Kind.TIME)
    series = pd.Series(cells, dtype="float64" if numeric else "str")
    return [warning.what for warning in column_profile(name, series, column).warnings]


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["main"] * N, "categorical", ["constant"]),
        ([3.0] * N, "numeric", ["constant"]),
        (["a|b"] * N, "tags", ["constant"]),
        (["yes"] * 50 + [None] * 150, "categorical", []),  # whether it is there still tells something
        ([None] * 195 + list("abcde"), "categorical", ["nearly empty"]),
        ([None] * N, "ignored", ["nearly empty"]),
        ([f"SKU-{n}" for n in range(N)], "categorical", ["unique values"]),
        ([f"SKU-{n}" for n in range(N)], "text", ["unique values"]),
        ([f"{n} Oak Street" for n in range(N)], "text", ["unique values"]),
        ([f"t{n}|u{n}" for n in range(N)], "tags", ["unique values"]),
        ([float(n) for n in range(N)], "numeric", ["unique values"]),
        (RNG.normal(size=N).tolist(), "numeric", []),
        ([f"a tale of {n} towns and of those who live in them" for n in range(N)], "text", []),
        (["red", "blue"] * 100, "categorical", []),
        (["a|b", "b"] * 100, "tags", []),
        ([f"v{n // 3}" for n in range(6000)], "categorical", ["rare values"]),
        ([f"v{n // 10}" for n in range(6000)], "categorical", []),
        (["main"] * N, "ignored", []),
    ],
)
def test_a_column_of_little_use_is_warned_of(cells, kind, expected):
    assert _warned(cells, kind) == expected


def test_a_title_is_not_taken_for_a_code():
    films = [f"Film {n}" for n in range(N)]
    assert _warned(films, "text", "title") == []
    assert _warned(films, "text", "code") == ["unique values"]


def test_a_profile_counts_values_and_missing_cells():
    genres = column_profile("genres", pd.Series(["a|b", "b", None, " "], dtype="str"), Column(Kind.TAGS))
    assert (genres.values, genres.missing, genres.rows) == (2, 0.5, 4)
    assert genres.facts() == "tags:|, 2 values, 50 % missing, as 'a|b'"
    when = column_profile("when", pd.Series([0.0, 86_400.0]), Column(Kind.TIME))
    assert when.facts() == "time, 2 values, 0 % missing, 1970-01-01 to 1970-01-02"
    vectors = column_profile("v", pd.Series([[1.0, 2.0], [1.0, 2.0], None]), Column(Kind.EMBEDDING))
    assert vectors.facts() == "embedding, 1 value, 33 % missing, 2 dimensions"


def test_the_columns_of_a_world_are_of_use():
    items = BlockTaste(items=30).dataset().items
    assert not any(profile.warnings for profile in column_profiles(items.columns, items.schema))


def test_validate_names_the_columns_of_little_use(tmp_path):
    ids = np.arange(60)
    items = pd.DataFrame(
        {
            "item_id": ids,
            "shop": "main",
            "sku": [f"A{n:05d}" for n in ids],
            "note": ["rare"] + [None] * 59,
            "empty": None,
            "colour": ["red", "blue", "green"] * 20,
        }
    )
    items.to_csv(tmp_path / "items.csv", index=False)
    events = pd.DataFrame({"user_id": ids % 7, "item_id": ids, "timestamp": 1_600_000_000 + ids})
    events.to_csv(tmp_path / "interactions.csv", index=False)
    found = validate(DataConfig(interactions=tmp_path / "interactions.csv", items=tmp_path / "items.csv"))
    texts = {finding.column: finding.found for finding in found.issues.warnings}
    assert "every row has the same value, 'main'" in texts["shop"]
    assert "almost every row has a value of its own, as 'A00000'" in texts["sku"]
    assert "98.3% of the cells are missing" in texts["note"]
    assert "every cell is missing" in texts["empty"]
    assert "colour" not in texts
    assert not found.failed


def test_a_kind_that_is_inferred_for_an_article_code_is_still_warned_of():
    frame = pd.DataFrame({"sku": [f"A{n:05d}" for n in range(60)]})
    schema = infer_schema(frame)
    assert [warning.what for p in column_profiles(frame, schema) for warning in p.warnings] == ["unique values"]


@pytest.mark.parametrize("mark", [" -- ", " / ", "; ", " > "])
def test_a_text_of_few_values_between_marks_is_noted_with_the_entry_of_the_schema(mark, tmp_path):
    subjects = [f"Subject {a}{mark}Subject {b}" for a in range(8) for b in range(8)]
    items = pd.DataFrame({"item_id": range(64), "subjects": subjects})
    items.to_csv(tmp_path / "items.csv", index=False)
    pd.DataFrame({"user_id": ["a"] * 64, "item_id": range(64)}).to_csv(tmp_path / "x.csv", index=False)
    paths = {"interactions": tmp_path / "x.csv", "items": tmp_path / "items.csv"}
    [told] = [
        note
        for note in validate(DataConfig.model_validate(paths)).issues
        if note.column == "subjects" and mark in note.found
    ]
    assert (told.severity, f'subjects = "tags:{mark}" in the schema' in told.remedy) == ("note", True)
    read = validate(DataConfig.model_validate({**paths, "item_schema": {"subjects": f"tags:{mark}"}}))
    assert not any("several values" in note.found for note in read.issues)
    assert (
        column_profile(
            "subjects", pd.Series(subjects, dtype="str"), Schema.of({"s": f"tags:{mark}"}).columns["s"]
        ).values
        == 8
    )


def test_titles_with_marks_hold_one_value_each():
    assert _warned([f"Film {n} / Part {n * 7}" for n in range(N)], "text", "title") == []


def test_whole_numbers_are_shown_with_all_digits_and_without_decimals():
    column = pd.Series(np.arange(N) * 1.0 + 9780000000000)
    profile = column_profile("isbn13", column, Column(Kind.NUMERIC))
    assert profile.example == "9780000000000 to 9780000000199"
    assert "as 9780000000000, so" in profile.warnings[0].found


def test_a_column_that_is_taken_for_lists_is_noted_with_its_separator(tmp_path):
    cells = ["hot", "hot, vegan", "vegan, soup", "soup, hot, vegan", "soup, vegan", "vegan, hot", "soup"] * 9
    pd.DataFrame({"item_id": range(63), "taste": cells}).to_csv(tmp_path / "items.csv", index=False)
    pd.DataFrame({"user_id": ["a"] * 63, "item_id": range(63)}).to_csv(tmp_path / "x.csv", index=False)
    paths = {"interactions": tmp_path / "x.csv", "items": tmp_path / "items.csv"}
    [told] = [note for note in validate(DataConfig.model_validate(paths)).issues if note.column == "taste"]
    assert (told.severity, told.found) == ("note", "cells are read as tags between ', ', as 'hot, vegan'")
    given = validate(DataConfig.model_validate({**paths, "item_schema": {"taste": "tags:, "}}))
    assert not [note for note in given.issues if note.column == "taste"]
    profile = column_profile("taste", pd.Series(cells, dtype="str"), Column(Kind.TAGS, ", "))
    assert profile.facts().startswith("tags between ', ', 3 values")
