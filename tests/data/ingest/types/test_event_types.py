"""Event types: those that mean nothing, those that take likes back, and those that nothing is said of."""

import json
import logging
import re
import tomllib

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.merge import merged
from recsys.engine import Request
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.retrieval.retriever import seen_items

DAY = 86_400
LOG = [
    # user, item, day, type
    (1, 10, 0, "page_view"),
    (1, 10, 1, "borrow"),
    (1, 10, 9, "return"),
    (1, 11, 2, "page_view"),
    (2, 10, 3, "borrow"),
    (2, 12, 4, "page_view"),
    (3, 13, 5, "page_view"),
    (2, 11, 6, "borrow"),
]


def frame(rows=LOG):
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "day", "event"])
    return log.assign(timestamp=1_000_000_000 + DAY * log.pop("day"))[["user_id", "item_id", "timestamp", "event"]]


@pytest.fixture
def checked(tmp_path):
    def checking(rows=LOG, **columns):
        frame(rows).to_csv(tmp_path / "log.csv", index=False)
        given = {"interactions": tmp_path / "log.csv", "columns": {"event": "event", **columns}}
        return validate(DataConfig.model_validate(given))

    return checking


IGNORED = {
    "event": "event",
    "event_weights": {"borrow": 2},
    "event_meaning": dict.fromkeys(("page_view", "return"), "ignore"),
}


def test_ignored_rows_are_no_likes_and_leave_no_user_no_item_and_nothing_seen():
    data = rs.read_dataset(frame(), columns=IGNORED, name="library")
    assert data.users.vocabulary.ids.tolist() == [1, 2]
    assert data.items.vocabulary.ids.tolist() == [10, 11]
    assert data.interactions.weight.tolist() == [2, 2, 2]
    assert not len(data.non_likes)
    assert seen_items(Request.from_dataset(data, np.arange(2))).lengths.tolist() == [1, 2]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_with_ignored_types_the_data_are_those_of_a_file_without_their_rows(suffix, tmp_path):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["page_view", "borrow", "return", "renew"], 3000)
    rows = zip(rng.integers(0, 90, 3000), rng.integers(0, 70, 3000), rng.permutation(3000), kinds, strict=True)
    whole = frame(list(rows))
    kept = whole[~whole["event"].isin(["page_view", "return"])]

    def read(name, table):
        path = tmp_path / f"{name}.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
        weights = {
            "event": "event",
            "event_weights": {"borrow": 1, "renew": 0.5},
            "event_meaning": IGNORED["event_meaning"],
        }
        return ingest(DataConfig(interactions=path, columns=weights, name="x")).data

    assert read("whole", whole).fingerprint == read("kept", kept).fingerprint
    assert len(read("whole", whole).interactions) == len(kept)


def test_nothing_is_wrong_with_what_is_ignored(checked):
    rows = [*LOG, (None, 10, 7, "page_view"), (1, 10, 0, "page_view")]  # a visitor without a name, and a repeated row
    found = checked(rows, event_meaning={"page_view": "ignore"})
    assert not found.failed
    assert checked(rows).failed


def test_messages_name_the_rows_of_the_file_beside_ignored_ones(checked):
    rows = [*LOG, (9, None, 7, "borrow")]
    [error] = checked(rows, event_meaning={"page_view": "ignore"}).issues.errors
    assert (error.rows + 1).tolist() == [9]


def test_what_is_ignored_is_counted(checked):
    found = checked(event_weights={"borrow": 1, "return": 0.5}, event_meaning={"page_view": "ignore"})
    [note] = found.issues.notes
    assert note.found == "left out: 4 rows of 'page_view'"
    assert (note.rows + 1).tolist() == [1, 4, 6, 7]
    told = to_text(found)
    assert "4 rows besides 4 that are left out" in told
    lines = [line.split() for line in told.splitlines()]
    start = lines.index(["event", "types,", "rows", "and", "meaning:"]) + 1
    assert lines[start : start + 3] == [
        ["page_view", "4", "ignore:", "left", "out"],
        ["borrow", "3", "like,", "weight", "1"],
        ["return", "1", "like,", "weight", "0.5"],
    ]
    [table] = json.loads(to_json(found))["tables"]
    assert {kind["name"]: (kind["rows"], kind["meaning"]) for kind in table["event_types"]} == {
        "borrow": (3, None),
        "page_view": (4, "ignore"),
        "return": (1, None),
    }


def test_a_meaning_of_a_type_that_no_row_has_is_told_where_another_may_be_meant(checked):
    [note] = checked(event_meaning={"page_veiw": "ignore", "return": "like", "lease": "removal"}).issues.notes
    assert "names 'page_veiw', and no row is of it; did you mean 'page_view'?" in note.found


def test_a_file_in_which_all_is_ignored_is_an_error():
    with pytest.raises(
        DataError, match=r"all rows are of types that data\.columns\.event_meaning ignores: 'page_view'"
    ):
        rs.read_dataset(frame(LOG[3:4]), columns={"event": "event", "event_meaning": {"page_view": "ignore"}})


def test_a_type_is_ignored_or_has_a_weight():
    columns = {"event": "e", "event_weights": {"a": 1, "b": 1, "c": 1}, "event_meaning": {"a": "ignore", "c": "ignore"}}
    with pytest.raises(ConfigError, match=r"event_meaning is \"ignore\" for 'a', 'c', and event_weights weighs"):
        parse(DataConfig, {"columns": columns}, "x.toml")


@pytest.mark.parametrize(("returned", "warns"), [(1, False), (2, True)])
def test_removals_that_take_back_over_a_third_of_the_likes_are_told_with_the_remedy(returned, warns, checked):
    loans = [(user, 10 + user, user, "borrow") for user in range(3)]
    back = [(user, 10 + user, 5 + user, "return") for user in range(returned)]
    lone = [(7, 10, 9, "return")]  # takes nothing back
    found = checked([*loans, *back, *lone], event_meaning={"return": "removal"}).issues.warnings
    assert len(found) == warns
    if warns:
        assert found[0].found == "3 likes, of which rows of 'return' take back 2 (67%)"
        assert (found[0].rows + 1).tolist() == [4, 5]
        assert 'data.columns.event_meaning = {"return" = "ignore"} leaves it out' in found[0].remedy


AGAIN = [
    *((1, 10, day, "order") for day in (0, 1, 2)),
    (1, 10, 3, "refund"),  # of the order of day 2
    (1, 11, 0, "order"),
    (1, 11, 2, "refund"),
    (1, 11, 4, "order"),
    *((2, 10, day, "order") for day in (0, 1)),
    *((2, 10, day, "refund") for day in (2, 3)),
    (2, 12, 5, "order"),
]
"""Eight orders, half of which repeat an earlier one, and four refunds."""


def standing(**given):
    """User, item and day of the likes that stand, and what was taken back."""
    data = rs.read_dataset(frame(AGAIN), **given)
    x, ids = data.interactions, (data.users.vocabulary.ids, data.items.vocabulary.ids)
    days = (np.asarray(x.time) - 1_000_000_000) // DAY
    return sorted(zip(ids[0][x.user].tolist(), ids[1][x.item].tolist(), days.tolist(), strict=True)), data.feedback


def test_where_people_buy_again_a_refund_is_told_to_take_back_one_order(checked):
    [told] = checked(AGAIN).issues.warnings
    assert told.found == "4 rows of 'refund' count as likes"
    keys = 'data.positive_from = 1 .*data.columns.event_weights = ({"order" = 1, "refund" = -1})'
    found = re.search(keys, told.remedy)
    assert "a removal takes back all of the user and item (50% of the likes repeat an earlier one)" in told.remedy
    weights = tomllib.loads(f"weights = {found[1]}")["weights"]
    one_each, counts = standing(columns={"event": "event", "event_weights": weights}, positive_from=1)
    assert one_each == [(1, 10, 0), (1, 10, 1), (1, 11, 4), (2, 12, 5)]
    assert (counts.returns, counts.returned, counts.unmatched) == (4, 4, 0)
    every, counts = standing(columns={"event": "event", "event_meaning": {"refund": "removal"}})
    assert every == [(1, 11, 4), (2, 12, 5)]
    assert (counts.withdrawals, counts.withdrawn) == (3, 6)


def test_removals_that_take_back_several_orders_each_are_told_where_people_buy_again(checked):
    [told] = checked(AGAIN, event_meaning={"refund": "removal"}).issues.warnings
    assert told.found == "3 rows of 'refund' take back 6 likes, all earlier ones of the same user and item each"
    assert (told.rows + 1).tolist() == [4, 6, 10]
    assert "data.positive_from = 1 (or the least amount of a like)" in told.remedy
    assert 'data.columns.event_weights = {"order" = 1, "refund" = -1}' in told.remedy
    once = [row for row in AGAIN if row[2] in (0, 5)] + [(1, 10, 3, "refund")]
    assert not checked(once, event_meaning={"refund": "removal"}).issues.warnings


def test_all_event_types_of_which_nothing_is_said_are_named_at_once(checked):
    found = checked(event_weights={"borrow": 1}).issues
    [error] = found.errors
    assert error.found == "the events 'page_view', 'return' have no weight and no meaning"
    assert (error.rows + 1).tolist() == [1, 3, 4, 6, 7]
    assert not found.warnings  # 'return' is no like then


def test_weights_that_are_not_positive_are_named_as_such(checked):
    [error] = checked(event_weights={"borrow": 1, "page_view": 0, "return": -1}).issues.errors
    assert (
        "event_weights has weights that are too large, too small or not positive: 'page_view' = 0, 'return' = -1"
        in error.found
    )


def test_types_without_weights_and_meanings_weigh_one_each_and_doubtful_ones_are_told_once(caplog):
    with caplog.at_level(logging.WARNING, "recsys.data"):
        data = rs.read_dataset(frame(), columns={"event": "event"})
    assert data.interactions.weight.tolist() == [1] * len(LOG)
    [told] = caplog.messages
    assert "1 row of 'return' counts as a like" in told
    assert '"ignore" instead leaves them out' in told


@pytest.mark.parametrize(
    ("column", "kinds", "known"),
    [
        ("event", ["view", "buy"], True),
        ("actionType", ["1", "2"], True),
        ("event_date", ["2024-05-01", "2024-05-02"], False),
        ("status", ["sent", "paid"], False),
        ("status", ["sent", "returned"], True),
        ("event", [f"kind {n}" for n in range(31)], False),
    ],
)
def test_event_types_are_known_of_columns_that_nothing_reads(column, kinds, known):
    rows = [(n, 1, n, kind) for n, kind in enumerate(kinds)]
    data = rs.read_dataset(frame(rows).rename(columns={"event": column}))
    assert (data.event_types is not None) == known
    if known:
        assert (data.event_types.column, data.event_types.named) == (column, False)
        assert [kind.name for kind in data.event_types.types] == sorted(kinds)


def test_event_types_are_kept_with_the_dataset_and_unknown_after_a_merge(tmp_path):
    data = rs.read_dataset(frame(), columns={"event": "event"})
    data.save(tmp_path / "data")
    back = Dataset.load(tmp_path / "data")
    assert (back.fingerprint, back.event_types) == (data.fingerprint, data.event_types)
    assert back.interactions.event.tolist() == data.interactions.event.tolist()
    named = [data.event_types.types[n].name for n in data.interactions.event]
    assert named == [event for _, _, _, event in sorted(LOG, key=lambda row: (row[0], row[2]))]
    joined, _ = merged(data, rs.read_dataset(frame([(5, 10, 20, "borrow")]), columns={"event": "event"}))
    assert (joined.event_types, joined.interactions.event) == (None, None)
    path = tmp_path / "data" / "dataset.json"
    path.write_text(path.read_text().replace('"column"', '"colum"'))
    with pytest.raises(ArtifactError, match=r"dataset\.json does not hold event types"):
        Dataset.load(tmp_path / "data")


def test_a_train_and_a_test_file_have_their_event_types_in_common():
    test = frame([(1, 12, 30, "borrow"), (2, 13, 31, "renew")])
    data = rs.read_dataset(frame(), test_interactions=test, columns={"event": "event"})
    kinds = {kind.name: kind.rows for kind in data.event_types.types}
    assert kinds == {"borrow": 4, "page_view": 4, "renew": 1, "return": 1}
    parts = data.given_files
    assert [data.event_types.types[n].name for n in parts[1].event] == ["borrow", "renew"]
    assert data.interactions.event.min() >= 0
