"""Training over Ray has the weights of an undisturbed training, whatever dies."""

import json
import shutil
import subprocess
import sys
import time

import pytest

from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.train import fit_over_ray
from recsys.engines.baselines.ease import EASE
from recsys.errors import ConfigError
from tests.distributed.nodes import ROOT, environment, wait_until

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


def test_a_killed_train_command_goes_on_over_the_cluster_to_the_same_weights(nodes, begin, tmp_path):
    options = 'training={device="cpu", epochs=12, checkpoint_seconds=0, patience=0}'
    words = ["--set", f'engines.sasrec={{kind="sasrec", max_tokens=256, {options}}}', "--set", "train.workers=2"]
    folder, found = tmp_path / "run", []
    for killed in (False, True):
        command = begin("train", *words, ray=nodes)
        if killed:
            begun = "checkpoints/sasrec-*/**/*.safetensors"
            wait_until(lambda: command.poll() is not None or any(folder.glob(begun)), "no checkpoint")  # noqa: B023
            assert command.poll() is None, command.communicate()[0]
            command.kill()
            command.communicate()
            assert not (folder / "bundles" / "sasrec").exists()
            command = begin("train", *words, ray=nodes)
        output = command.communicate()[0]
        assert command.returncode == 0, output
        assert "train/ease: reused" in output
        assert "ray: nodes 3, workers 2" in output
        record = json.loads((folder / "bundles" / "sasrec.training.json").read_text())
        assert [point["step"] for point in record["curve"]] == list(range(1, 13))
        found.append(weights(folder / "bundles" / "sasrec"))
        shutil.rmtree(folder / "bundles" / "sasrec")
    assert found[0]
    assert found[0] == found[1]


def test_workers_without_a_cluster_are_told(begin):
    command = begin("train", "--set", 'engines.sasrec={kind="sasrec"}', "--set", "train.workers=2")
    assert "train.workers = 2 trains over a Ray cluster; give --engine ray" in command.communicate()[0]


def test_an_engine_without_steps_is_refused(tmp_path):
    data = BlockTaste(users=30).dataset()
    with pytest.raises(ConfigError, match="fit it in one process"):
        fit_over_ray(EASE(), data, data.interactions, tmp_path / "ease")
