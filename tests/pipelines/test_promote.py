"""Promotion: what is decided anew, and what is kept of each decision."""

import pytest

from pipelines.config import read_run_config
from pipelines.promote import REFUSED, open_store, rollback, run
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.registry.quiet import local_uri
from recsys.registry.store import CHAMPION
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import write_world


@pytest.fixture
def promoted(tmp_path):
    """Popularity is the champion, and EASE came after it."""
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    weaker = read_run_config(path, ["promote.engine=popularity"])
    better = read_run_config(path, ["promote.gate.min_gain=-9", "promote.gate.must_not_lose={}"])
    assert [run(config, workspace, SilentTracker()) for config in (weaker, better)] == [0, 0]
    return better, workspace


def test_a_rollback_is_a_decision_and_stays_in_force(promoted):
    config, workspace = promoted
    assert open_store(config, workspace).version_at(CHAMPION) == "2"
    rollback(config, workspace)
    latest = read_json(workspace.decision)
    assert (latest["version"], latest["champion"], latest["rules"][0]["name"]) == ("1", "2", "rollback")
    kept = [read_json(path) for path in sorted(workspace.decisions.iterdir())]
    assert [record["version"] for record in kept] == ["1", "2", "1"]
    ears = Ears()
    assert run(config, workspace, ears) == 0
    assert ears.reused() == {"promote"}
    assert open_store(config, workspace).version_at(CHAMPION) == "1"


def test_an_empty_registry_is_filled_again(promoted, monkeypatch):
    config, workspace = promoted
    emptied = local_uri(workspace.directory / "emptied")  # as if mlflow.db were gone, which this process still has open
    monkeypatch.setattr("pipelines.promote.local_uri", lambda _: emptied)
    assert run(config, workspace, SilentTracker()) == 0
    assert open_store(config, workspace).version_at(CHAMPION) == "1"


def test_a_refusal_stands_until_something_changes(promoted):
    _, workspace = promoted
    strict = read_run_config(workspace.directory.parent / "run.toml", ["promote.engine=popularity"])
    ears = Ears()
    assert [run(strict, workspace, ears) for _ in range(2)] == [REFUSED, REFUSED]
    assert ears.reused() == {"promote"}
