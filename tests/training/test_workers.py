"""Two processes train as one with batches twice as large."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recsys.tracking import SilentTracker
from recsys.training.loop import LoopOptions, train
from tests.training.processes import exit_codes, start

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


def test_two_processes_have_the_curve_and_the_weights_of_one_with_twice_the_batch(tmp_path, unused_port):
    assert exit_codes(start(run_worker, tmp_path, port=unused_port)) == [0, 0]
    one = Rows(merge=2)
    expected = train(one, OPTIONS, 1, SilentTracker())
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2)]
    for weights, curve in found:
        for point, other in zip(curve, expected.curve, strict=True):
            assert point == pytest.approx(other, rel=1e-4)
        for name, value in one.module.state_dict().items():
            torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(found[0][0][name], found[1][0][name]) for name in found[0][0])


def test_a_training_whose_worker_was_killed_resumes_to_the_same_weights(tmp_path, unused_port):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert exit_codes(start(run_worker, whole, port=unused_port)) == [0, 0]
    first, second = exit_codes(start(run_worker, killed, 3, port=unused_port))
    assert (second, first in (0, None)) == (9, False)
    assert exit_codes(start(run_worker, killed, port=unused_port)) == [0, 0]
    expected, found = (torch.load(folder / "0.pt", weights_only=False) for folder in (whole, killed))
    assert found[1] == expected[1]
    assert all(torch.equal(found[0][name], value) for name, value in expected[0].items())
