"""Training over Ray has the weights of an undisturbed training, whatever dies."""

import subprocess
import sys
import time

import pytest

from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.train import fit_over_ray
from recsys.engines.baselines.ease import EASE
from recsys.errors import ConfigError
from tests.distributed.nodes import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.alone]
FIT = """
import sys
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.train import fit_over_ray
from recsys.engine import FitContext
from recsys.engines.two_tower.sequence import SASRec

data = BlockTaste(users=400, items=60, events=20).dataset()
parts = split(data, "leave_one_out")
engine = SASRec(max_tokens=256, training={"device": "cpu", "epochs": 12, "checkpoint_seconds": 0, "patience": 0})
compute = ComputeOptions(engine="ray", address=sys.argv[2], workers=2, threads=1)
fit_over_ray(engine, data, parts.train, sys.argv[1], FitContext(3, parts.validation), compute)
"""


@pytest.fixture
def training(nodes):
    """Starts the training of two workers in a folder."""

    def start(folder):
        line = [sys.executable, "-c", FIT, str(folder), nodes.address]
        return subprocess.Popen(line, cwd=ROOT, env=environment(**nodes.variables), text=True, stdout=-1, stderr=-2)

    return start


def weights(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


def test_two_workers_train_and_a_killed_one_changes_nothing(training, nodes, tmp_path):
    whole = training(tmp_path / "whole")
    out, _ = whole.communicate(timeout=400)
    assert whole.returncode == 0, out
    expected = weights(tmp_path / "whole" / "engine")
    assert expected

    disturbed = training(tmp_path / "disturbed")
    checkpoints = tmp_path / "disturbed" / "checkpoints"
    for _ in range(4000):
        if (checkpoints.is_dir() and any(checkpoints.rglob("*.safetensors"))) or disturbed.poll() is not None:
            break
        time.sleep(0.05)
    assert disturbed.poll() is None, disturbed.stdout.read()
    assert nodes.kill_worker("RayTrainWorker")
    out, _ = disturbed.communicate(timeout=400)
    assert disturbed.returncode == 0, out
    assert weights(tmp_path / "disturbed" / "engine") == expected


def test_an_engine_without_steps_is_refused(tmp_path):
    data = BlockTaste(users=30).dataset()
    with pytest.raises(ConfigError, match="fit it in one process"):
        fit_over_ray(EASE(), data, data.interactions, tmp_path / "ease")
