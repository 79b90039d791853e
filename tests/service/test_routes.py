"""Every route, with integer and with text ids."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.histories import ending_at
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import Vectors
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.predictor import Predictor
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.recommend import recommend
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question
from tests.service.conftest import shop


def test_lists_are_those_of_recommend_and_of_the_batch(served, tmp_path):
    ids = served.bundle.data.users.vocabulary.ids.tolist()
    frame = rs.recommend(served.bundle, None, ids, 4)
    recommend(served.bundle.engine, served.bundle.data, tmp_path / "out", RecommendOptions(k=4))
    batch = pd.read_parquet(tmp_path / "out")
    for user in ids:
        found = served.post("/recommend", {"user_id": user, "k": 4}).json()
        expected = frame[frame["user_id"] == user]
        listed = [item["item_id"] for item in found["items"]]
        assert listed == expected["item_id"].tolist() == batch[batch["user_id"] == user]["item_id"].tolist()
        assert [item["score"] for item in found["items"]] == pytest.approx(expected["score"].tolist(), rel=1e-4)


def test_a_history_is_answered_as_by_recommend(served):
    history = [served.id(3), served.id(7)]
    expected = rs.recommend(served.bundle, histories=[history], k=5)["item_id"].tolist()
    assert served.items(history=history, k=5) == expected
    assert not set(history) & set(expected)


def test_candidates_and_excluded_items_and_the_seen_filter(served):
    user, candidates = served.id(4), [served.id(n) for n in range(8)]
    everything = served.items(user_id=user, k=12, filter_seen=False)
    assert len(everything) == 12
    found = served.items(user_id=user, k=12, filter_seen=False, candidates=candidates, exclude=candidates[:1])
    assert set(found) == set(candidates[1:])
    assert len(served.items(user_id=user, k=12)) == 7


def test_a_user_whom_nobody_knows_gets_the_fallback_and_is_marked(served):
    found = served.post("/recommend", {"user_id": served.id(999), "k": 3}).json()
    assert found["unknown_user"]
    assert [item["fallback"] for item in found["items"]] == [True] * 3
    assert not any(
        item["fallback"] for item in served.post("/recommend", {"user_id": served.id(1)}).json()["items"][:3]
    )


def test_ids_that_the_model_does_not_have_are_passed_over_and_told(served):
    found = served.post("/recommend", {"history": [served.id(1), served.id(999)], "k": 2}).json()
    assert found["unknown_items"] == [served.id(999)]
    assert len(found["items"]) == 2


def test_a_history_with_the_times_of_a_user_is_the_history_of_the_user():
    data = shop()
    x = data.interactions
    data = replace(data, interactions=replace(x, time=x.time + 86_400 * (x.user.astype(np.int64) + 1) * (x.time % 10)))
    bundle = Bundle(rs.HSTU(dim=8, epochs=1).fit(data), data)
    model, predictor = ServedModel(bundle), Predictor(bundle)
    mine = np.flatnonzero(data.interactions.user == 5)[::-1]
    history, times = (
        data.items.vocabulary.ids[data.interactions.item[mine]].tolist(),
        data.interactions.time[mine].tolist(),
    )
    for at in (None, times[2]):
        by_id = Question(5, k=4, at=at)
        by_times = Question(history=history, history_times=times, k=4, at=at)
        known, given, bare = model.recommend(
            [by_id, by_times, Question(history=history[::-1], k=4, at=at)], LiveHistories()
        )
        assert given.item_ids == known.item_ids
        assert given.scores == pytest.approx(known.scores, rel=1e-5)
        assert given.scores != pytest.approx(bare.scores, rel=1e-5)
        row = {"history": history, "history_times": times, "k": 4, "at": at}
        assert predictor.predict(pd.DataFrame([row]))["scores"][0] == pytest.approx(known.scores, rel=1e-5)


def test_errors_of_a_question_name_its_field(served):
    other = "x" if served.kind == "integers" else 7
    one = served.id(1)
    for route, body, where in (
        ("/recommend", {"user_id": other}, "user_id"),
        ("/recommend", {"history": [one, other]}, "history.1"),
        ("/recommend", {"user_id": one, "candidates": [other]}, "candidates.0"),
        ("/recommend", {"user_id": one, "exclude": [other]}, "exclude.0"),
        ("/recommend", {"columns": {"age": 3, "agee": 31}}, "columns.agee"),
        ("/recommend", {"columns": {"age": "old"}}, "columns.age"),
        ("/recommend", {"user_id": one, "history_events": ["click"]}, "history_events"),
        ("/recommend", {"history": [one], "history_times": [1, 2]}, "history_times"),
        ("/recommend", {"history": [one], "history_times": ["soon"]}, "history_times.0"),
        ("/vectors/items", {"item_ids": [one, served.id(999)]}, "item_ids.1"),
        ("/vectors/users", {"users": [{"user_id": one}, {"history": [other]}]}, "users.1.history.0"),
    ):
        answer = served.post(route, body)
        assert answer.status_code == 422, body
        assert answer.json()["error"]["where"] == where


def test_a_list_is_no_value_of_a_column_with_one_value(served):
    data = shop(served.kind)
    users = pd.DataFrame({"user_id": data.users.vocabulary.ids, "city": ["Rome", "Bern"] * 15, "tags": ["a|b"] * 30})
    frame = pd.DataFrame({"user_id": data.users.vocabulary.ids, "item_id": data.items.vocabulary.ids[0]})
    data = rs.read_dataset(frame, users=users, schema={"tags": "tags"})
    bundle = Bundle(rs.Popularity().fit(data), data)
    wrong = ServedModel(bundle).recommend([Question(columns={"tags": ["a"], "city": ["Rome"]})], LiveHistories())[0]
    assert wrong.where == "columns.city"
    assert "['Rome'] is no single value" in str(wrong)
    with pytest.raises(DataError, match=r"'city', row 1.*\['Rome'\] is no single value; give one value a cell"):
        Predictor(bundle).predict(pd.DataFrame({"city": [["Rome"]]}))


def test_columns_describe_a_user(served):
    assert len(served.items(columns={"age": 25}, k=3)) == 3


def test_a_time_leaves_out_what_came_later(served):
    user, first = served.id(2), 1_600_000_000
    seen = served.bundle.data.interactions
    row = served.bundle.data.users.vocabulary.row(user)
    later = {served.bundle.data.items.vocabulary.ids[i] for i in seen.item[(seen.user == row) & (seen.time > first)]}
    assert later <= set(served.items(user_id=user, k=12, at=first + 1))
    assert not later & set(served.items(user_id=user, k=12))


def test_a_batch_has_a_list_or_an_error_for_each(served):
    other = "x" if served.kind == "integers" else 7
    requests = [{"user_id": served.id(1), "k": 2}, {"user_id": other}, {"user_id": served.id(1), "k": 3}]
    results = served.post("/recommend/batch", {"requests": requests}).json()["results"]
    assert len(results[0]["items"]) == 2
    assert results[1]["error"]["code"] == "invalid_request"
    assert [item["item_id"] for item in results[2]["items"]] == served.items(user_id=served.id(1), k=3)


def test_similar_items_are_those_of_the_library(served):
    expected = rs.similar_items(served.bundle, None, served.id(3), 4)
    found = served.post("/similar", {"item_id": served.id(3), "k": 4}).json()["items"]
    assert [item["item_id"] for item in found] == expected["item_id"].tolist()
    assert [item["similarity"] for item in found] == expected["similarity"].tolist()


def test_similar_items_are_limited_by_the_request_and_by_the_rules(served):
    def similar(**limits):
        answer = served.post("/similar", {"item_id": served.id(3), "k": 2, **limits})
        return [item["item_id"] for item in answer.json()["items"]]

    first, second, *others = similar(k=11)
    assert similar(exclude=[first, served.id(999)]) == [second, others[0]]
    assert similar(candidates=[others[0], second, served.id(999)]) == [second, others[0]]
    assert similar(candidates=[]) == []
    other = "x" if served.kind == "integers" else 7
    assert served.post("/similar", {"item_id": served.id(3), "exclude": [other]}).status_code == 422
    model = ServedModel(served.bundle, options=RecommendOptions(deny=(first,)))
    assert model.similar(served.id(3), 2)[0] == [second, others[0]]
    assert model.similar(first, 1)[0], "of an item that is not listed itself"
    too_many = served.post("/similar", {"item_id": served.id(3), "candidates": [first] * 10**5})
    assert too_many.json()["error"]["code"] == "too_many"


class NearlyParallel(rs.ALS):
    """Items whose cosines with each other differ by less than single precision tells apart; some are equal."""

    def similarity_vectors(self, items):
        rng = np.random.default_rng(0)
        dense = 1 + rng.standard_normal((len(items), 37)).astype(np.float32) * np.float32(3e-4)
        dense[7::5] = dense[2]
        return Vectors(dense)


def test_near_ties_of_similar_items_have_the_order_of_the_library():
    frame = pd.DataFrame({"user_id": np.arange(203) % 7, "item_id": range(203)})
    data = rs.read_dataset(frame)
    bundle = Bundle(NearlyParallel(factors=4).fit(data), data)
    model = ServedModel(bundle)
    for item in (0, 2, 112, 202):
        expected = rs.similar_items(bundle, None, item, 202)
        found, similarity = model.similar(item, 202)
        assert found == expected["item_id"].tolist()
        assert similarity == expected["similarity"].tolist()
        equal = [key for key in found if key % 5 == 2 and key > 2]
        assert equal == sorted(equal)


def test_vectors_are_those_of_the_library(served):
    for of, route, body in (
        ("items", "/vectors/items", {"item_ids": [served.id(2), served.id(0)]}),
        ("users", "/vectors/users", {"users": [{"user_id": served.id(2)}, {"user_id": served.id(0)}]}),
    ):
        expected = rs.embeddings(served.bundle, None, of).set_index(f"{of[:-1]}_id")["vector"]
        found = served.post(route, body).json()["vectors"]
        for number, vector in zip((2, 0), found, strict=True):
            assert vector == pytest.approx(expected[served.id(number)].tolist(), rel=1e-4)


def test_a_text_query_says_why_there_is_none(served):
    found = served.post("/search", {"text": "robots"})
    assert found.status_code == 409
    assert "[pretrain.NAME]" in found.json()["error"]["message"]


def test_health_readiness_version_and_metrics(served):
    assert served.client.get("/health").json() == {"status": "ok"}
    assert served.client.get("/ready").status_code == 200
    version = served.client.get("/version").json()
    assert version["models"] == {"champion": f"bundle@{served.bundle.version}"}
    assert version["engine"] == "als"
    served.items(user_id=served.id(1))
    page = served.client.get("/metrics").text
    assert 'recsys_requests_total{route="/recommend",status="200"}' in page
    assert f'version="bundle@{served.bundle.version}"' in page


def test_every_route_has_an_example_and_its_errors_in_openapi(served):
    schema = served.client.get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            assert route["description"], path
            content = next(iter(route["responses"]["200"]["content"].values()))
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            made_of_lists = name == "BatchAnswer"
            assert "example" in content or made_of_lists or schema["components"]["schemas"][name]["examples"], path
            if method == "post":
                body = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert schema["components"]["schemas"][body]["examples"], path
                assert "422" in route["responses"]


def test_logs_hold_neither_ids_nor_histories(served):
    served.post("/recommend", {"user_id": "secret-person", "history": [served.id(1)]})
    served.client.get("/users/secret-person")
    lines = [line for line in served.messages() if line["event"] == "request"]
    assert "secret-person" not in served.log.getvalue()
    assert lines[-1]["route"] == "other"
    assert {"request_id", "status", "milliseconds", "method", "route"} <= lines[-1].keys()


def test_a_history_is_answered_alike_by_every_door_to_a_model_that_reads_the_clock():
    data = BlockTaste(users=60).dataset()
    engine = rs.TwoTower(dim=8, layers=1, epochs=3, pooling="transformer").fit(data)
    bundle = rs.Bundle(engine, data)
    histories = [data.items.vocabulary.ids[rows].tolist() for rows in ([3, 5, 7], [2], [8, 1, 20, 4, 11])]
    found = rs.recommend(bundle, histories=[[*history, 99_999] for history in histories], k=8)
    expected = [group["score"].tolist() for _, group in found.groupby("user_id")]
    questions = [Question(history=[*history, 99_999], k=8) for history in histories]
    served = ServedModel(bundle).recommend(questions, LiveHistories())
    registered = Predictor(bundle).predict(pd.DataFrame({"history": histories, "k": 8}))
    np.testing.assert_allclose([listed.scores for listed in served], expected, rtol=1e-5)
    np.testing.assert_allclose(registered["scores"].tolist(), expected, rtol=1e-5)
    now = rs.recommend(engine, replace(data, interactions=ending_at(data.interactions, 0)), histories=histories, k=8)
    assert now["score"].tolist() != pytest.approx(found["score"].tolist()), "the clock says nothing in this test"
