"""Which items may be recommended, and which users get a list."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ConfigError, DataError
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.predictor import Predictor
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recommend import recommend
from recsys.retrieval.rules.conditions import matching
from recsys.retrieval.rules.eligible import ItemRules, eligible_items
from recsys.retrieval.rules.id_lists import known_ids
from recsys.retrieval.rules.pairs.user_lists import UserLists

CELLS = pd.DataFrame(
    {
        "price": [5.0, 50.0, 200.0, None],
        "in_stock": ["yes", "no", "yes", "yes"],
        "brand": ["Acme", "Bolt", None, "Acme"],
        "genres": ["Drama|War", "Comedy", "Drama", None],
        "size in cm": [1.0, 2.0, 3.0, 4.0],
        "since": [1.6e9, 1.7e9, 1.5e9, 1.6e9],
    }
)
KINDS = {
    "price": "numeric",
    "in_stock": "categorical",
    "brand": "categorical",
    "genres": "tags",
    "size in cm": "numeric",
    "since": "time",
}
ITEMS = EntityTable(Vocabulary.of([1, 2, 3, 4]), CELLS, Schema.of(KINDS))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("in_stock and price < 100", [1]),
        ("price < 100 or brand == 'Acme'", [1, 2, 4]),
        ("not price < 100", [3]),
        ("10 < price <= 200", [2, 3]),
        ("100 > price", [1, 2]),
        ("brand in ['Bolt', 'Cord']", [2]),
        ("brand not in ['Bolt']", [1, 4]),
        ("brand is None", [3]),
        ("price is not None and brand != 'Acme'", [2]),
        ("'Drama' in genres", [1, 3]),
        ("'Drama' not in genres", [2]),
        ("`size in cm` >= 3", [3, 4]),
        ("since >= '2020-09-01'", [1, 2, 4]),
        ("in_stock == False", [2]),
        ("not in_stock", [2]),
        ("price > -1", [1, 2, 3]),
    ],
)
def test_a_condition_lets_through_the_items_that_meet_it(condition, expected):
    assert ITEMS.vocabulary.ids[matching(ITEMS, condition)].tolist() == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("prise < 3", r"no column 'prise'; did you mean 'price'\?"),
        ("__import__('os').system('x')", "not allowed here"),
        ("price.real < 3", "compare a column with a value"),
        ("(lambda: 1)() < price", "is no value"),
        ("price < ", "is no condition"),
        ("price < 'cheap'", "holds numbers and is compared with the text 'cheap'"),
        ("brand < 3", "holds texts and is compared with the number 3"),
        ("genres == 'Drama'", r"write 'Drama' in genres"),
        ("brand", "neither yes nor no"),
        ("since > 'soon'", "is a time and 'soon' none"),
        ("price ** 2 < 4", "compare a column with a value"),
        ("1 < 2", "compare a column with a value"),
        ("'D' in brand", "no column of tags"),
        ("(" * 900 + "price" + ")" * 900, "is no condition|neither yes nor no|not allowed"),
        ("price < 1 or " * 400 + "price < 1", "the longest condition has"),
    ],
)
def test_a_condition_outside_the_grammar_is_refused_with_the_reason(condition, message):
    with pytest.raises(DataError, match=message):
        assert matching(ITEMS, condition) is None


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("brand = 'Acme'", "write == for ="),
        ("price <> 3 AND in_stock", "write != for <>, and for AND or &&"),
        ("brand == 'a = b' || in_stock", "write or for OR or ||"),
        ("brand == 'a = b' and", "write one as in_stock"),
    ],
)
def test_the_syntax_of_a_condition_is_checked_when_the_config_is_read_with_a_hint(condition, hint):
    with pytest.raises(ConfigError, match=re.escape(hint)):
        parse(RecommendOptions, {"where": condition}, "shop.toml")


def test_ids_of_a_file_are_read_in_the_type_of_the_data(tmp_path):
    for name, text in (
        ("a.csv", "item_id\n4\n3.0\n900\n"),
        ("b.txt", "4\n3\nx\n"),
        ("c.csv", "n,item_id\n0,4\n1,3\n2,9\n"),
    ):
        (tmp_path / name).write_text(text)
        found = known_ids(ITEMS.vocabulary, tmp_path / name, "recommend.allow", "item_id")
        assert (found.rows.tolist(), found.unknown) == ([2, 3], 1)
    pd.DataFrame({"item_id": [4, 3, 9]}).to_parquet(tmp_path / "d.parquet")
    assert known_ids(ITEMS.vocabulary, tmp_path / "d.parquet", "recommend.allow", "item_id").rows.tolist() == [2, 3]
    texts = Vocabulary.of(["007", "7"])
    (tmp_path / "e.txt").write_text("007\n")
    assert known_ids(texts, tmp_path / "e.txt", "recommend.allow", "item_id").rows.tolist() == [0]


def test_a_file_of_ids_that_is_missing_or_has_no_such_column_is_named_in_full(tmp_path):
    with pytest.raises(DataError, match=f"recommend.deny: the file {tmp_path / 'no.csv'} cannot be read"):
        eligible_items(ITEMS, ItemRules(deny=tmp_path / "no.csv"))
    (tmp_path / "two.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has the columns a, b and none of the name item_id"):
        eligible_items(ITEMS, ItemRules(allow=tmp_path / "two.csv"))


@pytest.mark.parametrize("ids", [[101, 102], ["101", "102"]])
def test_ids_of_a_config_are_read_in_the_type_of_the_data(ids):
    vocabulary = Vocabulary.of(ids)
    for given in (102, "102"):
        assert known_ids(vocabulary, (given,), "recommend.users", "user_id").rows.tolist() == [1]
        table = EntityTable.bare(vocabulary)
        pairs = Dataset("", table, table, Interactions.empty(), has_timestamps=True)
        assert UserLists.of(pairs, ((given, given),), "exclusions").rows_of(ids).lengths.tolist() == [0, 1]
    assert known_ids(vocabulary, (102, 999, "7"), "recommend.users", "user_id").unknown == 2


@pytest.mark.parametrize("ids", [[101, 102], ["a", "b"]])
@pytest.mark.parametrize("name", ["allow", "deny"])
def test_ids_of_the_other_type_are_an_error_and_not_passed_over(ids, name):
    items = EntityTable.bare(Vocabulary.of(ids))
    wrong = "a101" if items.vocabulary.holds_integers else 7
    with pytest.raises(DataError, match=rf"recommend.{name} names {wrong!r}.*such as {ids[0]!r}"):
        eligible_items(items, ItemRules.model_validate({name: [wrong]}))


def test_every_rule_that_leaves_something_out_is_told_when_nothing_is_left(tmp_path):
    with pytest.raises(DataError, match=r"no item to recommend(.|\n)*1 of 4 items meet(.|\n)*passed over") as error:
        eligible_items(ITEMS, ItemRules(where="price > 100", deny=[3, 77]))
    assert "77" in str(error.value)


def _shop(tmp_path: Path) -> rs.Dataset:
    events = pd.DataFrame({"user_id": [1, 1, 2, 2, 3, 3], "item_id": [10, 11, 10, 12, 10, 13], "timestamp": range(6)})
    events["timestamp"] += 1_600_000_000
    items = pd.DataFrame({"item_id": [11, 12, 13, 14], "price": [1.5, 2.5, 3.5, 4.5]})
    return rs.read_dataset(events, items=items, name="shop")


def test_an_item_that_the_items_table_no_longer_lists_is_learnt_from_and_not_recommended(tmp_path):
    data = _shop(tmp_path)
    data.save(tmp_path / "data")
    data = rs.Dataset.load(tmp_path / "data")
    engine = Popularity().fit(data)
    manifest = recommend(engine, data, tmp_path / "out", RecommendOptions(k=5, filter_seen=False))
    assert set(read_recommendations(tmp_path / "out")["item_id"]) == {11, 12, 13}
    assert "1 item is not in the items table and not recommended" in manifest.rules.told[0]
    assert set(rs.recommend(engine, data, k=5, filter_seen=False)["item_id"]) == {11, 12, 13, 14}
    online = Predictor(Bundle(engine, data)).predict(pd.DataFrame({"history": [[11]], "k": [5]}))
    assert 10 not in online["item_ids"][0]
    unlisted = RecommendOptions(k=5, filter_seen=False, unlisted=True)
    recommend(engine, data, tmp_path / "all", unlisted)
    assert 10 in set(read_recommendations(tmp_path / "all")["item_id"])
    assert rs.recommend(engine, data, [1], k=1, items=[10], filter_seen=False)["item_id"].tolist() == [10]


def test_places_that_stay_empty_are_counted(tmp_path):
    data = _shop(tmp_path)
    manifest = recommend(Popularity().fit(data), data, tmp_path / "out", RecommendOptions(k=5))
    assert manifest.rows + manifest.empty_places == 3 * 5
    assert manifest.empty_places == 9  # three listed items have a vector, of which each user had one


def test_only_the_users_that_are_asked_for_get_a_list(tmp_path):
    data = _shop(tmp_path)
    (tmp_path / "users.txt").write_text("3\n1\n3\n99\n")
    for users in ((3, 1, 99), tmp_path / "users.txt"):
        manifest = recommend(Popularity().fit(data), data, tmp_path / "out", RecommendOptions(k=2, users=users))
        assert set(read_recommendations(tmp_path / "out")["user_id"]) == {1, 3}
        assert manifest.users == 2
        assert "recommend.users: 99" in manifest.rules.told[-1]
    with pytest.raises(DataError, match="names no user of the data"):
        recommend(Popularity().fit(data), data, tmp_path / "out", RecommendOptions(users=(98, 99)))


def test_a_list_of_ids_that_changes_under_its_name_changes_the_batch(tmp_path):
    data = _shop(tmp_path)
    for ids in ("11\n", "12\n"):
        (tmp_path / "allow.txt").write_text(ids)
        options = RecommendOptions(k=2, allow=tmp_path / "allow.txt", filter_seen=False)
        recommend(Popularity().fit(data), data, tmp_path / "out", options)
        assert set(read_recommendations(tmp_path / "out")["item_id"]) == {int(ids)}


def test_interactions_with_unlisted_items_may_be_left_out_of_the_data(tmp_path):
    (tmp_path / "i.csv").write_text("user_id,item_id,timestamp\n1,10,1600000000\n1,11,1600000001\n2,11,1600000002\n")
    (tmp_path / "items.csv").write_text("item_id,price\n11,2\n12,3\n")
    from recsys.data.ingest.config import DataConfig
    from recsys.data.ingest.issues import ValidationIssues
    from recsys.data.ingest.readers import ingest

    files = {"interactions": tmp_path / "i.csv", "items": tmp_path / "items.csv"}
    issues = ValidationIssues()
    data = ingest(DataConfig(**files, unknown_ids="drop"), issues).data
    assert data.items.vocabulary.ids.tolist() == [11, 12]
    assert data.items.columns["price"].tolist() == [2.0, 3.0]
    assert data.interactions.item.tolist() == [0, 0]
    assert "left out" in str(issues.notes[0])
    kept = ingest(DataConfig(**files)).data
    assert kept.items.vocabulary.ids[kept.items.unlisted].tolist() == [10]


def test_which_items_are_listed_follows_rows_and_merges():
    from recsys.data.merge import merged_entities

    old = replace(ITEMS, listed=np.array([True, True, False, True]))
    assert old.take(np.array([2, 0])).listed.tolist() == [False, True]
    assert old.with_columns(["price"]).unlisted.tolist() == [2]
    newer = EntityTable.aligned(Vocabulary.of([2, 3, 9]), np.array([3, 9]), CELLS.iloc[:2], ITEMS.schema)
    assert merged_entities(old, newer).unlisted.tolist() == []
    assert merged_entities(old, newer, "replace").vocabulary.ids[
        merged_entities(old, newer, "replace").unlisted
    ].tolist() == [1, 2, 4]
    whole = EntityTable.aligned(Vocabulary.of([2, 4, 9]), np.array([2, 4, 9]), CELLS.iloc[:3], ITEMS.schema)
    both = merged_entities(old, whole)  # most of the catalogue of before: what it lacks has left
    assert both.vocabulary.ids[both.unlisted].tolist() == [1, 3]
    unread = EntityTable.bare(Vocabulary.of([3, 77]))
    assert merged_entities(old, unread).unlisted.tolist() == [2]
