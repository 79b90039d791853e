"""Conditions between users and items: each user gets the items that meet them with the user's own cells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.config import parse
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request
from recsys.errors import ConfigError, DataError
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.manifest import Manifest, read_recommendations
from recsys.retrieval.recommend import write_batch
from recsys.retrieval.rules.by_user import UserCondition
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.evaluator import Evaluator
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.retrieval.similar_lists import similar_lists
from tests.retrieval.conftest import FixedVectors
from tests.retrieval.rules.test_list_rules import AT, DATA, ENGINE, ITEMS, RULE_SETS, USERS

ITEM_CELLS = pd.DataFrame(
    {
        "city": ["Bern", "Rome", "Bern", None],
        "price": [5.0, 50.0, 200.0, None],
        "languages": ["de|fr", "it", "de", None],
        "national": ["no", "no", "yes", "yes"],
        "explicit": ["yes", "no", "no", "no"],
        "home town": ["Bern", "Bern", "Rome", None],
    }
)
KINDS = dict.fromkeys(ITEM_CELLS, "categorical") | {"price": "numeric", "languages": "tags"}
CATALOGUE = EntityTable(Vocabulary.of([1, 2, 3, 4]), ITEM_CELLS, Schema.of(KINDS))
USER_CELLS = pd.DataFrame(
    {
        "city": ["Bern", "Rome", None],
        "second": ["Rome", None, None],
        "budget": [100.0, 4.0, None],
        "cities": ["Bern|Rome", "Oslo", None],
        "language": ["fr", "de", None],
        "adult": ["yes", "no", None],
        "home town": ["Rome", "Bern", None],
    }
)
USER_KINDS = dict.fromkeys(USER_CELLS, "categorical") | {"budget": "numeric", "cities": "tags"}
PEOPLE = EntityTable(Vocabulary.of([7, 8, 9]), USER_CELLS, Schema.of(USER_KINDS))


@pytest.mark.parametrize(
    ("condition", "first", "second", "unknown"),
    [
        ("city == user.city", [1, 3], [2], [1, 2, 3, 4]),
        ("user.city == city", [1, 3], [2], [1, 2, 3, 4]),
        ("city != user.city", [2], [1, 3], [1, 2, 3, 4]),
        ("not city == user.city", [2], [1, 3], [1, 2, 3, 4]),
        ("price <= user.budget", [1, 2], [], [1, 2, 3, 4]),
        ("user.budget >= price > 10", [2], [], [2, 3]),
        ("city == user.city and price < 100", [1], [2], [1, 2]),
        ("national or city == user.city", [1, 3, 4], [2, 3, 4], [3, 4]),
        ("user.city is not None and city == user.city", [1, 3], [2], []),
        ("user.city is None or city == user.city", [1, 3], [2], [1, 2, 3, 4]),
        ("city in [user.city, user.second]", [1, 2, 3], [2], [1, 2, 3, 4]),
        ("city in user.cities", [1, 2, 3], [], [1, 2, 3, 4]),
        ("city not in user.cities", [], [1, 2, 3], [1, 2, 3, 4]),
        ("user.language in languages", [1], [1, 3], [1, 2, 3, 4]),
        ("user.adult or not explicit", [1, 2, 3, 4], [2, 3, 4], [2, 3, 4]),
        ("user.budget > 50 or price is None", [1, 2, 3, 4], [4], [4]),
        ("user.city in ['Bern', 'Oslo']", [1, 2, 3, 4], [], [1, 2, 3, 4]),
        ("`home town` == user.`home town`", [3], [1, 2], [1, 2, 3, 4]),
    ],
)
def test_each_user_may_get_the_items_that_meet_the_condition_with_the_own_cells(condition, first, second, unknown):
    found = {}
    for rows, mask in UserCondition.of(CATALOGUE, PEOPLE, condition).groups(PEOPLE):
        found |= dict.fromkeys(rows.tolist(), CATALOGUE.vocabulary.ids[mask].tolist())
    assert [found[row] for row in range(3)] == [first, second, unknown]


def test_each_of_many_values_is_evaluated_once_for_all_users_who_have_it(monkeypatch):
    rng, asked = np.random.default_rng(0), []
    kinds = Schema.of({"city": "categorical"})
    homes, places = ([f"city {n}" for n in rng.integers(0, 300, size)] for size in (2000, 500))
    users = EntityTable(Vocabulary.of(range(2000)), pd.DataFrame({"city": [None, *homes[1:]]}), kinds)
    items = EntityTable(Vocabulary.of(range(500)), pd.DataFrame({"city": places}), kinds)
    truth = Evaluator.truth
    monkeypatch.setattr(Evaluator, "truth", lambda self, node: asked.append(node) or truth(self, node))
    condition = UserCondition.of(items, users, "city == user.city")
    for _ in range(2):
        found = {row: mask for rows, mask in condition.groups(users) for row in rows.tolist()}
    assert sorted(found) == list(range(2000))
    assert found[0].all()
    assert all((mask == (np.array(places) == homes[row])).all() for row, mask in found.items() if row)
    assert len(asked) <= len(set(homes)) + 1


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("city == user.cty", r"users have no column 'cty'; did you mean 'city'\? They have: city, second, budget"),
        ("citty == user.city", r"items have no column 'citty'; did you mean 'city'\?"),
        ("price <= user.city", "price holds numbers and user.city texts; compare columns of one kind"),
        ("city == user.budget", "city holds texts and user.budget numbers"),
        ("city == user.cities", "user.cities has several values; write COLUMN in user.cities"),
        ("city in user.city", "user.city is no column of tags; write user.city == city"),
        ("user.city == user.second", "compare a column with a value"),
        ("user.language and price < 3", "language holds 'fr', neither yes nor no"),
        ("city = user.city", "write == for ="),
    ],
)
def test_a_wrong_condition_is_refused_with_the_reason(condition, message):
    with pytest.raises(DataError, match=message):
        UserCondition.of(CATALOGUE, PEOPLE, condition)


def test_columns_of_users_stand_in_the_condition_of_all_items_alone(tmp_path):
    for rules in ({"boosts": [{"where": "city == user.city"}]}, {"at_least": [{"where": "user.adult", "least": 1}]}):
        with pytest.raises(ConfigError, match=r"user\.\w+ stands in recommend.where alone; name columns of items"):
            parse(RuleOptions, rules, "rules")
    with pytest.raises(ConfigError, match="names columns of users, and similar items have no user"):
        similar_lists(ENGINE, DATA, tmp_path / "similar", RecommendOptions(where="brand == user.brand"))


BRANDS = [("Acme", "Bolt", "Cord", "None", None)[n % 5] for n in range(USERS)]
"""Of the users; no item has the fourth."""


@pytest.fixture(scope="module")
def shop():
    people = pd.DataFrame({"brand": BRANDS})
    users = EntityTable(DATA.users.vocabulary, people, Schema.of({"brand": "categorical"}))
    return replace(DATA, users=users)


@pytest.mark.parametrize("filter_seen", [True, False])
@pytest.mark.parametrize("rules", sorted(RULE_SETS))
def test_lists_are_those_of_a_condition_with_the_value_of_each_user(shop, rules, filter_seen):
    options, everybody = RuleOptions(**RULE_SETS[rules], reasons=True), Request.from_dataset(shop, np.arange(USERS))
    given = {"deny": ("item 7",)}

    def lists(where, users):
        plan = RulePlan.of(shop, ItemRules(where=where, **given), options, AT)
        fallback = Fallback.fit(shop)
        retriever = RuledRetriever.of(ENGINE, plan, fallback=lambda: fallback, multiple=32)
        return retriever.top_k(everybody.take(users), 8, filter_seen)

    found = lists("brand == user.brand", np.arange(USERS))
    for brand in ("Acme", "Bolt", "Cord", None):
        users = np.flatnonzero([each == brand for each in BRANDS])
        if brand == "Cord" and rules in ("available", "freshness"):
            assert (found.rows[users] == -1).all(), "all of them are too new"
            continue
        expected = lists(None if brand is None else f"brand == {brand!r}", users)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine[users], theirs, rtol=1e-6)
    assert (found.rows[np.array(BRANDS) == "None"] == -1).all()


def test_lists_of_few_users_are_those_of_all(shop):
    plan = RulePlan.of(shop, ItemRules(where="brand == user.brand"), RuleOptions())
    retriever, everybody = RuledRetriever.of(ENGINE, plan, multiple=32), Request.from_dataset(shop, np.arange(USERS))
    whole = retriever.top_k(everybody, 8)
    for users in ([3], [4, 0, 29], [7, 2, 12]):
        some = retriever.top_k(everybody.take(np.array(users)), 8)
        assert (some.rows == whole.rows[users]).all()
        assert (some.scores == whole.scores[users]).all()


def test_a_batch_counts_users_without_the_value_and_without_an_item(shop, tmp_path):
    options = RecommendOptions(k=8, where="brand == user.brand", shard_size=7, filter_seen=False)
    batch = Batch(ENGINE, shop, options, fallback=Fallback.fit(shop))
    write_batch(batch, tmp_path / "lists")
    table, owns = read_recommendations(tmp_path / "lists"), dict(zip(shop.users.vocabulary.ids, BRANDS, strict=True))
    brand = dict(zip(shop.items.vocabulary.ids, shop.items.columns["brand"], strict=True))
    counts = table.groupby("user_id").size()
    for user, own in owns.items():
        assert counts.get(user, 0) == (0 if own == "None" else 8)
    strict = table[[owns[user] is not None for user in table["user_id"]]]
    assert [brand[item] for item in strict["item_id"]] == [owns[user] for user in strict["user_id"]]
    [line] = [line for line in Manifest.load(tmp_path / "lists").rules.told if line.startswith("where")]
    assert line == (
        "where = 'brand == user.brand' is asked for each user: 6 of 30 have no brand, and comparisons with a missing "
        "value are left out for them; no item meets it for 6, who get no list"
    )


def test_a_frame_of_users_decides_by_its_own_cells(shop):
    people = pd.DataFrame({"user_id": ["u0000", "somebody", "nobody"], "brand": ["Cord", "Bolt", None]})
    found = rs.recommend(ENGINE_OF_ALL, shop, users=people, k=ITEMS, where="brand == user.brand", filter_seen=False)
    brand = dict(zip(shop.items.vocabulary.ids, shop.items.columns["brand"], strict=True))
    listed = {user: {brand[item] for item in items} for user, items in found.groupby("user_id")["item_id"]}
    assert (listed["u0000"], listed["somebody"]) == ({"Cord"}, {"Bolt"})
    assert {"Acme", "Bolt", "Cord"} < listed["nobody"]
    histories = rs.recommend(ENGINE_OF_ALL, shop, histories=[[]], k=ITEMS, where="brand == user.brand")
    assert len(histories) == ITEMS


class OfAll(FixedVectors):
    """Takes any users."""

    def user_vectors(self, request):
        return rs.engine.Vectors(np.ones((len(request), self.items.shape[1]), np.float32))


ENGINE_OF_ALL = OfAll(USERS, ITEMS)
