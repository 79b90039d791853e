"""A clock that is wrong, and files from before 1970 or from the far future."""

import os
import time

import pytest

from pipelines.cli import main
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears
from tests.pipelines.world import write_world


def test_a_clock_before_1970_is_one_message_before_anything_is_prepared(tmp_path, monkeypatch, capsys):
    path = write_world(tmp_path)
    monkeypatch.setattr(time, "time", lambda: -5e8)
    with pytest.raises(SystemExit) as stopped:
        main(["run", str(path), "--output", str(tmp_path / "out")])
    assert stopped.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the clock of this machine is before 1970")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("moment", [-(10**9), 2**33], ids=["before 1970", "far future"])
def test_the_times_of_files_decide_nothing(tmp_path, moment):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path), workspace, SilentTracker(), "train")
    for file in tmp_path.rglob("*"):
        os.utime(file, (moment, moment))
    ears = Ears()
    run_stages(read_run_config(path), workspace, ears, "train")
    assert {"prepare", "train/ease"} <= ears.reused()
