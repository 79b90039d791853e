"""Stamps: what a step was made from."""

import pytest

from pipelines.cli import main
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.tracking import CurveTracker, SilentTracker
from recsys.training.cost import measured
from tests.pipelines.world import write_world


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_a_step_is_reused_from_the_same_facts_alone(workspace, tmp_path):
    output = tmp_path / "made"
    output.touch()
    workspace.record("train/ease", {"ks": (1, 2), "seed": 1}, [output])
    tracker = SilentTracker()
    assert workspace.is_current("train/ease", {"ks": (1, 2), "seed": 1}, [output], tracker)
    assert not workspace.is_current("train/ease", {"ks": (1, 2), "seed": 2}, [output], tracker)
    assert not workspace.is_current("train/als", {"ks": (1, 2), "seed": 1}, [output], tracker)


def test_no_password_of_an_address_is_written_into_a_stamp(workspace, tmp_path):
    facts = {
        "section": {"tracking_uri": "https://ann:secret@shop.example/mlflow"},
        "files": {"s3:/key:secret@bucket/x.csv": "0"},
        "data": ["postgresql://ann:secret@shop.example:5432/x", tmp_path],
    }
    workspace.record("promote", facts)
    (stamp,) = (tmp_path / "stages").iterdir()
    assert "secret" not in stamp.read_text(encoding="utf-8")
    assert "ann:...@shop.example/mlflow" in stamp.read_text(encoding="utf-8")
    assert workspace.is_current("promote", facts, [], SilentTracker())


def test_a_step_whose_output_is_gone_or_half_made_runs_again(workspace, tmp_path):
    facts, tracker = {"seed": 1}, SilentTracker()
    workspace.record("prepare", facts)
    assert not workspace.is_current("prepare", facts, [tmp_path / "gone"], tracker)
    workspace.invalidate("prepare")
    assert not workspace.is_current("prepare", facts, [], tracker)


def test_checkpoints_of_other_facts_are_another_folder_and_all_go_when_the_engine_is_done(workspace):
    first, second = workspace.checkpoints("ease", {"seed": 1}), workspace.checkpoints("ease", {"seed": 2})
    assert first != second
    other = workspace.checkpoints("ease-wide", {"seed": 1})
    for folder in (first, second, other):
        folder.mkdir(parents=True)
    workspace.clear_checkpoints("ease")
    assert [folder.exists() for folder in (first, second, other)] == [False, False, True]


def test_checkpoints_that_no_run_has_made_stay(workspace):
    mine = workspace.checkpoints("ease", {"seed": 1})
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    workspace.clear_checkpoints("ease")
    assert (mine / "notes.txt").read_text() == "mine"


def test_a_curve_keeps_what_carries_a_step():
    curve = CurveTracker(SilentTracker())
    curve.log_metrics({"loss": 3.0}, 1)
    curve.log_metrics({"recall@10": 0.1}, 1)
    curve.log_metrics({"test": 1.0})
    assert curve.points == [{"step": 1, "loss": 3.0, "recall@10": 0.1}]


def test_the_cost_of_a_block_holds_its_memory():
    with measured() as small:
        pass
    with measured() as large:
        assert bytearray(200 * 2**20)[-1] == 0
    assert large.seconds > 0
    assert large.peak_memory_mb > small.peak_memory_mb + 150


def test_two_commands_do_not_write_to_one_folder_at_a_time(tmp_path, capsys):
    path, output = write_world(tmp_path / "world"), tmp_path / "out"
    workspace = Workspace(output)
    for command in ("run", "train", "recommend", "rollback"):
        with workspace.lock(), pytest.raises(SystemExit) as ended:
            main([command, str(path), "--output", str(output)])
        assert ended.value.code == 1
        assert "another command is writing to" in capsys.readouterr().err
    with workspace.lock(), Workspace(tmp_path / "other").lock():
        pass
    run_stages(read_run_config(path), workspace, SilentTracker(), "train")
