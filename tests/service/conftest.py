"""A small shop with integer or text ids, served in process."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

import recsys as rs
from recsys.registry.bundle import Bundle
from recsys.service.explorer.explorer import Explorer
from recsys.service.http.app import create_app
from recsys.service.limits import Limits
from recsys.service.logs.messages import Messages
from recsys.service.state import ServiceState, Surroundings
from recsys.service.versions.source import FolderSource, Serving

KINDS = ["integers", "texts"]


def named(kind: str, number: int):
    return number if kind == "integers" else f"n{number:03d}"


def shop(kind: str = "integers") -> rs.Dataset:
    """30 users with 5 of 12 items each, and a column of users and of items."""
    rng = np.random.default_rng(3)
    rows = [(user, item, 1_600_000_000 + n) for user in range(30) for n, item in enumerate(rng.permutation(12)[:5])]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    users = pd.DataFrame({"user_id": range(30), "age": [20 + user % 7 for user in range(30)]})
    items = pd.DataFrame({"item_id": range(12), "kind": list("abc") * 4})
    for table in (frame, users, items):
        for column in {"user_id", "item_id"} & set(table):
            table[column] = [named(kind, int(number)) for number in table[column]]
    return rs.read_dataset(frame, users=users, items=items, name="shop")


class Served:
    """A service in process: its client, the bundle, and the messages so far."""

    def __init__(self, folder, bundle, kind="integers", **surroundings):
        self.kind, self.bundle, self.folder, self.log = kind, bundle, folder, io.StringIO()
        self.limits = surroundings.pop("limits", Limits())
        keys = surroundings.pop("keys", ())
        serving, explored = surroundings.pop("serving", Serving()), surroundings.pop("explored", None)
        around = Surroundings(messages=Messages(self.log), **surroundings)
        self.state = ServiceState(FolderSource(folder / "bundle", serving), folder / "state", around=around)
        explorer = explored and Explorer(lambda: self.state.models.champion, self.state.feedback.live, None, explored)
        self.app = create_app(self.state, self.limits, keys, explorer)
        self.client = TestClient(self.app)

    def id(self, number):
        return named(self.kind, number)

    def post(self, route, body, **options):
        return self.client.post(route, json=body, **options)

    def items(self, **body):
        answer = self.post("/recommend", body)
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    def messages(self):
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture(scope="module", params=KINDS)
def served(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    data = shop(request.param)
    bundle = Bundle(rs.ALS(factors=4).fit(data), data).save(folder / "bundle")
    service = Served(folder, bundle, request.param)
    with service.client:
        yield service


@pytest.fixture
def opened(tmp_path):
    """Opens services over one folder; `close` of one lets the next replay its log."""
    data = shop()
    bundle = Bundle(rs.ALS(factors=4).fit(data), data).save(tmp_path / "bundle")
    services = []

    def open_(**surroundings):
        services.append(Served(tmp_path, bundle, **surroundings))
        return services[-1]

    yield open_
    for service in services:
        if not service.state.draining:
            service.state.close()
