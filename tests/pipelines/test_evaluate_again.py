"""An evaluation that was stopped goes on with the users that are not measured yet."""

import shutil

import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.evaluation.evaluate import BlockRanker
from recsys.tracking import SilentTracker
from tests.pipelines.test_pretrain import Listener
from tests.pipelines.world import write_world

N_USERS = 1500
"""Two blocks."""


class StoppedError(Exception):
    pass


@pytest.fixture
def measured(monkeypatch):
    """The numbers of the blocks that are measured; the block after ``stop`` of them ends the evaluation."""
    numbers, plain = [], BlockRanker.measured

    def measure(ranker, number):
        if len(numbers) == measured.stop:
            raise StoppedError
        numbers.append(number)
        return plain(ranker, number)

    measured.stop = None
    monkeypatch.setattr(BlockRanker, "measured", measure)
    measured.numbers = numbers
    return measured


def test_what_is_measured_is_not_measured_again_and_the_figures_are_the_same(tmp_path, measured):
    config = read_run_config(write_world(tmp_path, n_users=N_USERS))
    whole, stopped = Workspace(tmp_path / "whole"), Workspace(tmp_path / "stopped")
    run_stages(config, whole, SilentTracker(), "train")
    shutil.copytree(whole.directory, stopped.directory)
    run_stages(config, whole, SilentTracker(), "evaluate")
    assert measured.numbers == [0, 1, 0, 1]
    measured.numbers.clear()
    measured.stop = 3
    with pytest.raises(StoppedError):
        run_stages(config, stopped, SilentTracker(), "evaluate")
    measured.numbers.clear()
    listener = Listener()
    run_stages(config, stopped, listener, "evaluate")
    assert measured.numbers == [1]
    assert "evaluate/ease: 1 of 2 blocks of users are measured already" in listener.lines
    tables = [workspace.report.with_name("per_user.parquet").read_bytes() for workspace in (whole, stopped)]
    assert tables[0] == tables[1]
    assert not any((stopped.directory / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("change", "again"), [("evaluate.ks=[1, 5, 10]", [0, 1, 0, 1]), ("engines.ease.regularization=7.0", [0, 1])]
)
def test_what_another_config_measured_is_not_taken(tmp_path, measured, change, again):
    path, workspace = write_world(tmp_path, n_users=N_USERS), Workspace(tmp_path / "run")
    measured.stop = 3
    with pytest.raises(StoppedError):
        run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    measured.stop = None
    measured.numbers.clear()
    run_stages(read_run_config(path, [change]), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == again
