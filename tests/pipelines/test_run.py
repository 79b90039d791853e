"""A whole run on a tiny world, and what a second one reuses."""

import json
from collections import Counter

import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace
from recsys import digest
from recsys.data.interactions import Interactions
from recsys.retrieval.manifest import Manifest
from recsys.tracking import SilentTracker
from tests.pipelines.world import N_USERS, write_world

pytestmark = [  # what MLflow and its database say about their own future
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in (
        "DeprecationWarning",
        "FutureWarning",
        "UserWarning",
        "ResourceWarning",
        "sqlalchemy.exc.SAWarning",
        "sqlalchemy.exc.SADeprecationWarning",
    )
]


class Ears(SilentTracker):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def info(self, message: str) -> None:
        self.heard.append(message)

    def reused(self) -> set[str]:
        return {line.split(":")[0] for line in self.heard if "reused, nothing changed" in line}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    world = tmp_path_factory.mktemp("world")
    path = write_world(world)
    workspace = Workspace(world / "out")
    code = run_stages(read_run_config(path), workspace, SilentTracker())
    return path, workspace, code


def test_a_run_leaves_report_decision_and_recommendations(finished):
    _, workspace, code = finished
    assert code == 0
    report = json.loads(workspace.report.read_text())
    assert report["schema"] == 1
    assert report["split"]["protocol"] == "leave_one_out"
    assert set(report["engines"]) == {"popularity", "ease"}
    ease = report["engines"]["ease"]
    assert ease["recall@5"]["low"] <= ease["recall@5"]["value"] <= ease["recall@5"]["high"]
    assert ease["fit_seconds"] > 0
    assert ease["peak_memory_mb"] > 0
    assert "<html" in workspace.report.with_suffix(".html").read_text().lower()


def test_every_user_is_recommended_unseen_items_once(finished):
    path, workspace, _ = finished
    parts = sorted(workspace.recommendations.glob("*.parquet"))
    assert len(parts) == 3
    frame = pd.concat([pd.read_parquet(part) for part in parts])
    assert frame["user_id"].nunique() == N_USERS
    assert not frame.duplicated(["user_id", "rank"]).any()
    seen = pd.read_csv(path.parent / "interactions.csv")
    assert frame.merge(seen, on=["user_id", "item_id"]).empty


def test_other_code_writes_every_part_anew(finished, monkeypatch):
    path, workspace, _ = finished
    before = Manifest.load(workspace.recommendations)
    monkeypatch.setattr("pipelines.stages.recommend.code_version", lambda *_: "other code")
    run_from(read_run_config(path), workspace, SilentTracker())
    after = Manifest.load(workspace.recommendations)
    assert after.fingerprint != before.fingerprint
    assert [part.rows for part in after.parts] == [part.rows for part in before.parts]


def test_a_part_that_is_gone_is_written_again(finished):
    path, workspace, _ = finished
    config, part = read_run_config(path), workspace.recommendations / "part-00000.parquet"
    run_from(config, workspace, SilentTracker())
    before = part.read_bytes()
    part.unlink()
    run_from(config, workspace, SilentTracker())
    assert part.read_bytes() == before


def test_a_report_without_its_users_is_made_again(finished):
    path, workspace, _ = finished
    lost = workspace.report.with_name("per_user.parquet")
    lost.unlink()
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    assert lost.exists()


def test_prepare_says_what_it_read_otherwise_than_it_stands_there(tmp_path):
    path = write_world(tmp_path)
    table = tmp_path / "interactions.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([*lines, lines[-1]]) + "\n", encoding="utf-8")
    ears = Ears()
    config = read_run_config(path, ['data.duplicates="first"', "data.item_schema.title=ignored"])
    run_stages(config, Workspace(tmp_path / "out"), ears, "prepare")
    assert any("warning" in line and "interactions.csv" in line for line in ears.heard)
    assert "  items: title ignored" in ears.heard


def test_a_second_run_reuses_every_stage_and_says_so(finished):
    path, workspace, _ = finished
    before = workspace.report.read_bytes()
    ears = Ears()
    assert run_stages(read_run_config(path), workspace, ears) == 0
    assert {"prepare", "train/popularity", "train/ease", "evaluate", "promote"} <= ears.reused()
    assert workspace.report.read_bytes() == before


def test_one_more_engine_trains_that_engine_alone(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    ears = Ears()
    run_stages(read_run_config(path, ["engines.itemknn.kind=itemknn"]), workspace, ears, "evaluate")
    assert ears.reused() == {"prepare", "train/popularity", "train/ease"}
    assert "itemknn" in json.loads(workspace.report.read_text())["engines"]


def test_one_changed_cell_prepares_and_trains_again(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path), workspace, SilentTracker(), "train")
    table = tmp_path / "interactions.csv"
    table.write_text(table.read_text().replace("u0003,", "u0099,"), encoding="utf-8")
    ears = Ears()
    run_stages(read_run_config(path), workspace, ears, "train")
    assert ears.reused() == set()


def test_a_refit_is_named_in_the_report(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path, ["split.refit=true"]), workspace, SilentTracker(), "evaluate")
    assert json.loads(workspace.report.read_text())["split"]["protocol"] == "leave_one_out/refit"


def test_a_run_checks_each_stored_table_of_interactions_once(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "_SETTLED_NS", -(10**18))  # files count as written long ago
    monkeypatch.setattr(digest, "_KNOWN", {})
    looks, check = Counter(), Interactions._check_rows

    def counted(self, part, n_users, n_items, where, any_sign):
        looks[where] += 1
        check(self, part, n_users, n_items, where, any_sign)

    monkeypatch.setattr(Interactions, "_check_rows", counted)
    workspace = Workspace(tmp_path / "out")
    assert run_stages(read_run_config(write_world(tmp_path)), workspace, SilentTracker()) == 0
    assert looks[workspace.dataset / "interactions"] == 1
    assert looks[workspace.bundle("ease") / "histories"] == 1
    assert set(looks.values()) == {1}
