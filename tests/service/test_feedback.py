"""Feedback: in the next list at once, on the disk before it is acknowledged, there again after a crash."""

import json
import os

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.histories import Histories
from recsys.errors import ArtifactError
from recsys.service.live_histories import FeedbackEvent, extended
from recsys.service.logs.feedback_log import FeedbackLog
from recsys.service.logs.json_log import line, parsed


def event(number, user=1, item=0, **changes):
    return FeedbackEvent(
        **{"event_id": f"e{number}", "user_id": user, "item_id": item, "event": "click", "time": 5} | changes
    )


def events(*items, user=3, **fields):
    return {"events": [{"user_id": user, "item_id": item, **fields} for item in items]}


def test_an_event_counts_in_the_next_list(opened):
    service = opened()
    before = service.items(user_id=3, k=12)
    answer = service.post("/feedback", events(before[0])).json()
    assert answer == {"recorded": 1, "repeated": 0, "unknown_items": []}
    assert before[0] not in service.items(user_id=3, k=12)


def test_a_new_user_is_served_by_the_model_after_the_first_events(opened):
    service = opened()
    assert service.post("/recommend", {"user_id": 777}).json()["items"][0]["fallback"]
    service.post("/feedback", events(1, 2, user=777))
    found = service.post("/recommend", {"user_id": 777, "k": 3}).json()
    expected = service.items(history=[1, 2], k=3)
    assert [item["item_id"] for item in found["items"]] == expected
    assert not found["items"][0]["fallback"]


def test_a_dislike_takes_the_item_out_and_does_not_extend_the_history(opened):
    service = opened()
    vector = service.post("/vectors/users", {"users": [{"user_id": 3}]}).json()["vectors"]
    first, *others = service.items(user_id=3, k=7)
    service.post("/feedback", events(first, event="dislike"))
    assert service.items(user_id=3, k=7) == others
    assert service.post("/vectors/users", {"users": [{"user_id": 3}]}).json()["vectors"] == vector


@pytest.mark.parametrize("known", [3, 5, 7])
def test_a_return_takes_back_what_it_does_in_a_table(known):
    kinds = ["order", "order", "order", "refund", "refund", "order", "refund", "order"]
    rows = [(11 if n in (2, 4) else 10, 1_600_000_000 + n, kind) for n, kind in enumerate(kinds)]
    table = pd.DataFrame(rows, columns=["item_id", "timestamp", "event"]).assign(user_id=1)
    weights = {"order": 2, "refund": -2}
    options = {"columns": {"event": "event", "event_weights": weights}, "positive_from": 2}
    others = pd.DataFrame({"user_id": [2, 2], "item_id": [10, 11], "timestamp": 1_600_000_000, "event": "order"})
    whole = rs.read_dataset(pd.concat([table, others]), **options)
    data = rs.read_dataset(pd.concat([table[:known], others]), **options)
    live = [event(n, 1, i, event=kind, time=time) for n, (i, time, kind) in enumerate(rows)]
    types, row = EventMeanings(weights, positive_from=2), np.array([0])
    for events_ in (live[known:], live):  # a model may know some of them already
        if known < 7 or events_ is live:
            found = extended(Histories.from_interactions(data.interactions, row), tuple(events_), data, types)
            expected = Histories.from_interactions(whole.interactions, row)
            assert found.history.items.tolist() == expected.items.tolist()
            assert found.history.times.tolist() == expected.times.tolist() == [1_600_000_000, 1_600_000_007]
            assert found.history.weights.tolist() == expected.weights.tolist() == [2, 2]
            assert not len(found.blocked.items)


def test_an_event_that_is_sent_twice_counts_once(opened):
    service = opened()
    for _ in range(2):
        answer = service.post("/feedback", events(5, event_id="once")).json()
    assert answer["repeated"] == 1
    assert len(service.state.feedback.live) == 1


def test_an_item_that_the_model_does_not_have_is_kept_and_told(opened):
    service = opened()
    assert service.post("/feedback", events(555)).json()["unknown_items"] == [555]
    assert service.post("/feedback", events("x")).status_code == 422
    assert service.post("/feedback", events(5, weight=0)).status_code == 422


def test_what_the_data_of_the_model_has_already_counts_once(opened):
    service = opened()
    data = service.bundle.data
    had, time = data.interactions.item[0], data.interactions.time[0]
    user, item = data.users.vocabulary.ids[data.interactions.user[0]], data.items.vocabulary.ids[had]
    question = {"users": [{"user_id": int(user)}]}
    before = service.post("/vectors/users", question).json()["vectors"]
    service.post("/feedback", events(int(item), user=int(user), time=int(time)))
    assert service.post("/vectors/users", question).json()["vectors"] == before


def test_events_are_replayed_and_a_torn_line_is_healed(opened):
    first = opened()
    first.post("/feedback", events(5, 6))
    expected = first.items(user_id=3, k=12)
    first.state.close()
    path = first.folder / "state" / "feedback.jsonl"
    with path.open("ab") as file:
        file.write(line(event(9).to_json())[:20])
    second = opened()
    assert second.items(user_id=3, k=12) == expected
    assert any(message["event"] == "feedback_healed" for message in second.messages())
    second.post("/feedback", events(7))
    assert all(parsed(raw) for raw in path.read_bytes().splitlines(keepends=True))


def test_a_line_that_was_changed_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(line(event(1).to_json()).replace(b"click", b"cluck") + line(event(2).to_json()))
    with pytest.raises(ArtifactError, match=r"line 1 of .* is damaged"):
        FeedbackLog(path)


def test_the_log_is_written_anew_with_the_newest_events_of_each_user(tmp_path):
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(b"".join(line(event(n).to_json()) for n in range(50)))
    log = FeedbackLog(path, most=10)
    log.close()
    kept = [json.loads(raw)["event_id"] for raw in path.read_bytes().splitlines()]
    assert kept == [f"e{n}" for n in range(40, 50)]


def test_a_full_disk_acknowledges_nothing_and_the_service_goes_on(opened, monkeypatch):
    service = opened()
    service.post("/feedback", events(5))
    size = (service.folder / "state" / "feedback.jsonl").stat().st_size

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = service.post("/feedback", events(6))
    assert (found.status_code, found.json()["error"]["code"]) == (503, "not_recorded")
    assert (service.folder / "state" / "feedback.jsonl").stat().st_size == size
    assert service.client.get("/ready").status_code == 503
    monkeypatch.undo()
    assert service.post("/feedback", events(6)).json()["recorded"] == 1
    assert service.client.get("/ready").status_code == 200


def test_two_services_do_not_share_a_folder(opened):
    opened()
    with pytest.raises(ArtifactError, match="another service"):
        opened()


def test_the_file_is_for_its_owner_alone(opened):
    service = opened()
    assert (service.folder / "state" / "feedback.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time": "now"}, "time: Input should be a valid integer"),
        ({"weight": -1.0}, "its weight is -1"),
        ({"user_id": None}, "user_id"),
        ({"item_id": [1]}, "item_id"),
        ({"other": 1}, "it has 'other'"),
    ],
)
def test_a_line_of_another_shape_is_told_with_its_number(tmp_path, change, told):
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(line(event(1).to_json()) + line(event(2).to_json() | change))
    with pytest.raises(ArtifactError, match=rf"line 2 of .*feedback\.jsonl is no feedback event \({told}"):
        FeedbackLog(path)


def test_a_line_with_nan_is_no_record():
    assert parsed(b'{"weight": NaN, "crc": 1}\n') is None
    assert parsed(b'{"weight": 1e999, "crc": 1}\n') is None
