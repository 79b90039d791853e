"""Fuzzed requests in process, and a server that is killed and whose model moves while clients ask."""

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path

import pytest

import recsys as rs
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.explorer import Around
from recsys.service.versions.source import Serving
from tests.service.conftest import shop

ROOT = Path(__file__).resolve().parents[2]
ROUTES = ["/recommend", "/recommend/batch", "/similar", "/search", "/vectors/items", "/vectors/users", "/feedback"]
PAGES = [f"/explore/{name}" for name in ("about", "users", "items", "lists", "similar", "map", "poster", "ticket")]
RULES = {
    "exclusions": [[3, 1], [777, 2]],
    "boosts": [{"where": "kind == 'a'", "factor": 2}],
    "caps": [{"column": "kind", "most": 2}],
    "at_least": [{"where": "kind == 'b'", "least": 1}],
    "freshness": {"days": 36_500},
    "diversity": {"weight": 0.3},
    "calibration": {"column": "kind", "weight": 0.2},
    "exploration": {"share": 0.2},
    "reasons": True,
}
CELLS = [
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, -(2**63), 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "x", "1", "\x00", "\ud800", "é" * 600, "../../etc/passwd", "1; DROP TABLE", "2020-01-01", "9" * 5000),
    *([], [1], ["1"], [[]], [None], {}, {"a": 1}, [1] * 2000, {"user_id": 1}, {"__proto__": 1}),
]
FIELDS = [
    *("user_id", "history", "columns", "at", "k", "filter_seen", "candidates", "exclude"),
    *("item_id", "text", "item_ids", "event", "time", "weight", "history_events", "history_times"),
    *("user", "item", "by", "rules", "column", "most", "name"),
]


def fuzzed(rng):
    """A body: now and then not JSON at all."""

    def cell(depth=0):
        if depth < 3 and rng.random() < 0.3:
            name = lambda: rng.choice([*FIELDS, "requests", "users", "events", "age"])  # noqa: E731
            return {name(): cell(depth + 1) for _ in range(rng.randint(0, 4))}
        if depth < 3 and rng.random() < 0.2:
            return [cell(depth + 1) for _ in range(rng.randint(0, 3))]
        return rng.choice(CELLS)

    good = {"user_id": rng.randint(0, 40), "k": 3, "history": [1, 2]}
    if rng.random() < 0.3:
        controls = {rng.choice(["diversity", "cap", "exploration", "favour", "newer", "seen"]): rng.choice(CELLS)}
        good = {"user": str(rng.randint(0, 40)), "k": 3, "rules": controls if rng.random() < 0.5 else {}}
    body = good | {rng.choice(FIELDS): cell() for _ in range(rng.randint(0, 3))} if rng.random() < 0.5 else cell()
    if rng.random() < 0.3:
        body = {rng.choice(["requests", "users", "events"]): [body, good]}
    raw = json.dumps(body).encode()
    if rng.random() < 0.2:
        place = rng.randrange(len(raw))
        raw = raw[:place] + bytes(rng.randrange(256) for _ in range(3)) + raw[place + rng.randint(0, 3) :]
    return raw


@pytest.mark.slow
@pytest.mark.parametrize("ruled", [False, True])
def test_fuzzed_requests_are_answered_and_the_service_lives(opened, ruled):
    rules = RuleOptions.model_validate(RULES if ruled else {})
    serving = Serving(RecommendOptions(rules=rules))
    service = opened(serving=serving, explored=Around(rules=rules) if ruled else None)
    rng, statuses = random.Random(5), set()
    for _ in range(1000):
        route, raw = rng.choice(ROUTES + PAGES if ruled else ROUTES), fuzzed(rng)
        found = service.client.post(route, content=raw, headers={"content-type": "application/json"})
        statuses.add(found.status_code)
        assert found.status_code == 200 or 400 <= found.status_code < 500, (route, raw[:300], found.text)
        if found.status_code != 200:
            assert found.json()["error"]["message"], raw
    assert {200, 400, 422} <= statuses
    assert len(service.items(user_id=1, k=3)) == 3


class Lines:
    """A model whose first item says which version it is: popularity that was counted on one item alone."""

    def __init__(self, folder):
        data = shop()
        self.folder, self.first = folder, {}
        self.bundles = []
        for item in (2, 9):
            chosen = data.interactions.select(data.interactions.item == item)
            made = Bundle(rs.Popularity().fit(data, chosen), data)
            self.first[f"bundle@{made.save(folder.with_name('scratch')).version}"] = item
            self.bundles.append(made)

    def save(self, number):
        self.bundles[number % 2].save(self.folder)


class Process:
    """``recsys serve`` as a process."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        words = ["serve", "--bundle", self.folder / "bundle", "--port", "0", "--poll", "0.05"]
        command = [sys.executable, "-m", "pipelines.cli", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
        line = self.process.stdout.readline()
        self.address = re.search(r"http://\S+", line)[0]

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(40)
        self.process.stdout.close()
        return self.process.returncode

    def post(self, route, body):
        request = urllib.request.Request(
            self.address + route, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.mark.slow
def test_moves_and_kills_lose_no_acknowledged_event_and_serve_no_wrong_version(tmp_path):
    model = Lines(tmp_path / "bundle")
    model.save(0)
    server, acknowledged, wrong, answers, stop = Process(tmp_path), [], [], [], threading.Event()

    def client(number):
        sent = 0
        while not stop.is_set():
            key, sent = f"{number}-{sent}", sent + 1
            try:
                event = {"user_id": 1000 + number, "item_id": 555, "event_id": key}
                server.post("/feedback", {"events": [event]})
                acknowledged.append(key)
                found = server.post("/recommend", {"history": [], "k": 1})
                answers.append(found["version"])
                if found["items"][0]["item_id"] != model.first[found["version"]]:
                    wrong.append(found)
            except (OSError, ValueError, HTTPException):  # it was killed
                time.sleep(0.02)
            time.sleep(0.01)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    for each in clients:
        each.start()
    try:
        for kill in range(2):
            for move in range(4):
                model.save(kill * 4 + move + 1)
                time.sleep(0.5)
            server.end(signal.SIGKILL)
            server.start()
    finally:
        stop.set()
        for each in clients:
            each.join()
    assert server.end(signal.SIGTERM) == 0
    lines = (tmp_path / "bundle.serve" / "feedback.jsonl").read_text().splitlines()
    logged = {json.loads(raw)["event_id"] for raw in lines}
    assert set(acknowledged) <= logged
    assert not wrong
    assert len(set(answers)) == 2
    assert len(acknowledged) > 50
