"""The registered model under `[recommend]`: its lists are those that the batch writes for the same champion."""

import json
from itertools import cycle

import numpy as np
import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.errors import DataError
from recsys.registry.mlflow_client import imported, local_uri, mlflow_at
from recsys.retrieval.manifest import Manifest
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

pytestmark = [  # of MLflow
    pytest.mark.filterwarnings("ignore::" + kind)
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning", "ResourceWarning")
]


class _Told(SilentTracker):
    def __init__(self):
        self.lines = []

    def info(self, message):
        self.lines.append(message)


@pytest.fixture
def shop(tmp_path):
    """A run whose items have a city, a genre, a series and a last day, and whose users have a city."""
    config = write_world(tmp_path)
    items = pd.read_csv(tmp_path / "items.csv")
    cities, genres = cycle(["Bern", "Rome", "Rome"]), cycle(["drama", "comedy", "comedy", "comedy", "crime"])
    columns = {"city": [city for city, _ in zip(cities, items.item_id, strict=False)]}
    columns["genre"] = [genre for genre, _ in zip(genres, items.item_id, strict=False)]
    columns["until"] = ["2001-01-01"] * 3 + ["2090-01-01"] * (len(items) - 3)
    items.assign(series=items.item_id // 3, **columns).to_csv(tmp_path / "items.csv", index=False)
    users = pd.read_csv(tmp_path / "interactions.csv").user_id.unique()
    homes = ["Bern" if number % 3 == 0 else "Rome" if number % 3 == 1 else None for number in range(len(users))]
    pd.DataFrame({"user_id": users, "city": homes}).to_csv(tmp_path / "users.csv", index=False)
    (tmp_path / "deny.csv").write_text("item_id,why\n7,recalled\nnobody's,gone\n")
    return config


def _base(tmp_path, *changes):
    return [f'data.users="{tmp_path / "users.csv"}"', "recommend.k=4", "evaluate.filter_seen=false", *changes]


def _run(config, changes):
    told = _Told()
    run_stages(read_run_config(config, changes), Workspace(config.parent / "out"), told, "recommend")
    return told.lines


def _batch(tmp_path, column="item_id"):
    folder = tmp_path / "out" / "recommendations"
    parts = pd.concat([pd.read_parquet(folder / part.name) for part in Manifest.load(folder).parts])
    found = parts.sort_values(["user_id", "rank"]).groupby("user_id")[column].agg(list).to_dict()
    return {user: found.get(user, []) for user in pd.read_csv(tmp_path / "users.csv").user_id}


def _model(tmp_path):
    mlflow_at(local_uri(tmp_path / "out"))
    return imported().pyfunc.load_model("models:/tiny@champion")


def _lists(model, rows, column="item_ids"):
    return [list(cells) for cells in model.predict(pd.DataFrame(rows))[column]]


RULES = {
    "seen items left out": [
        "recommend.filter_seen=true",
        'recommend.rules.exclusions=[["u0000", 1], ["u0000", 3], ["u0001", 4]]',
    ],
    "negative feedback blocked": [
        "recommend.filter_seen=false",
        'data.columns.event="what"',
        'data.columns.event_meaning={complaint="dislike"}',
        "recommend.rules.blocked=true",
    ],
}


@pytest.mark.parametrize("which", RULES)
def test_known_users_get_the_lists_of_the_batch_under_every_kind_of_rule(shop, tmp_path, which):
    table = pd.read_csv(tmp_path / "interactions.csv")
    what = np.where(np.arange(len(table)) % 6 == 2, "complaint", "order")
    table.assign(what=what).to_csv(tmp_path / "interactions.csv", index=False)
    changes = _base(
        tmp_path,
        *RULES[which],
        'recommend.where="city == user.city"',
        f'recommend.deny="{tmp_path / "deny.csv"}"',
        "recommend.rules.at_least=[{where=\"genre == 'drama'\", least=2}]",
        'recommend.rules.group="series"',
        'recommend.rules.caps=[{column="genre", most=2}]',
        "recommend.rules.exploration={share=0.25, seed=3}",
        "recommend.rules.reasons=true",
    )
    lines = _run(shop, changes)
    assert not any("do not follow" in line for line in lines)
    batch, reasons, scores = (_batch(tmp_path, column) for column in ("item_id", "reason", "score"))
    (tmp_path / "deny.csv").unlink()  # the model keeps what it held
    model = _model(tmp_path)
    rows = [{"user_id": user, "k": 4} for user in batch]
    assert dict(zip(batch, _lists(model, rows), strict=True)) == batch
    told = [[cell.split(",") for cell in cells] for cells in _lists(model, rows, "reasons")]
    assert told == [[cell.split(",") for cell in reasons[user]] for user in batch]
    for found, expected in zip(_lists(model, rows, "scores"), scores.values(), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    assert _lists(model, rows[::-1]) == [batch[row["user_id"]] for row in rows[::-1]]
    assert [_lists(model, [row])[0] for row in rows] == list(batch.values())
    listed = {item for items in batch.values() for item in items}
    items = pd.read_csv(tmp_path / "items.csv").set_index("item_id")
    assert 7 not in listed
    assert all(items.series[found].is_unique for found in batch.values())
    assert {items.city[item] for item in batch["u0000"]} == {"Bern"}


def test_people_whom_the_model_does_not_know_get_lists_under_the_rules_too(shop, tmp_path):
    rules = ["recommend.rules.exploration={share=1}", 'recommend.where="city == user.city"']
    _run(shop, _base(tmp_path, *rules, 'recommend.rules.exclusions=[["stranger", 0]]'))
    model = _model(tmp_path)
    rows = [{"user_id": "stranger", "city": "Bern", "k": 4}, {"history": [5], "city": "Bern", "k": 4}]
    rows.append({"user_id": "another", "city": "Rome", "k": 4})
    found = _lists(model, rows)
    assert set(found[0]) == {3, 6, 9}
    assert set(found[1]) == {0, 3, 6, 9}
    assert not set(found[2]) & {0, 3, 6, 9}
    assert found == [_lists(model, [row])[0] for row in rows] == _lists(model, rows[::-1])[::-1]


def test_a_list_of_another_length_is_chosen_for_that_length(shop, tmp_path):
    _run(shop, _base(tmp_path, "recommend.rules.at_least=[{where=\"genre == 'crime'\", least=1}]"))
    model = _model(tmp_path)
    found = _lists(model, [{"user_id": "u0000", "k": k} for k in (1, 6, 1)])
    assert [len(items) for items in found] == [1, 6, 1]
    assert all(set(items) & {4, 9} for items in found)


def test_rules_by_time_hold_at_the_time_of_a_row(shop, tmp_path):
    until = 'recommend.rules.available_until="until"'
    _run(shop, _base(tmp_path, until, "recommend.filter_seen=false", 'recommend.at="2000-01-01"', "recommend.k=12"))
    model, then = _model(tmp_path), _batch(tmp_path)
    rows = [{"user_id": user, "k": 12} for user in then]
    assert _lists(model, [row | {"at": "2000-01-01"} for row in rows]) == list(then.values())
    assert _lists(model, [row | {"at": 946684800} for row in rows]) == list(then.values())
    now = _lists(model, [*rows, {"history": [0, 4], "k": 12}])
    assert all(set(items) == set(range(3, 12)) for items in now)
    assert all(set(items) == set(range(12)) for items in then.values())
    early = _lists(model, [{"user_id": "u0000", "at": 1_000_000}, {"history": [], "at": 1_000_000}])
    assert early[0] == early[1], "nothing was known of the user before the first interaction"
    with pytest.raises(imported().MlflowException, match="row 0: at: 'soon' is no moment"):
        _lists(model, [{"user_id": "u0000", "at": "soon"}])


def test_a_changed_file_of_ids_makes_a_new_version_and_pairs_in_a_file_are_told(shop, tmp_path):
    (tmp_path / "pairs.csv").write_text("user_id,item_id\nu0000,3\n")
    pairs = f'recommend.rules.exclusions="{tmp_path / "pairs.csv"}"'
    changes = _base(tmp_path, f'recommend.deny="{tmp_path / "deny.csv"}"', pairs, "recommend.k=12")
    told = "the registered model do not follow recommend.rules.exclusions, which those of recommend do"
    assert any(told in line for line in _run(shop, changes))
    assert 3 not in _batch(tmp_path)["u0000"]
    assert 3 in _lists(_model(tmp_path), [{"user_id": "u0000", "k": 12}])[0]
    (tmp_path / "pairs.csv").write_text("user_id,item_id\nu0000,4\n")
    _run(shop, changes)
    assert _decision(tmp_path)["version"] == "1"
    (tmp_path / "deny.csv").write_text("item_id\n8\n")
    _run(shop, changes)
    assert _decision(tmp_path)["version"] == "2"
    assert set(_lists(_model(tmp_path), [{"user_id": "u0000", "k": 12}])[0]) == {*range(12)} - {8}


def _decision(tmp_path):
    return json.loads((tmp_path / "out" / "decision.json").read_text())


def test_a_rule_that_the_model_cannot_follow_is_refused_before_it_is_registered(shop, tmp_path):
    config = read_run_config(shop, _base(tmp_path, 'recommend.where="colour == 1"'))
    with pytest.raises(DataError, match="no column 'colour'"):
        run_stages(config, Workspace(tmp_path / "out"), SilentTracker(), "promote")
    with pytest.raises(imported().MlflowException):
        _model(tmp_path)
