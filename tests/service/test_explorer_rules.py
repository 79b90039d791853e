"""The explorer's controls of rules and its neighbours by each kind of embedding."""

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Request
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.input_vectors import input_effects
from recsys.engines.two_tower.modalities import masked
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.catalogue import Catalogue
from recsys.service.explorer.explorer import Around, Explorer
from recsys.service.explorer.pair import Asked
from recsys.service.explorer.rules.controls import Controls
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from tests.service.test_explorer import films

CONFIG = {
    "caps": [{"column": "genres", "most": 3}],
    "boosts": [{"where": "year > 1990", "factor": 2.0}],
    "at_least": [{"where": "year < 1985", "least": 1}],
    "group": "year",
}


def towers(data: rs.Dataset) -> Hybrid:
    """EASE and a two-tower model of ids, columns and a table in which items 3 and 7 are one, and 19 is missing."""
    vectors = np.random.default_rng(0).standard_normal((19, 4)).astype(np.float32)
    vectors[7] = vectors[3]
    table = EmbeddingTable(Vocabulary.of(list(range(19))), vectors, {})
    tower = rs.TwoTower(tables={"text": table}, dim=8, epochs=1, leave_out=[], item_columns=["genres", "year"])
    return Hybrid(parts={"ease": rs.EASE().fit(data), "tower": tower.fit(data)}, weights=(0.6, 0.4)).fit(data)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return films(tmp_path_factory.mktemp("ruled"))


@pytest.fixture(scope="module")
def explored(data):
    """Makes the explorer of a hybrid under rules of a config, or without a config."""
    model = ServedModel(Bundle(towers(data), data))

    def explorer(rules=None, **around):
        parsed = None if rules is None else RuleOptions.model_validate(rules)
        return Explorer(lambda: model, LiveHistories(), None, Around(rules=parsed, **around))

    return explorer


def listed(explorer, number=0, k=6, user="7", **rules):
    found = explorer.lists(Asked(user, k=k, rules=rules))["lists"][number]
    assert found["error"] is None, found["error"]
    return found["items"]


def ids(cards):
    return [int(card["id"]) for card in cards]


def batch(data, explorer, rules, k=6, number=0):
    model = explorer.pair().shown[number].model
    return rs.recommend(model.bundle.engine, data, [7], k=k, rules=rules)["item_id"].tolist()


def test_lists_are_those_of_a_batch_under_the_rules_of_the_config(data, explored):
    explorer = explored(CONFIG)
    assert explorer.about()["configured"]
    for number in (0, 1):
        assert ids(listed(explorer, number)) == batch(data, explorer, CONFIG, number=number)
    plain = explored()
    assert not plain.about()["configured"]
    assert ids(listed(plain)) == batch(data, plain, {})


@pytest.mark.parametrize(
    ("moved", "rules"),
    [
        ({"diversity": 0.5}, {"diversity": {"weight": 0.5}}),
        ({"calibration": 0.5}, {"calibration": {"column": "genres", "weight": 0.5}}),
        ({"cap": 2, "cap_column": "genres"}, {"caps": [{"column": "genres", "most": 2}]}),
        ({"exploration": 0.5}, {"exploration": {"share": 0.5}}),
        ({"favour": "genres=Comedy", "favour_factor": 3}, {"boosts": [{"where": '"Comedy" in genres', "factor": 3}]}),
    ],
)
def test_a_moved_control_gives_the_lists_of_a_batch_with_that_rule(data, explored, moved, rules):
    explorer = explored()
    for number in (0, 1):
        assert ids(listed(explorer, number, **moved)) == batch(data, explorer, rules, number=number)


def test_the_values_of_the_config_can_be_taken_away_and_come_back(data, explored):
    explorer = explored(CONFIG)
    values = {control["name"]: control["value"] for control in explorer.about()["controls"]}
    assert {**values, "cap": 3, "quota_0": 1, "boost_0": 1.0, "group": True} == values
    off = {"cap": 0, "quota_0": 0, "boost_0": 0, "group": False}
    assert ids(listed(explorer, **off)) == batch(data, explorer, {})
    assert ids(listed(explorer)) == batch(data, explorer, CONFIG)


def test_items_say_which_rule_gave_them_their_place_and_parts_sum_to_a_boosted_score(explored):
    cards = listed(explored(), exploration=0.5)
    assert sum("exploration" in card["rules"] for card in cards) >= 2
    boosted = [card for card in listed(explored(), favour="genres=Comedy") if "boosts" in card["rules"]]
    assert boosted
    for card in boosted:
        assert card["columns"]["genres"] == "Comedy"
        assert sum(part["value"] for part in card["parts"]) == pytest.approx(card["score"], abs=1e-3)


def test_a_history_and_an_item_that_was_clicked_stay_out_under_rules(explored):
    found = explored(CONFIG).lists(Asked(history=("3", "4"), k=6, rules={"exploration": 0.5}))
    assert not {"3", "4"} & {card["id"] for each in found["lists"] for card in each["items"]}


def test_new_items_alone_are_those_since_the_date_that_the_control_tells():
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [1, 2, 3, 4], "timestamp": range(4)})
    items = pd.DataFrame({"item_id": range(1, 9), "released": pd.date_range("2001-01-01", periods=8, freq="YS")})
    data = rs.read_dataset(frame, items=items, schema={"released": "time"})
    explorer = Explorer(lambda: ServedModel(Bundle(rs.EASE().fit(data), data)), LiveHistories())
    control = next(each for each in explorer.about()["controls"] if each["name"] == "newer")
    days, text = control["options"][-2]
    date, count = text.removeprefix("since ").removesuffix(" items").split(", ")
    kept = listed(explorer, user="1", newer=days)
    assert {card["columns"]["released"] >= date for card in kept} == {True}
    assert int(count) == int((items["released"] >= date).sum()) < 8
    with pytest.raises(DataError, match=r"newer cannot be 0\.5"):
        explorer.lists(Asked("1", rules={"newer": 0.5}))


def test_controls_are_what_the_data_allows(explored):
    bare = rs.read_dataset(pd.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 2]}))
    assert list(Controls(Catalogue(bare), RuleOptions(), diverse=False).all) == ["exploration"]
    names = [control["name"] for control in explored().about()["controls"]]
    assert names[:5] == ["diversity", "calibration", "calibration_column", "exploration", "cap"]
    assert not {"group", "available", "quota_0", "boost_0", "seen"} & set(names)


def test_seen_items_may_come_back_where_both_models_rank_them(data):
    model = ServedModel(Bundle(rs.Frequency().fit(data), data))
    explorer = Explorer(lambda: model, LiveHistories())
    before = {card["id"] for card in explorer.lists(Asked("7", k=20))["history"]}
    assert not before & {card["id"] for card in listed(explorer, k=20)}
    assert before <= {card["id"] for card in listed(explorer, k=20, seen=False)}


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        ({"taste": 1}, "rules has no 'taste'"),
        ({"diversity": 2}, "rules.diversity cannot be 2"),
        ({"diversity": True}, "rules.diversity cannot be True"),
        ({"diversity": float("nan")}, "cannot be nan"),
        ({"cap_column": "password"}, "rules.cap_column cannot be"),
        ({"favour": "__import__('os')"}, "rules.favour cannot be"),
        ({"diversity": 0.9, "calibration": 0.2}, "sum to more than 1"),
    ],
)
def test_values_that_no_control_has_are_refused(explored, moved, told):
    with pytest.raises(DataError, match=told.replace("(", "\\(")):
        explored().lists(Asked("7", rules=moved))


def test_neighbours_are_given_by_each_kind_of_embedding(data, explored):
    explorer = explored(tables={"text": "text by hashing"})
    served = explorer.about()["models"][0]["embeddings"]
    kinds = {each["key"]: (each["kind"], each["name"], each["made"]) for each in served}
    assert kinds == {
        "whole": ("whole", "", ""),
        "part/ease": ("part", "ease", ""),
        "part/tower": ("part", "tower", ""),
        "tower/ids": ("ids", "", ""),
        "tower/column/genres": ("column", "genres", ""),
        "tower/column/year": ("column", "year", ""),
        "tower/table/text": ("table", "text", "text by hashing"),
    }
    assert explorer.about()["models"][1]["embeddings"] == []

    def near(item, key):
        return explorer.similar(item, 4, [f"0:{key}"])["lists"][0]

    text = near("3", "tower/table/text")["items"][0]
    assert (text["id"], text["similarity"]) == ("7", pytest.approx(1))
    assert {card["columns"]["genres"] for card in near("2", "tower/column/genres")["items"]} == {"Drama, War"}
    assert near("19", "tower/table/text")["error"] == "This item has no such vector."
    expected = rs.similar_items(explorer.pair().served.model.bundle.engine.parts["ease"], data, 2, k=4)
    assert ids(near("2", "part/ease")["items"]) == expected["item_id"].tolist()


def test_items_say_what_their_score_would_lose_without_an_input(data, explored):
    explorer = explored()
    engine = explorer.pair().served.model.bundle.engine
    tower, factor = engine.parts["tower"], engine.weights_[1] / engine.score_stds[1]
    cards = listed(explorer, k=3)
    assert [[each["of"] for each in card["inputs"]] for card in cards] == [["tower"]] * 3
    for card in cards:
        values = {each["name"]: each["value"] for each in card["inputs"][0]["values"]}
        assert set(values) == {"ids", "genres", "year", "text"}
        row = int(card["id"])
        request = Request.from_dataset(data, np.array([7]))
        blank = masked(tower, {"genres"}).item_vectors(data.items).take(np.array([row]))
        users, whole = tower.tower_users(request), tower.item_vectors(data.items).take(np.array([row]))
        lost = float(users.scores(whole)[0, 0] - users.scores(blank)[0, 0])
        assert values["genres"] == pytest.approx(factor * lost, abs=1e-3)
    assert all(card["inputs"] == [] for card in listed(explorer, 1))


def test_every_tower_of_a_hybrid_says_what_its_inputs_add(data):
    parts = {f"of {dim}": rs.TwoTower(dim=dim, epochs=1, leave_out=[]).fit(data) for dim in (4, 8)}
    both = Hybrid(parts={"ease": rs.EASE().fit(data), **parts}, weights=(0.5, 0.2, 0.3)).fit(data)
    model, request = ServedModel(Bundle(both, data)), Request.from_dataset(data, np.array([7]))
    for card in listed(Explorer(lambda: model, LiveHistories()), k=3):
        assert [each["of"] for each in card["inputs"]] == list(parts)
        for place, each in enumerate(card["inputs"], 1):
            effects = input_effects(parts[each["of"]], request, np.array([int(card["id"])]))
            factor = both.weights_[place] / both.score_stds[place]
            assert {one["name"]: one["value"] for one in each["values"]} == pytest.approx(
                {name: float(factor * values[0, 0]) for name, values in effects.items()}, abs=1e-3
            )
