"""An evaluation that was stopped goes on with the users that are not measured yet."""

import shutil

import pytest
import torch

from pipelines.config import read_run_config
from pipelines.stages import evaluate, run_stages
from pipelines.workspace import Workspace
from recsys.evaluation.evaluate import BlockRanker
from recsys.registry.bundle import installed
from recsys.tracking import SilentTracker
from tests.pipelines.test_pretrain import Listener
from tests.pipelines.world import write_world

N_USERS = 1500
"""Two blocks."""
OVER_RAY = ['compute.engine="ray"', "compute.threads=1"]


class StoppedError(Exception):
    pass


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture
def stopped(tmp_path, measured):
    """The config and the folder of a run that was stopped before the last of its four blocks."""
    path, workspace = write_world(tmp_path, n_users=N_USERS), Workspace(tmp_path / "run")
    measured.stop = 3
    with pytest.raises(StoppedError):
        run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    measured.stop = None
    measured.numbers.clear()
    return path, workspace


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
def test_what_another_config_measured_is_not_taken(stopped, measured, change, again):
    path, workspace = stopped
    run_stages(read_run_config(path, [change]), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == again


def test_what_another_number_of_threads_measured_is_not_taken(one_thread, stopped, measured):
    path, workspace = stopped
    torch.set_num_threads(2)
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == [0, 1, 0, 1]


def test_what_other_libraries_measured_is_not_taken(stopped, measured, monkeypatch):
    path, workspace = stopped
    monkeypatch.setattr(evaluate, "installed", lambda: {**installed(), "torch": "9.9"})
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == [0, 1, 0, 1]


def test_blocks_of_an_engine_that_was_removed_go_with_the_others(stopped, measured):
    path, workspace = stopped
    renamed = path.read_text().replace("[engines.ease]", '[engines.wide]\nkind = "ease"')
    path.write_text(renamed.replace('engine = "ease"', 'engine = "wide"'))
    assert len(list((workspace.directory / "checkpoints").iterdir())) == 2
    run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == [0, 1]
    assert not any((workspace.directory / "checkpoints").iterdir())


def stop(*_):
    raise StoppedError


def test_a_cluster_is_connected_where_a_block_is_missing_and_not_where_all_are_there(
    one_thread, tmp_path, measured, monkeypatch
):
    path, workspace = write_world(tmp_path, n_users=N_USERS), Workspace(tmp_path / "run")
    build = evaluate.build_report
    monkeypatch.setattr(evaluate, "build_report", stop)  # when all is measured
    with pytest.raises(StoppedError):
        run_stages(read_run_config(path), workspace, SilentTracker(), "evaluate")
    measured.numbers.clear()
    monkeypatch.setattr(evaluate, "build_report", build)
    monkeypatch.setattr(evaluate, "connected", stop)
    with pytest.raises(StoppedError):
        run_stages(read_run_config(path, [*OVER_RAY, "evaluate.ks=[10]"]), workspace, SilentTracker(), "evaluate")
    run_stages(read_run_config(path, OVER_RAY), workspace, SilentTracker(), "evaluate")
    assert measured.numbers == []
    assert workspace.report.exists()
