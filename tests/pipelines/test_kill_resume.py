"""Killed with SIGKILL at a random moment and started again, a stage ends with the bytes of an undisturbed one."""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

pytestmark = pytest.mark.slow
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


@pytest.mark.parametrize(
    ("stage", "before", "result"),
    [("train", "prepared", "bundles/two_tower"), ("recommend", "trained", "recommendations")],
)
def test_ten_kills_leave_no_trace(trained, tmp_path, stage, before, result):
    start = trained.parent / before
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(start, undisturbed)
    seconds = _seconds(_begun(trained, undisturbed, stage))
    expected = _digests(undisturbed / result)
    rng = stream(11, stage)
    for kill in range(_KILLS):
        output = tmp_path / f"killed-{kill}"
        moment = float(rng.uniform(0.02, 0.9)) * seconds
        while not _killed_at_work(trained, start, output, stage, moment):
            moment /= 2  # the stage was over before; it must be killed while it works
        _seconds(_begun(trained, output, stage))
        assert _digests(output / result) == expected, f"kill {kill} after {moment:.2f} s"
        shutil.rmtree(output)


def _killed_at_work(config: Path, start: Path, output: Path, stage: str, moment: float) -> bool:
    """Begins ``stage`` in a fresh copy of ``start`` and kills it after ``moment`` seconds; whether it was at work."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(start, output)
    process = _begun(config, output, stage)
    time.sleep(moment)
    process.kill()
    process.communicate()
    return process.returncode != 0


def _begun(config: Path, output: Path, stage: str) -> subprocess.Popen[str]:
    """A process that has imported everything and begins ``stage`` now."""
    words = [sys.executable, "-m", "tests.pipelines.worker", str(config), str(output), stage]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def _seconds(process: subprocess.Popen[str]) -> float:
    """How long the stage still takes; it must end well."""
    start = time.monotonic()
    process.communicate(timeout=600)
    assert process.returncode == 0
    return time.monotonic() - start


def _digests(directory: Path) -> dict[str, str]:
    found = {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    assert found
    return found
