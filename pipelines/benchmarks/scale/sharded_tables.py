"""Memory and time of a training step with tables that are split by rows over processes, or held by each.

OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m pipelines.benchmarks.scale.sharded_tables --rows 1000000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recsys.tracking import SilentTracker
from recsys.training.cost import measured
from recsys.training.deterministic import preload
from recsys.training.loop import LoopOptions, train

DIM, LOOKUPS = 64, 4096


class Lookups:
    """A task of steps that touch 4,096 random rows of a table."""

    def __init__(self, rows: int, steps: int) -> None:
        torch.manual_seed(0)
        table = nn.Embedding(rows, DIM, sparse=True, _weight=torch.randn(rows, DIM) * 0.02)
        self.module = nn.ModuleDict({"table": table, "out": nn.Linear(DIM, 1)})
        self.rows, self.steps, self.begun, self.resident_mb = rows, steps, list[float](), 0.0

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[np.ndarray]:
        return [np.unique(rng.integers(0, self.rows, LOOKUPS)) for _ in range(self.steps)]

    def loss(self, batch: np.ndarray, rng: np.random.Generator) -> Tensor:
        self.begun.append(time.perf_counter())
        if len(self.begun) == self.steps // 2:
            self.resident_mb = _resident_mb()
        out: Tensor = self.module["out"](self.module["table"](torch.from_numpy(batch)))
        return (out - 1).square().mean()

    def examples(self, batch: np.ndarray) -> float:
        return len(batch)

    def validate(self) -> float | None:
        return None


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Trains once and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tables", choices=("sharded", "replicated"), default="sharded")
    given = parser.parse_args()
    preload()
    before = _resident_mb()
    task = Lookups(given.rows, given.steps)
    options = LoopOptions(epochs=1, patience=0, shard_tables=given.tables == "sharded")
    with measured() as cost:
        train(task, options, 0, SilentTracker())
    took = statistics.median(np.diff(task.begun)) * 1e3
    held, peak = (round(found - before) for found in (task.resident_mb, cost.peak_memory_mb))
    print(f"{given.tables}: {took:.1f} ms a step; MiB a process: {held} while it trains, {peak} at most", flush=True)


if __name__ == "__main__":
    main()
