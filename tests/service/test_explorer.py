"""The explorer: what its page asks for, its files, and the exported page."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import recsys as rs
from recsys.engine import Request
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.service.explorer.catalogue import Catalogue
from recsys.service.explorer.documents import Documents
from recsys.service.explorer.explorer import Around, Explorer
from recsys.service.explorer.export import Sample, sampled
from recsys.service.explorer.flat_map import groups
from recsys.service.explorer.page import single_page
from recsys.service.explorer.pair import Asked
from recsys.service.http.app import create_app
from recsys.service.http.guard import read_keys
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.state import ServiceState
from recsys.service.versions.source import FolderSource

ODD = '</script><img src=x onerror="alert(1)">'


def films(folder) -> rs.Dataset:
    """40 users of 6 of 20 films with titles, genres, years and one poster."""
    rng = np.random.default_rng(5)
    rows = [(user, item, 1_600_000_000 + n) for user in range(40) for n, item in enumerate(rng.permutation(20)[:6])]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": range(20), "title": [f"Film {n}" for n in range(20)]})
    items["genres"], items["year"] = [("Drama|War", "Comedy")[n % 2] for n in range(20)], range(1980, 2000)
    items["poster"] = "none.jpg"
    items.loc[3, ["title", "poster"]] = [f"Odd {ODD}", "3.png"]
    Image.new("RGB", (60, 90), "red").save(folder / "3.png")
    return rs.read_dataset(frame, items=items, name="films", schema={"genres": "tags", "poster": "image"})


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The application, its explorer and the data."""
    folder = tmp_path_factory.mktemp("explored")
    data = films(folder)
    parts = {"ease": rs.EASE().fit(data), "als": rs.ALS(factors=4).fit(data)}
    Bundle(Hybrid(parts=parts, weights=(0.7, 0.3)).fit(data), data).save(folder / "bundle")
    state = ServiceState(FolderSource(folder / "bundle"), folder / "state")
    (folder / "report.html").write_text("<p>the report</p>")
    around = Around(folder, Documents(folder, {"report": folder / "report.html"}, folder / "decisions"))
    explorer = Explorer(lambda: state.models.champion, state.feedback.live, None, around)
    with TestClient(create_app(state, explorer=explorer)) as client:
        yield client, explorer, data


@pytest.fixture
def ask(opened):
    def ask(name, status=200, **body):
        answer = opened[0].post(f"/explore/{name}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def test_the_page_and_its_files_come_with_a_strict_policy(opened):
    client = opened[0]
    page = client.get("/")
    files = re.findall(r'(?:src|href)="(explore/[^"]+)"', page.text)
    assert len(set(files)) == 7
    for address in ("explore", *files):
        found = client.get(f"/{address}")
        assert found.status_code == 200
        policy = found.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "innerHTML" not in found.text
        assert not re.search(r"https?://(?!www\.w3\.org)", found.text)


def test_the_page_is_told_models_columns_and_documents(ask):
    about = ask("about")
    assert [model["engine"] for model in about["models"]] == ["hybrid", "popularity"]
    assert about["columns"] == ["genres", "year"]
    assert about["colours"] == ["genres", "year"]
    assert about["documents"] == ["report"]
    assert about["images"]


def test_users_and_items_are_found_by_parts_of_ids_and_titles(ask):
    assert [user["id"] for user in ask("users", text="3")["users"]][:2] == ["3", "30"]
    assert len(ask("users")["users"]) == 12
    assert ask("items", text="film 12")["items"][0]["title"] == "Film 12"
    assert ask("items", text="5")["items"][0]["id"] == "5"
    assert ask("items", text="nothing like it")["items"] == []


def test_lists_have_the_history_reasons_and_parts_that_sum_to_the_score(opened, ask):
    found = ask("lists", user="7", k=5)
    expected = [item["item_id"] for item in opened[0].post("/recommend", json={"user_id": 7, "k": 5}).json()["items"]]
    served, popular = found["lists"]
    history = {card["id"] for card in found["history"]}
    assert [int(card["id"]) for card in served["items"]] == expected
    assert found["history_size"] == len(history) == 6
    assert found["history"][0]["when"] == "2020-09-13"
    for card in served["items"]:
        assert {near["id"] for near in card["because"]} <= history
        assert sum(part["value"] for part in card["parts"]) == pytest.approx(card["score"], abs=1e-3)
    assert all(card["because"] == [] for card in popular["items"])


def test_a_history_gets_lists_and_nobody_gets_the_fallback(ask):
    clicked = ask("lists", history=["3", "4"], k=4)
    assert not {"3", "4"} & {card["id"] for card in clicked["lists"][0]["items"]}
    assert [card["id"] for card in clicked["history"]] == ["4", "3"]
    assert all(card["fallback"] for card in ask("lists", history=[], k=3)["lists"][0]["items"])
    assert ask("lists", user="999", k=3)["user"] is None


def test_diversity_lowers_how_alike_the_items_of_a_list_are(opened):
    explorer = opened[1]
    served = explorer.pair().served

    def likeness(diversity):
        cards = explorer.lists(Asked("7", k=4, rules={"diversity": diversity}))["lists"][0]["items"]
        rows = np.array([served.catalogue.item_row(card["id"]) for card in cards])
        return served.vectors.cosines(rows, rows).sum() - len(rows)

    assert likeness(0.9) < likeness(0.0)


def test_neighbours_are_those_of_the_service(opened, ask):
    expected = opened[0].post("/similar", json={"item_id": 3, "k": 4}).json()["items"]
    found = ask("similar", item="3", k=4)
    assert found["item"]["title"].startswith("Odd")
    assert [int(card["id"]) for card in found["lists"][0]["items"]] == [item["item_id"] for item in expected]
    assert [each["by"] for each in found["lists"]] == ["0:whole", "0:part/ease"]  # popularity compares no items


def test_neighbours_are_of_the_items_that_may_be_listed(tmp_path):
    data = films(tmp_path)
    model = ServedModel(Bundle(rs.EASE().fit(data), data), options=RecommendOptions(deny=range(10, 20)))
    (found,) = Explorer(lambda: model, LiveHistories()).similar("15", 20)["lists"]
    assert {int(card["id"]) for card in found["items"]} == set(range(10))


def test_the_map_has_a_point_and_a_group_for_each_item(ask):
    for column, names in (("genres", {"Drama", "Comedy", "other or none"}), ("year", None)):
        found = ask("map", column=column)
        assert len(found["points"]) == len(found["ids"]) == len(found["groups"]) == 20
        assert np.all((np.array(found["points"]) >= 0) & (np.array(found["points"]) <= 1))
        assert max(found["groups"]) < len(found["names"])
        assert names is None or set(found["names"]) == names


def test_times_are_shown_as_dates_in_cards_and_on_the_map():
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [7, 8, 9], "timestamp": [1_600_000_000] * 3})
    users = pd.DataFrame({"user_id": [1, 2], "signup": ["2023-09-20", "1965-01-31"]})
    released = ["1969-12-31", "2023-09-20 12:30:00", None]
    items = pd.DataFrame({"item_id": [7, 8, 9], "title": ["Red", "Green", "Blue"], "released": released})
    schema = {"signup": "time", "released": "time"}
    catalogue = Catalogue(rs.read_dataset(frame, users=users, items=items, schema=schema))
    assert [catalogue.user_card(row)["columns"]["signup"] for row in range(2)] == ["2023-09-20", "1965-01-31"]
    assert [catalogue.card(row)["columns"].get("released") for row in range(3)] == ["1969-12-31", "2023-09-20", None]
    names, group = groups(catalogue, np.arange(3), "released")
    assert (names[0].split(" to ")[0], names[-2].split(" to ")[1], names[-1]) == ("1969-12-31", "2023-09-20", "none")
    assert group[2] == len(names) - 1


def test_posters_are_sent_as_small_jpegs_and_a_missing_one_is_no_error(opened):
    found = opened[0].post("/explore/poster", json={"item": "3"})
    assert found.headers["content-type"] == "image/jpeg"
    assert found.content[:2] == b"\xff\xd8"
    assert opened[0].post("/explore/poster", json={"item": "4"}).status_code == 204


def test_wrong_questions_are_told(ask):
    assert "integers" in ask("lists", 422, user="x")["error"]["message"]
    assert "no item" in ask("similar", 422, item="777")["error"]["message"]
    assert ask("lists", 422, user="1", k=51)["error"]["code"] == "too_many"
    assert ask("lists", 422, user="1", more=1)["error"]["code"] == "unknown_field"
    assert "embedding" in ask("similar", 422, item="1", by=["0:smell"])["error"]["message"]


def test_documents_of_the_run_are_given_and_no_other_file(opened):
    found = opened[0].get("/explore/documents/report")
    assert found.text == "<p>the report</p>"
    assert "sandbox" in found.headers["content-security-policy"]
    paths = ("..%2Freport.html", "%2e%2e%2fstate%2ffeedback.jsonl", "..%5Creport.html", "%2Fetc%2Fpasswd", "x%00")
    for name in (*paths, "report.html", "decision-1", "bundle", "state/feedback.jsonl"):
        assert opened[0].get(f"/explore/documents/{name}").status_code == 404, name
    assert opened[0].post("/explore/documents/report").status_code == 405


def test_behind_a_key_a_ticket_opens_a_document_once(opened, tmp_path):
    key = "a-long-enough-key-1"
    (tmp_path / "keys").write_text(key)
    _, explorer, data = opened
    Bundle(rs.Popularity().fit(data), data).save(tmp_path / "bundle")
    state = ServiceState(FolderSource(tmp_path / "bundle"), tmp_path / "state")
    with TestClient(create_app(state, keys=read_keys(tmp_path / "keys"), explorer=explorer)) as client:
        with_key = {"headers": {"x-api-key": key}}
        assert client.post("/explore/about", **with_key).json()["documents"] == ["report"]
        assert client.get("/explore/documents/report").status_code == 401
        assert client.post("/explore/ticket", json={"name": "report"}).status_code == 401
        assert client.get("/explore/document").status_code == 404
        for name, status in (("report", 200), ("secret", 404)):
            ticket = client.post("/explore/ticket", json={"name": name}, **with_key).json()["ticket"]
            found = client.get(f"/explore/document?ticket={ticket}")
            assert found.status_code == status
            assert client.get(f"/explore/document?ticket={ticket}").status_code == 404
        assert client.get("/explore/documents/report", **with_key).text == "<p>the report</p>"


def test_decisions_are_documents_as_they_come_and_links_out_of_the_run_are_none(tmp_path):
    root = tmp_path / "run"
    (root / "decisions").mkdir(parents=True)
    (tmp_path / "secret.json").write_text("{}")
    (root / "report.html").symlink_to(tmp_path / "secret.json")
    (root / "decisions" / "0009.json").symlink_to(tmp_path / "secret.json")
    (root / "decisions" / "0008.json").mkdir()
    (root / "decisions" / "notes.json").write_text("{}")
    documents = Documents(root, {"report": root / "report.html"}, root / "decisions")
    assert documents.found() == {}
    for number in (2, 10):
        (root / "decisions" / f"{number:04d}.json").write_text("{}")
    assert list(documents.found()) == ["decision-0010", "decision-0002"]


def test_the_exported_page_holds_the_sample_and_no_markup_of_the_data(opened):
    page = single_page(sampled(opened[1], Sample(users=4, items=10, k=5, near=3)))
    sample = json.loads(re.search(r'<script type="application/json" id="sample">(.*?)</script>', page)[1])
    assert len(sample["users"]) == len(sample["lists"]) == 4
    assert sample["about"]["controls"] == sample["about"]["documents"] == []
    assert list(sample["near"]) == ["0:whole", "0:part/ease", "0:part/als"]
    assert all(len(near) == 10 and len(near["3"][0]) == 3 for near in sample["near"].values() if "3" in near)
    shown = {card["id"] for answer in sample["lists"].values() for each in answer["lists"] for card in each["items"]}
    assert shown <= sample["items"].keys()
    assert ODD not in page
    assert "explore/" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert "script-src 'sha256-" in page


def test_the_contributions_of_the_parts_sum_to_the_scores_of_the_hybrid(opened):
    data = opened[2]
    engine = opened[1].pair().served.model.bundle.engine
    request, rows = Request.from_dataset(data, np.array([1, 4])), np.array([2, 9, 5])
    scores = engine.user_vectors(request).scores(engine.item_vectors(data.items.take(rows)))
    assert np.allclose(sum(engine.contributions(request, rows).values()), scores, atol=1e-4)


def test_the_items_are_encoded_once_for_the_contributions_of_many_lists(opened, monkeypatch):
    data, engine, encoded = opened[2], opened[1].pair().served.model.bundle.engine, []
    for name, part in engine.parts.items():
        items_of = part.item_vectors
        monkeypatch.setattr(
            part, "item_vectors", lambda i, at=None, n=name, of=items_of: encoded.append(n) or of(i, at)
        )
    fresh = data.items.take(np.arange(len(data.items)))
    for user, rows in ((1, [2, 9]), (4, [5, 0, 7])):
        request = Request.from_dataset(data, np.array([user]))
        found = engine.contributions(Request(request.users, fresh, request.histories), np.array(rows))
        assert all(values.shape == (1, len(rows)) for values in found.values())
    assert sorted(encoded) == sorted(found)


def test_a_compared_model_that_is_exchanged_is_shown_and_the_other_keeps_what_was_computed(opened):
    data, models = opened[2], {}
    for factors in (2, 3):
        models[factors] = ServedModel(Bundle(rs.ALS(factors=factors).fit(data), data), version=str(factors))
    compared, served = [models[2]], opened[1].pair().served.model
    explorer = Explorer(lambda: served, LiveHistories(), lambda: compared[0])
    before = explorer.pair()
    assert [each["version"] for each in explorer.lists(Asked("7", k=3))["lists"]][1] == "2"
    assert explorer.pair() is before
    compared[0] = models[3]
    assert [each["version"] for each in explorer.lists(Asked("7", k=3))["lists"]][1] == "3"
    assert explorer.pair().served is before.served


def test_two_models_of_other_ids_are_shown_with_the_error_of_one(opened, tmp_path):
    frame = pd.DataFrame({"user_id": list("aabb"), "item_id": ["x", "y", "y", "z"]})
    other = rs.read_dataset(frame, name="texts")
    served = opened[1].pair().served.model
    beside = ServedModel(Bundle(rs.EASE().fit(other), other), version="other")
    found = Explorer(lambda: served, LiveHistories(), lambda: beside).lists(Asked("7", k=3))
    assert found["lists"][0]["error"] is None
    assert len(found["lists"][0]["items"]) == 3
