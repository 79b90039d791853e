"""The registered model through its doors: in process, MLflow's server in process, and `mlflow models serve`."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.engines.baselines.ease import EASE
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.registry.gate import Decision
from recsys.registry.mlflow_client import imported, local_uri
from recsys.registry.pyfunc.predictor import Predictor
from recsys.registry.store import Store

pytestmark = [
    pytest.mark.filterwarnings("ignore::" + kind)
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning", "ResourceWarning")
]

KINDS = ["integers", "texts"]


def _named(kind: str, number: int):
    return number if kind == "integers" else f"n{number}"


def _data(kind: str) -> rs.Dataset:
    rng = np.random.default_rng(3)
    rows = [(user, item, 1_600_000_000 + n) for user in range(30) for n, item in enumerate(rng.permutation(12)[:5])]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    for column in ("user_id", "item_id"):
        frame[column] = [_named(kind, int(number)) for number in frame[column]]
    return rs.read_dataset(frame, name="shop")


@pytest.fixture(scope="module", params=KINDS)
def served(request, tmp_path_factory):
    """The kind of the ids, the folder of the store, and the model as MLflow loads it."""
    folder, data = tmp_path_factory.mktemp(request.param), _data(request.param)
    Bundle(EASE().fit(data), data).save(folder / "ease")
    store = Store(local_uri(folder), "shop")
    store.promote(store.register(folder / "ease"), Decision(True, "1", None, ()))
    return request.param, folder, imported().pyfunc.load_model("models:/shop@champion")


def _mixed(kind: str) -> list[dict]:
    return [
        {"user_id": _named(kind, 5), "k": 2},
        {"history": [_named(kind, 0), _named(kind, 4)], "exclude": [_named(kind, 1)]},
        {"user_id": _named(kind, 9999), "history": [_named(kind, 3), _named(kind, 777)], "k": 3},
        {"user_id": _named(kind, 6), "candidates": [_named(kind, n) for n in range(12)][:8], "k": 12},
        {"user_id": None, "history": [], "k": None},
    ]


def _checked(kind: str, found: list[dict]) -> None:
    """The answer to `_mixed`."""
    assert len(found[0]["item_ids"]) == 2
    assert _named(kind, 1) not in found[1]["item_ids"]
    assert not {_named(kind, 0), _named(kind, 4)} & set(found[1]["item_ids"])
    assert found[2]["unknown_items"] == [str(_named(kind, 777))]
    assert [row["unknown_user"] for row in found] == [False, False, True, False, False]
    assert set(found[3]["item_ids"]) <= {_named(kind, n) for n in range(8)}
    assert len(found[4]["item_ids"]) == 10


def test_a_row_with_holes_is_answered_as_it_is_alone(served):
    kind, folder, model = served
    found = model.predict(pd.DataFrame(_mixed(kind)))
    _checked(kind, found.to_dict("records"))
    predictor = Predictor(Bundle.load(folder / "ease"))
    for number, row in enumerate(_mixed(kind)):
        alone = predictor.predict(pd.DataFrame([row])).to_dict("records")[0]
        assert alone["item_ids"] == found["item_ids"][number]


def test_the_server_takes_rows_with_holes_and_says_why_it_refuses_one(served):
    testclient = pytest.importorskip("fastapi.testclient")
    from mlflow.pyfunc.scoring_server import init

    kind, _, model = served
    client = testclient.TestClient(init(model))
    answer = client.post("/invocations", json={"dataframe_records": _mixed(kind)})
    assert answer.status_code == 200
    _checked(kind, answer.json()["predictions"])
    refused = client.post("/invocations", json={"dataframe_records": [{"user_id": _named(kind, 5), "k": 0}]})
    assert refused.status_code == 400
    assert "k must be at least 1" in refused.json()["message"]


def test_the_requirements_are_of_a_registry_and_the_code_is_with_the_model(served):
    folder = served[1]
    listed = next(folder.rglob("requirements.txt")).read_text().split()
    assert not any(line.startswith("recsys") or "+" in line for line in listed)
    assert any(line.startswith("torch==") for line in listed)
    assert next(folder.rglob("code/recsys/registry/pyfunc/predictor.py")).is_file()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"user_id": 1, "k": 2.5}, "k is 2.5"),
        ({"user_id": 1, "exclude": "3"}, "exclude is '3'; give a list"),
        ({"history": [[1]]}, "history holds .*which is no id"),
        ({"user_id": 2.0**60}, "does not hold all digits"),
    ],
)
def test_a_cell_that_is_not_what_its_column_takes_is_refused_with_its_row(row, message):
    data = _data("integers")
    with pytest.raises(DataError, match=message):
        Predictor(Bundle(EASE().fit(data), data)).predict(pd.DataFrame([row]))


@pytest.mark.slow
def test_mlflow_serves_the_model_by_rest(served):
    kind, folder, _ = served
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/shop@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": local_uri(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (folder / "server.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            found = _answer(f"http://127.0.0.1:{port}/invocations", {"dataframe_records": _mixed(kind)}, server)
        finally:
            os.killpg(server.pid, 15)
            server.wait(20)
    _checked(kind, found["predictions"])


def _answer(url: str, body: dict, server: subprocess.Popen) -> dict:
    """The answer of a server that is starting."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not start")
