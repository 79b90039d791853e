"""Two processes train as one with batches twice as large."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recsys.tracking import SilentTracker
from recsys.training.loop import LoopOptions, train

OPTIONS = LoopOptions(
    epochs=3, warmup=2, patience=0, learning_rate=0.01, max_grad_norm=1.0, ema=0.5, checkpoint_seconds=0
)


class Bilinear(nn.Module):
    """An embedding table with sparse gradients, and a dense layer."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = nn.Embedding(30, 4, sparse=True), nn.Linear(4, 1)

    def forward(self, rows):
        return self.dense(self.table(rows)).squeeze(1)


class Rows:
    """Batches of unequal sizes; ``merge`` of them make one."""

    def __init__(self, merge=1, die_after=None):
        torch.manual_seed(0)
        self.module, self.merge, self.left = Bilinear(), merge, die_after

    def batches(self, epoch, rng):
        parts = np.split(rng.permutation(30), [5, 12, 15, 22])
        return [np.concatenate(parts[i : i + self.merge]) for i in range(0, len(parts), self.merge)]

    def loss(self, batch, rng):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os._exit(9)
        rows = torch.from_numpy(batch)
        return (self.module(rows) - rows / 10).square().mean()

    def examples(self, batch):
        return len(batch)

    def validate(self):
        return -float(self.loss(np.arange(30), None))


def run_worker(folder, die_after=None):
    """What `torchrun` runs in each process: writes the weights and the curve. The second one dies on request."""
    rank = os.environ["RANK"]
    task = Rows(die_after=die_after if rank == "1" else None)
    progress = train(task, OPTIONS, 1, SilentTracker(), directory=Path(folder), identity="x")
    torch.save((task.module.state_dict(), progress.curve), Path(folder) / f"{rank}.pt")


def start(folder, port, die_after=None):
    """Two processes, as a launcher starts them."""
    code = f"from tests.training.test_workers import run_worker; run_worker({str(folder)!r}, {die_after})"
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    return [
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | variables | {"RANK": str(rank)}, cwd=root)
        for rank in range(2)
    ]


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_have_the_curve_and_the_weights_of_one_with_twice_the_batch(tmp_path, unused_port):
    assert [process.wait(120) for process in start(tmp_path, unused_port)] == [0, 0]
    one = Rows(merge=2)
    expected = train(one, OPTIONS, 1, SilentTracker())
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2)]
    for weights, curve in found:
        for point, other in zip(curve, expected.curve, strict=True):
            assert point == pytest.approx(other, rel=1e-4)
        for name, value in one.module.state_dict().items():
            torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(found[0][0][name], found[1][0][name]) for name in found[0][0])


@pytest.mark.slow
def test_a_training_whose_worker_was_killed_resumes_to_the_same_weights(tmp_path, unused_port):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert [process.wait(120) for process in start(whole, unused_port)] == [0, 0]
    first, second = start(killed, unused_port, die_after=3)
    assert (second.wait(120), first.wait(120) != 0) == (9, True)
    assert [process.wait(120) for process in start(killed, unused_port)] == [0, 0]
    expected, found = (torch.load(folder / "0.pt", weights_only=False) for folder in (whole, killed))
    assert found[1] == expected[1]
    assert all(torch.equal(found[0][name], value) for name, value in expected[0].items())
