"""`serve` and `explore` of a config: what it says of seen items and of types of events holds for requests too."""

import json
import re
import threading
import time

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from pipelines.commands.explore import ExploreOptions, around_of, export_page
from pipelines.commands.serve import Listen, ServeOptions, open_source, state_of
from pipelines.commands.similar import similar_to_text
from pipelines.config import read_run_config
from pipelines.made_bundle import check_output
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.errors import ConfigError, DataError
from recsys.registry.mlflow_client import imported, local_uri, mlflow_at
from recsys.retrieval.manifest import Manifest
from recsys.service.explorer.explorer import Explorer
from recsys.service.http.app import create_app
from recsys.service.limits import Limits
from recsys.service.questions import Question
from recsys.service.state import Experiment
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

pytestmark = [  # of MLflow
    pytest.mark.filterwarnings("ignore::" + kind)
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning", "ResourceWarning")
]


def _options(**given):
    return ServeOptions(Experiment(poll=0.05), Limits(), Listen(), **given)


def _run(tmp_path, changes=()):
    """The config of a run that has promoted and recommended."""
    config = write_world(tmp_path)
    run_stages(read_run_config(config, changes), Workspace(tmp_path / "out"), SilentTracker(), "recommend")
    return config


def _batch(tmp_path, column="item_id"):
    folder = tmp_path / "out" / "recommendations"
    parts = [pd.read_parquet(folder / part.name) for part in Manifest.load(folder).parts]
    return pd.concat(parts).groupby("user_id")[column].agg(list).to_dict()


@pytest.fixture
def served(tmp_path):
    """Opens the service of a config, or of a bundle, in process."""
    states = []

    def open_(config=None, changes=(), **given):
        options = _options(**{"state": tmp_path / "state"} | given)
        found = open_source(config, tmp_path / "out" if config else None, list(changes), options)
        states.append(state_of(found, options))
        state = states[-1]
        around = None if config is None else around_of(config, tmp_path / "out", list(changes), ExploreOptions(options))
        explorer = Explorer(lambda: state.models.champion, state.feedback.live, None, around)
        client = TestClient(create_app(state, explorer=explorer))
        client.service = state
        return client

    yield open_
    for state in states:
        state.close()


def _items(client, user="u0000", **body):
    answer = client.post("/recommend", json={"user_id": user, "k": 12} | body)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def _sample(page):
    """What an exported page of the explorer holds."""
    script = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page.read_text(), re.S)
    return json.loads(script[1])


@pytest.mark.parametrize("section", ["evaluate", "recommend"])
@pytest.mark.parametrize("filtered", [True, False])
def test_a_request_leaves_out_seen_items_as_the_batch_does(tmp_path, served, section, filtered):
    changes = [f"{section}.filter_seen={str(filtered).lower()}", "recommend.k=12"]
    client = served(_run(tmp_path, changes), changes)
    batch = _batch(tmp_path)["u0000"]
    assert (len(batch) == 12) is not filtered
    assert _items(client) == batch
    assert len(_items(client, filter_seen=True)) == 6
    shown = client.post("/explore/lists", json={"user": "u0000", "k": 12}).json()["lists"]
    assert [int(item["id"]) for item in shown[0]["items"]] == batch
    assert [len(each["items"]) for each in shown] == [len(batch)] * 2
    page = tmp_path / "page.html"
    export_page(tmp_path / "run.toml", tmp_path / "out", changes, ExploreOptions(_options()), page)
    assert [int(item["id"]) for item in _sample(page)["lists"]["u0000"]["lists"][0]["items"]] == batch


def test_a_request_gets_the_lists_of_the_batch_under_all_of_its_rules(tmp_path, served):
    changes = ["recommend.k=4", "recommend.rules.boosts=[{where=\"title == 'Film 11'\", addend=100}]"]
    changes += ['recommend.rules.caps=[{column="title", most=1}]', "recommend.rules.exploration={share=0.25}"]
    changes += ["recommend.rules.diversity={weight=0.3}", "recommend.rules.reasons=true"]
    config = _run(tmp_path, changes)
    client, batch = served(config, changes), _batch(tmp_path)
    assert {user: _items(client, user, k=4) for user in batch} == batch
    several = client.post("/recommend/batch", json={"requests": [{"user_id": user, "k": 4} for user in batch]}).json()
    answers = [answer["items"] for answer in several["results"]]
    assert [[item["item_id"] for item in items] for items in answers] == list(batch.values())
    reasons = [[item["reason"] for item in items] for items in answers]
    assert reasons == list(_batch(tmp_path, "reason").values())
    assert "boosts" in str(reasons)
    first = next(iter(batch))
    left = _items(client, first, k=4, exclude=[batch[first][0]])
    assert len(left) == 4
    assert batch[first][0] not in left
    assert set(_items(client, first, k=2, candidates=batch[first][:2])) == set(batch[first][:2])


WORDS = 'pretrain.words={embedder="hashing", columns=["title"]}'


def _soon(holds):
    """Waits until ``holds`` is true, for 20 s at the most."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_edited_files_of_rules_and_data_prepared_anew_are_served_without_dropping_a_request(tmp_path, served):
    deny, pairs, stop, wrong = tmp_path / "deny.csv", tmp_path / "pairs.csv", threading.Event(), []
    deny.write_text("item_id\n")
    pairs.write_text("user_id,item_id\n")
    changes = [f'recommend.deny="{deny}"', f'recommend.rules.exclusions="{pairs}"', "recommend.k=12", WORDS]
    config = _run(tmp_path, changes)
    client = served(config, changes)

    def ask():
        while not stop.is_set():
            answer = client.post("/recommend", json={"user_id": "u0001", "k": 3})
            if answer.status_code != 200 or answer.json()["version"] != "tiny/1":
                wrong.append(answer.text)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        first, second, *_ = _items(client)
        deny.write_text(f"item_id\n{first}\n")
        _soon(lambda: first not in _items(client))
        pairs.write_text(f"user_id,item_id\nu0000,{second}\n")
        _soon(lambda: second not in _items(client))
        assert second in _items(client, "u0002", filter_seen=False)
        with (tmp_path / "interactions.csv").open("a") as table:
            table.write("".join(f"new,{item},{2_000_000 + item}\n" for item in (0, 2, 4, 12)))
        with (tmp_path / "items.csv").open("a") as table:
            table.write("12,Film 12\n")
        run_stages(read_run_config(config, changes), Workspace(tmp_path / "out"), SilentTracker(), "prepare")
        new = {"user_id": "new", "k": 12, "exclude": [12]}
        _soon(lambda: not client.post("/recommend", json=new).json()["unknown_user"])
        answer = client.post("/recommend", json=new).json()
        assert answer["unknown_items"] == []
        assert {0, 2, 4}.isdisjoint(each["item_id"] for each in answer["items"])
        deny.unlink()
        _soon(lambda: "champion" in client.get("/version").json()["refused"])
        assert "deny.csv" in client.get("/version").json()["refused"]["champion"]
        assert first not in _items(client), "the old one serves on"
    finally:
        stop.set()
        asking.join()
    assert wrong == []


def test_a_search_by_text_lists_what_similar_lists_of_what_may_be_listed(tmp_path, served):
    config, deny = write_world(tmp_path), tmp_path / "deny.csv"
    deny.write_text("item_id\n5\n")
    items = pd.read_csv(tmp_path / "items.csv").assign(until=["2020-01-01" if n == 7 else None for n in range(12)])
    items.to_csv(tmp_path / "items.csv", index=False)
    changes = [WORDS, f'recommend.deny="{deny}"', 'recommend.rules.available_until="until"']
    changes += ['data.item_schema={until="time"}']
    settings, workspace = read_run_config(config, changes), Workspace(tmp_path / "out")
    run_stages(settings, workspace, SilentTracker(), "promote")
    client, text = served(config, changes), {"text": "a film 7", "k": 12}
    found = client.post("/search", json=text).json()["items"]
    lines = [line.split() for line in similar_to_text(settings, workspace, "a film 7", 12, None).splitlines()[1:]]
    expected = [(int(key), float(value)) for value, key, *_ in lines]
    assert {key for key, _ in expected} == {*range(12)} - {5, 7}
    assert [(each["item_id"], round(each["similarity"], 3)) for each in found] == expected
    assert len(found) == 10
    assert len(client.post("/search", json=text | {"k": 4}).json()["items"]) == 4
    error = client.post("/search", json={"text": "\u4e2d", "k": 4})
    assert error.status_code in (200, 422)
    bundle = served(bundle=tmp_path / "out" / "final" / "bundles" / "ease", state=tmp_path / "other")
    refused = bundle.post("/search", json=text)
    assert refused.status_code == 409
    assert "serve the CONFIG of a run" in refused.json()["error"]["message"]


def test_a_rule_on_a_column_that_there_is_not_is_told_before_the_first_request(tmp_path, served):
    config = _run(tmp_path)
    with pytest.raises((ConfigError, DataError), match="no column 'genres'"):
        served(config, ['recommend.rules.caps=[{column="genres", most=2}]'])


def test_the_explorer_keeps_the_rules_of_the_config_and_has_the_documents_of_the_run(tmp_path):
    changes = ["recommend.k=4", "recommend.rules.boosts=[{where=\"title == 'Film 11'\", addend=100}]"]
    changes += ['pretrain.walks={engine="node2vec"}', 'pretrain.words={embedder="hashing", columns=["title"]}']
    config, page = _run(tmp_path, changes), tmp_path / "page.html"
    export_page(config, tmp_path / "out", changes, ExploreOptions(_options()), page)
    batch, sample = _batch(tmp_path), _sample(page)
    shown = {user: [int(card["id"]) for card in found["lists"][0]["items"]] for user, found in sample["lists"].items()}
    assert len(shown) == 24
    assert {user: found[:4] for user, found in shown.items()} == batch
    assert sum(found[0] == 11 for found in batch.values()) == 12
    assert sample["about"]["documents"] == sample["about"]["controls"] == []
    around = around_of(config, tmp_path / "out", changes, ExploreOptions(_options()))
    assert list(around.documents.found()) == ["report", "data", "decision-0001"]
    assert "Data of tiny" in around.documents.found()["data"].read_text()
    assert around.tables == {"walks": "graph by node2vec", "words": "text by hashing"}


def test_a_bundle_of_which_nothing_is_known_leaves_out_seen_items(tmp_path, served):
    _run(tmp_path, ["evaluate.filter_seen=false"])
    client = served(bundle=tmp_path / "out" / "final" / "bundles" / "ease")
    assert len(_items(client)) == 6
    assert len(_items(client, filter_seen=False)) == 12


def test_a_bundle_is_served_by_the_rules_and_types_of_events_of_a_file(tmp_path, served):
    _run(tmp_path)
    (tmp_path / "deny.csv").write_text("item_id\n7\n")
    rules = tmp_path / "lists.toml"
    rules.write_text(
        '[recommend]\ndeny = "deny.csv"\n[recommend.rules]\nreasons = true\n'
        "boosts = [{where = \"title == 'Film 9'\", addend = 100}]\n"
        '[data.columns]\nevent = "what"\nevent_meaning = {refund = "removal"}\n'
    )
    bundle = tmp_path / "out" / "final" / "bundles" / "ease"
    client = served(bundle=bundle, rules=rules)
    found = client.post("/recommend", json={"user_id": "u0000", "k": 12}).json()["items"]
    assert (found[0]["item_id"], found[0]["reason"]) == (9, "boosts")
    assert 7 not in [each["item_id"] for each in found]
    _send(client, 9, "refund")
    assert 9 not in _items(client)
    (tmp_path / "deny.csv").write_text("item_id\n11\n")
    _soon(lambda: 7 in _items(client))
    around = around_of(None, None, None, ExploreOptions(_options(bundle=bundle, rules=rules)))
    assert around.rules.boosts[0].addend == 100
    with pytest.raises(ConfigError, match=r"--rules .*lists.toml is for --bundle; \[recommend\] of .*run.toml"):
        open_source(tmp_path / "run.toml", tmp_path / "out", None, _options(rules=rules))
    rules.write_text("[recommend]\ndenny = [7]\n")
    with pytest.raises(ConfigError, match=r"lists.toml \[recommend\].*deny"):
        open_source(None, None, None, _options(bundle=bundle, rules=rules))


def test_each_user_gets_items_of_the_own_city_from_the_batch_the_service_and_the_explorer(tmp_path, served):
    config, cities = write_world(tmp_path), ["Bern", "Rome", None]
    people = pd.DataFrame({"user_id": [f"u{n:04d}" for n in range(24)], "city": [cities[n % 3] for n in range(24)]})
    people.to_csv(tmp_path / "users.csv", index=False)
    items = pd.read_csv(tmp_path / "items.csv").assign(city=["Bern", "Bern", "Rome"] * 4)
    items.to_csv(tmp_path / "items.csv", index=False)
    where = ['recommend.where="city == user.city"', f'data.users="{tmp_path / "users.csv"}"']
    changes = [*where, "recommend.k=12", "recommend.filter_seen=false", "evaluate.filter_seen=false"]
    wrong = read_run_config(config, [*changes, 'recommend.where="city == user.citty"'])
    with pytest.raises(DataError, match=r"where = 'city == user.citty': users have no column 'citty'.*mean 'city'"):
        run_stages(wrong, Workspace(tmp_path / "wrong"), SilentTracker(), "recommend")
    assert not (tmp_path / "wrong" / "bundles").exists(), "it is told before anything is learnt"
    run_stages(read_run_config(config, changes), Workspace(tmp_path / "out"), SilentTracker(), "recommend")
    batch, client = _batch(tmp_path), served(config, changes)
    city = items.set_index("item_id")["city"]
    assert {user: {*city[batch[user]]} for user in ("u0000", "u0001", "u0002")} == {
        "u0000": {"Bern"},
        "u0001": {"Rome"},
        "u0002": {"Bern", "Rome"},
    }
    assert [len(batch[user]) for user in ("u0000", "u0001", "u0002")] == [8, 4, 12]
    for user in ("u0000", "u0001", "u0002"):
        assert _items(client, user) == batch[user]
        shown = client.post("/explore/lists", json={"user": user, "k": 12}).json()["lists"]
        assert [int(item["id"]) for item in shown[0]["items"]] == batch[user]
        assert {*city[[int(item["id"]) for item in shown[1]["items"]]]} == {*city[batch[user]]}
    page, other = tmp_path / "page.html", str(tmp_path / "out" / "bundles" / "popularity")
    export_page(config, tmp_path / "out", changes, ExploreOptions(_options(), compare=other), page)
    for user, lists in _sample(page)["lists"].items():
        assert [{*city[[int(item["id"]) for item in each["items"]]]} for each in lists["lists"]] == [
            {*city[batch[user]]}
        ] * 2
    assert {*city[_items(client, None, history=[0], columns={"city": "Rome"})]} == {"Rome"}
    assert len(_items(client, None, history=[0])) == 12


def _registered(tmp_path):
    """The champion as MLflow loads it."""
    mlflow_at(local_uri(tmp_path / "out"))
    return imported().pyfunc.load_model("models:/tiny@champion")


def _lists(model, *rows):
    return [list(items) for items in model.predict(pd.DataFrame(list(rows)))["item_ids"]]


@pytest.mark.parametrize("filtered", [True, False])
def test_the_registered_model_gives_the_lists_of_the_batch_and_the_service(tmp_path, served, filtered):
    changes = [f"recommend.filter_seen={str(filtered).lower()}", "evaluate.filter_seen=false", "recommend.k=12"]
    client, model = served(_run(tmp_path, changes), changes), _registered(tmp_path)
    users, batch = ["u0000", "u0007"], _batch(tmp_path)
    found = _lists(model, *({"user_id": user, "k": 12} for user in users))
    assert found == [batch[user] for user in users] == [_items(client, user) for user in users]
    history = {"history": [0, 4, 6], "k": 12}
    assert _lists(model, history) == [_items(client, None, history=[0, 4, 6])]
    assert len(_lists(model, history)[0]) == (9 if filtered else 12)


def test_what_a_config_says_of_lists_later_makes_a_new_version_of_the_model(tmp_path):
    shown = ["evaluate.filter_seen=false", "recommend.k=12"]
    config = _run(tmp_path, [*shown, "recommend.filter_seen=true"])
    assert len(_lists(_registered(tmp_path), {"user_id": "u0000", "k": 12})[0]) == 6
    workspace = Workspace(tmp_path / "out")
    for _ in range(2):
        run_stages(read_run_config(config, shown), workspace, SilentTracker(), "promote")
        decision = json.loads(workspace.decision.read_text())
        assert (decision["version"], decision["champion"]) == ("2", "1")
        assert "a new version has what the config says of lists now" in decision["rules"][0]["reason"]
        assert len(_lists(_registered(tmp_path), {"user_id": "u0000", "k": 12})[0]) == 12


def test_a_model_that_was_registered_without_what_the_config_says_leaves_out_seen_items(tmp_path):
    _run(tmp_path, ["evaluate.filter_seen=false"])
    for about in (tmp_path / "out").rglob("MLmodel"):
        text = about.read_text()
        assert "served_as" in text
        about.write_text(re.sub(r"( +)served_as:\n(\1 +.*\n)+", "", text))
        assert "served_as" not in about.read_text()
    assert len(_lists(_registered(tmp_path), {"user_id": "u0000", "k": 12})[0]) == 6


EVENTS = [
    'data.columns.event="what"',
    "data.columns.event_weights={view=1, order=3}",
    'data.columns.event_meaning={complaint="dislike", refund="removal"}',
]


@pytest.fixture
def shop(tmp_path, served):
    """The service of a run whose config names types of events, and keeps seen items."""
    changes = [*EVENTS, "evaluate.filter_seen=false", "data.positive_from=1"]
    config = write_world(tmp_path)
    table = pd.read_csv(tmp_path / "interactions.csv").assign(what="order")
    table.to_csv(tmp_path / "interactions.csv", index=False)
    run_stages(read_run_config(config, changes), Workspace(tmp_path / "out"), SilentTracker(), "promote")
    return served(config, changes)


def _send(client, item, event, time=3_000_000_000, status=200, **body):
    one = {"user_id": "u0000", "item_id": item, "event": event, "time": time} | body
    answer = client.post("/feedback", json={"events": [one]})
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("event", ["complaint", "refund"])
def test_events_that_the_config_calls_dislikes_and_removals_take_the_item_out(shop, event):
    item, *others = _items(shop)
    _send(shop, item, event)
    found = shop.post("/recommend", json={"user_id": "u0000", "k": 12}).json()["items"]
    assert item not in [each["item_id"] for each in found]
    assert {each["item_id"] for each in found} == set(others)
    _send(shop, item, "order", 3_000_000_001)
    assert item in _items(shop)


def test_a_removal_takes_back_what_was_liked_before_it(shop):
    unknown = {"user_id": "new", "k": 12}
    _send(shop, 0, "order", 5, user_id="new")
    alone = shop.post("/recommend", json=unknown).json()["items"]
    _send(shop, 1, "order", 6, user_id="new")
    _send(shop, 1, "refund", 7, user_id="new")
    after = shop.post("/recommend", json=unknown).json()["items"]
    assert {each["item_id"]: each["score"] for each in after} == {
        each["item_id"]: each["score"] for each in alone if each["item_id"] != 1
    }


def test_an_event_weighs_what_its_type_weighs(shop):
    model, live = shop.service.models.champion, shop.service.feedback.live
    _send(shop, 0, "view", 3_000_000_000, weight=2)
    _send(shop, 2, "order", 3_000_000_001, weight=2)
    assert model.request(Question("u0000"), live).histories.weights[-2:].tolist() == [2.0, 6.0]
    _send(shop, 4, "view", 3_000_000_002, weight=0.5)
    assert model.request(Question("u0000"), live).histories.weights[-2:].tolist() == [2.0, 6.0]


def test_a_type_that_the_config_does_not_know_is_told_with_those_that_it_knows(shop):
    error = _send(shop, 0, "complain", status=422)["error"]
    assert error["where"] == "events.0.event"
    assert "'complain'; did you mean 'complaint'? the config knows view, order, complaint, refund" in error["message"]


@pytest.mark.parametrize("filtered", [True, False])
def test_events_of_a_history_mean_to_every_door_what_they_mean_to_the_batch(tmp_path, served, filtered):
    meanings = 'data.columns.event_meaning={complaint="dislike", refund="removal", ping="ignore"}'
    changes = [*EVENTS[:2], meanings, "evaluate.filter_seen=false", f"recommend.filter_seen={str(filtered).lower()}"]
    config = write_world(tmp_path)
    pd.read_csv(tmp_path / "interactions.csv").assign(what="order").to_csv(tmp_path / "interactions.csv", index=False)
    items, events = [0, 4, 6, 4, 8, 10, 2], ["order", "view", "order", "refund", "complaint", "ping", "view"]
    rows = pd.DataFrame({"user_id": "s", "item_id": items, "timestamp": range(1_000_000, 1_000_007), "what": events})
    rows.to_csv(tmp_path / "sessions.csv", index=False)
    changes += ["recommend.k=12", f'recommend.histories="{tmp_path / "sessions.csv"}"']
    run_stages(read_run_config(config, changes), Workspace(tmp_path / "out"), SilentTracker(), "recommend")
    model = _registered(tmp_path)
    history = {"history": items, "history_events": events, "k": 12}
    assert _lists(model, history) == [_batch(tmp_path)["s"]]
    assert len(_lists(model, history)[0]) == (7 if filtered else 12), "0, 6 and 2 are liked, 4 and 8 taken back"
    assert _lists(model, history | {"history": [0, 999, 6], "history_events": ["order", "refund", "order"]}) == _lists(
        model, {"history": [0, 6], "k": 12}
    )
    client = served(config, changes)
    assert _items(client, None, history=items, history_events=events) == _batch(tmp_path)["s"]
    shuffled, times = [6, 4, 0, 2, 8, 4, 10], [3, 4, 1, 7, 5, 2, 6]
    types = [events[time - 1] for time in times]
    by_time = {"history": shuffled, "history_events": types, "history_times": times}
    assert _items(client, None, **by_time) == _batch(tmp_path)["s"]
    assert _lists(model, by_time | {"k": 12}) == [_batch(tmp_path)["s"]]
    error = client.post("/recommend", json={"history": [0], "history_events": ["orders"]}).json()["error"]
    assert error["where"] == "history_events.0"
    assert "did you mean 'order'" in error["message"]
    for wrong, message in (
        ({"history": [0], "history_events": ["orders"]}, "did you mean 'order'.*the config knows order, view, "),
        ({"history": [0], "history_events": ["order", "view"]}, "give the type of each of the 1 events"),
        ({"user_id": "u0000", "history_events": ["order"]}, "row 0 has history_events and no history"),
        ({"history": [0], "history_events": [7]}, "row 0: history_events holds 7; give the type"),
        ({"history": [0], "history_times": [1, 2]}, "row 0: history_times is .*give the time of each of the 1 events"),
        ({"history": [0], "history_times": ["soon"]}, "row 0: history_times, event 0: 'soon' is no moment"),
    ):
        with pytest.raises(imported().MlflowException, match=message):
            _lists(model, wrong)


def test_a_config_without_a_promotion_names_the_bundle_that_can_be_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = write_world(tmp_path / "auto1")
    text = re.sub(r"\[promote\][^\[]*", "", config.read_text()).replace("[recommend]", '[recommend]\nengine = "ease"')
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"run.toml has no \[promote\] section.*run it, and give --bundle"):
        open_source(config, None, None, _options())
    run_stages(read_run_config(config), Workspace(tmp_path / "auto1"), SilentTracker(), "recommend")
    for output in (None, tmp_path / "auto1"):
        with pytest.raises(ConfigError, match=r"\[promote\].*give --bundle .*auto1/final/bundles/ease in its place"):
            open_source(config, output, None, _options())
        with pytest.raises(ConfigError, match="auto1/final/bundles/ease in its place"):
            export_page(config, output, None, ExploreOptions(_options()), tmp_path / "page.html")
    run, workspace = read_run_config(config), Workspace(tmp_path / "runs" / "tiny")
    with pytest.raises(ConfigError, match=r"has no bundle of 'ease', and .*auto1 has; give --output .*auto1"):
        check_output(config, run, workspace, None)
    check_output(config, run, Workspace(tmp_path / "auto1"), tmp_path / "auto1")
