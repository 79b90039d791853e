"""What a request may not be: a clear 4xx in JSON each, with what was found and the remedy."""

import asyncio

import pytest

from recsys.errors import ConfigError
from recsys.service.http.guard import read_keys
from recsys.service.limits import Limits

KEY = "a-long-enough-key-1"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"user_id": 1, "kk": 3}, 422, "no field 'kk'"),
        ({"user": 1}, 422, "no field 'user'; did you mean 'user_id'?"),
        ({"user_id": 1, "k": 0}, 422, "k is 0"),
        ({"user_id": 1, "k": 1001}, 422, "at most 1,000"),
        ({"user_id": 1, "k": 2.5}, 422, "k is 2.5"),
        ({"user_id": True}, 422, "user_id is True"),
        ({"user_id": "1"}, 422, "ids of the model are integers"),
        ({"user_id": 2**64}, 422, "user_id is"),
        ({"history": [1] * 1001}, 422, "history has 1,001 entries"),
        ({"history": "abc"}, 422, "valid list"),
        ({"history": [1, "x"]}, 422, "ids of the model are integers"),
        ({"k": 3}, 422, "neither user_id nor history nor columns"),
        ({"columns": {"aeg": 3}}, 422, "did you mean"),
        ({"columns": {"age": "old"}}, 422, "age"),
        ({"user_id": 1, "at": "soon"}, 422, "no moment"),
        ({"user_id": 1, "at": 2**70}, 422, "after the year 5000"),
        ({"history": [1], "history_times": [-(2**70)]}, 422, "no moment"),
        ([1], 422, "body"),
        (None, 422, "body"),
    ],
)
def test_a_wrong_body_is_told(opened, body, status, says):
    found = opened().post("/recommend", body)
    assert (found.status_code, found.headers["content-type"]) == (status, "application/json")
    assert says in found.json()["error"]["message"]


def test_text_that_is_no_json_and_routes_that_are_not_there(opened):
    client = opened().client
    broken = client.post("/recommend", content=b'{"user_id": ', headers={"content-type": "application/json"})
    assert broken.json()["error"]["code"] == "invalid_json"
    assert "/recommend" in client.get("/nowhere").json()["error"]["message"]
    assert client.get("/recommend").json()["error"]["code"] == "wrong_method"
    deep = client.post("/recommend", content=b"[" * 200_000, headers={"content-type": "application/json"})
    assert deep.status_code in (400, 422)


def test_a_body_above_the_limit_is_refused_before_it_is_read(opened):
    service = opened(limits=Limits(body=100))

    def parts():
        for _ in range(50):
            yield b" " * 10

    for content in (b" " * 101, parts()):
        found = service.client.post("/recommend", content=content)
        assert (found.status_code, found.json()["error"]["code"]) == (413, "too_large")


def test_an_answer_that_takes_too_long_is_given_up(opened, monkeypatch):
    service = opened(limits=Limits(seconds=0.05))

    async def slow(questions):
        await asyncio.sleep(2)

    monkeypatch.setattr(service.state, "recommend", slow)
    found = service.post("/recommend", {"user_id": 1})
    assert (found.status_code, found.json()["error"]["code"]) == (503, "timeout")


def test_too_many_waiting_users_are_sent_away(opened):
    found = opened(waiting=0).post("/recommend", {"user_id": 1})
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")


def test_an_error_of_the_service_is_a_500_without_its_text(opened, monkeypatch):
    service = opened()

    async def fails(questions):
        raise ValueError("private words")

    monkeypatch.setattr(service.state, "recommend", fails)
    found = service.post("/recommend", {"user_id": 1})
    assert (found.status_code, found.json()["error"]["code"]) == (500, "internal")
    assert "private words" not in found.text + service.log.getvalue()
    assert any(line["event"] == "unexpected" and line["type"] == "ValueError" for line in service.messages())


def test_a_key_is_asked_for_where_one_is_set(opened, tmp_path):
    (tmp_path / "keys").write_text(f"# of the shop\n{KEY}\nanother-key-of-16-signs\n")
    client = opened(keys=read_keys(tmp_path / "keys")).client
    body = {"user_id": 1}
    assert client.post("/recommend", json=body).status_code == 401
    assert client.post("/recommend", json=body, headers={"x-api-key": KEY + "x"}).status_code == 401
    assert client.post("/recommend", json=body, headers={"x-api-key": KEY}).status_code == 200
    assert client.post("/recommend", json=body, headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    assert client.get("/metrics").status_code == client.get("/openapi.json").status_code == 401
    assert client.get("/health").status_code == client.get("/ready").status_code == 200


@pytest.mark.parametrize("text", ["", "# nothing\n", "short\n"])
def test_a_file_without_a_good_key_is_refused(tmp_path, text):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigError, match="at least 16"):
        read_keys(tmp_path / "keys")


def test_a_model_that_ranks_unseen_items_alone_does_not_recommend_seen_ones(opened, monkeypatch):
    service = opened()
    monkeypatch.setattr(type(service.state.models.champion.bundle.engine), "ranks_seen_items", lambda self: False)
    found = service.post("/recommend", {"user_id": 1, "filter_seen": False})
    assert found.status_code == 422
    assert "unseen items" in found.json()["error"]["message"]
