"""Killed with SIGKILL at a random moment and started again, a stage ends with the bytes of an undisturbed one."""

import hashlib
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from tests.pipelines.forks import Forks
from tests.pipelines.world import write_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("kills"),  # they share a world
    pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked"),
]
_KILLS = 10

_TWO_TOWER = """
[engines.two_tower]
max_tokens = 4096
training = {epochs = 12, patience = 0, checkpoint_seconds = 0.05}

[train]
final = false

[evaluate]
ks = [1, 5, 10]

[recommend]
engine = "two_tower"
k = 5
shard_size = 25
"""


def _write(directory: Path) -> Path:
    path = write_world(directory, n_users=1500)
    head = path.read_text(encoding="utf-8").split("[engines.popularity]")[0]
    path.write_text(head + _TWO_TOWER, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The world, with every stage before `recommend` done."""
    directory = tmp_path_factory.mktemp("world")
    path = _write(directory)
    run_stages(read_run_config(path), Workspace(directory / "trained"), SilentTracker(), "train")
    run_stages(read_run_config(path), Workspace(directory / "prepared"), SilentTracker(), "pretrain")
    return path


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


@pytest.mark.parametrize(
    ("stage", "before", "result"),
    [("train", "prepared", "bundles/two_tower"), ("recommend", "trained", "recommendations")],
)
def test_ten_kills_leave_no_trace(trained, forks, tmp_path, stage, before, result):
    start = trained.parent / before
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(start, undisturbed)
    seconds = _seconds(forks, trained, undisturbed, stage)
    expected = _digests(undisturbed / result)
    rng = stream(11, stage)
    for kill in range(_KILLS):
        output = tmp_path / f"killed-{kill}"
        moment = float(rng.uniform(0.02, 0.9)) * seconds
        while not _killed_at_work(forks, trained, start, output, stage, moment):
            moment /= 2  # the stage was over before; it must be killed while it works
        _seconds(forks, trained, output, stage)
        assert _digests(output / result) == expected, f"kill {kill} after {moment:.2f} s"
        shutil.rmtree(output)


def _killed_at_work(forks: Forks, config: Path, start: Path, output: Path, stage: str, moment: float) -> bool:
    """Begins ``stage`` in a fresh copy of ``start`` and kills it after ``moment`` seconds; whether it was at work."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(start, output)
    process = _begin(forks, config, output, stage)
    time.sleep(moment)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return forks.wait() == -signal.SIGKILL


def _begin(forks: Forks, config: Path, output: Path, stage: str) -> int:
    return forks.start([stage, config, "--output", output], output.parent, output.parent / "log")


def _seconds(forks: Forks, config: Path, output: Path, stage: str) -> float:
    """How long the stage still takes; it must end well."""
    start = time.monotonic()
    _begin(forks, config, output, stage)
    assert forks.wait() == 0, (output.parent / "log").read_text()
    return time.monotonic() - start


def _digests(directory: Path) -> dict[str, str]:
    found = {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    assert found
    return found
