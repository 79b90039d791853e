"""Which columns are used and why, and the numbers behind the pictures of the data."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import validate
from recsys.data.overview.column_use import ColumnReaders
from recsys.data.overview.overview import numbers_histogram, overview
from recsys.data.schema import Kind


@pytest.fixture
def tables(tmp_path):
    n = 60
    events = pd.DataFrame({"customer": np.arange(n) % 7, "item_id": np.arange(n) % 20, "timestamp": 86_400 * 365 * 40})
    events["timestamp"] += 86_400 * np.arange(n)
    events["stars"], events["qty"], events["shop"] = 1 + np.arange(n) % 5, 2, "north"
    items = pd.DataFrame({"item_id": np.arange(20), "price": np.arange(20) + 0.5, "brand": ["a|b", "a"] * 10})
    items["blurb"] = [f"a text of some length about thing {n}" for n in range(20)]
    items["price"] = items["price"].where(items.index > 4)
    events.to_csv(tmp_path / "events.csv", index=False)
    items.to_csv(tmp_path / "items.csv", index=False)
    columns = {"user_id": "customer", "weight": "stars"}
    raw = {"interactions": tmp_path / "events.csv", "items": tmp_path / "items.csv", "columns": columns}
    return DataConfig.model_validate({**raw, "positive_from": 3, "duplicates": "keep"})


def test_every_column_is_listed_with_its_use(tables):
    summaries = {table.what: {column.name: column for column in table.columns} for table in validate(tables).tables}
    assert list(summaries["interactions"]) == ["customer", "item_id", "timestamp", "stars", "qty", "shop"]
    assert summaries["interactions"]["stars"].use == "used"
    assert summaries["interactions"]["qty"].use == "not used: no option names it"
    assert "nothing reads without a [pretrain] embedder" in summaries["items"]["blurb"].use
    assert summaries["items"]["brand"].use.startswith("used by two_tower, content_knn")


def test_what_weights_and_feedback_come_to_is_said(tables):
    notes = validate(tables).tables[0].notes
    assert notes[0].startswith("weights are used by popularity, itemknn, ease")
    assert notes[1] == "feedback: 36 likes, 24 below positive_from; non-likes stay in the seen filter"
    assert (
        not validate(
            tables.model_copy(update={"columns": type(tables.columns)(user_id="customer"), "positive_from": None})
        )
        .tables[0]
        .notes
    )


@pytest.mark.parametrize(
    ("engines", "kind", "use"),
    [
        ({"ease": {}}, Kind.TAGS, "not used: no engine of this run reads it"),
        ({"ease": {}, "towers": {"kind": "two_tower"}}, Kind.TAGS, "used by towers"),
        ({"two_tower": {"item_columns": ["other"]}}, Kind.TAGS, "not used: no engine of this run reads it"),
        ({"content_knn": {}}, Kind.NUMERIC, "not used: no engine of this run reads it"),
        ({"two_tower": {}}, Kind.TEXT, "used by [pretrain.words]"),
        ({"two_tower": {}}, Kind.IGNORED, "not used: ignored, for the schema says so or every cell is missing"),
    ],
)
def test_in_a_run_its_engines_and_embedders_decide(engines, kind, use):
    readers = ColumnReaders.of_run(engines, {"words": {"embedder": "word2vec", "columns": ["c"]}})
    assert readers.use("items", "c", kind) == use


def test_the_overview_counts_what_is_there(tables):
    found = overview(validate(tables).typed)
    assert (found.period, sum(found.activity.counts), len(found.activity.counts)) == ("day", 60, 60)
    assert sum(found.distributions["interactions a user"].counts) == 7
    assert found.distributions["interactions an item"].labels == ("1", "2-3")
    columns = {column.name: column for column in found.columns}
    assert columns["price"].missing == 0.25
    assert columns["brand"].histogram.labels == ("a", "b")
    assert columns["brand"].histogram.counts == (20, 10)


def test_one_huge_number_does_not_hide_the_others():
    found = numbers_histogram(np.append(np.arange(99.0), 1e9))
    assert max(found.counts) < 20
    assert found.labels[-1].endswith(" to 1e+09")
    assert sum(found.counts) == 100
