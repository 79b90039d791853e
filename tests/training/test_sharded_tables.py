"""Tables split by rows over two processes train as replicated ones do, in half of the memory."""

import gc
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recsys.tracking import SilentTracker
from recsys.training import sharded_tables
from recsys.training.loop import LoopOptions, train
from recsys.training.row_adam import RowAdam
from recsys.training.sharded_tables import ShardedEmbedding
from tests.training.processes import exit_codes, start

OPTIONS = {"epochs": 4, "warmup": 2, "patience": 0, "learning_rate": 0.05, "weight_decay": 0.01, "ema": 0.5}
N = 41


class TwoTables(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Embedding(N, 8, sparse=True), nn.Embedding(N, 8, sparse=True)
        self.dense = nn.Linear(8, 1)

    def forward(self, rows):
        return self.dense(self.left(rows) * self.right((rows * 7) % 40)).squeeze(1)


class Rows:
    """Batches of unequal sizes with repeated rows, whose last step has a batch for one process alone."""

    def __init__(self, die_after=None):
        torch.manual_seed(0)
        self.module, self.left, self.held, self.calls, self.stateful = TwoTables(), die_after, set(), 0, None

    def batches(self, epoch, rng):
        return np.split(rng.integers(0, N, 60), [9, 20, 31, 45])

    def loss(self, batch, rng):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os._exit(9)
        tables = [part for part in self.module.modules() if isinstance(part, nn.Embedding)]
        self.held.add(sum(len(table.weight) for table in tables))
        self.calls += 1
        if self.calls == 4:
            optimizers = [found for found in gc.get_objects() if isinstance(found, RowAdam)]
            self.stateful = sum(len(state["second"]) for found in optimizers for state in found.state.values())
        rows = torch.from_numpy(batch)
        return (self.module(rows) - rows / 10).square().mean()

    def examples(self, batch):
        return len(batch)

    def validate(self):
        return -float(self.loss(np.arange(N), None))


class Heard(SilentTracker):
    def __init__(self):
        self.messages = []

    def info(self, message):
        self.messages.append(message)


def run_rows(folder, kinds, die_after=None):
    """Trains once for each kind: whether tables are sharded, and the largest norm of gradients."""
    rank = os.environ["RANK"]
    sharded_tables.BLOCK = 16  # several messages a table
    for number, (sharded, max_grad_norm) in enumerate(kinds):
        place, heard = Path(folder) / str(number), Heard()
        task = Rows(die_after if rank == "1" else None)
        options = LoopOptions(**OPTIONS, shard_tables=sharded, max_grad_norm=max_grad_norm, checkpoint_seconds=0)
        progress = train(task, options, 1, heard, directory=place / "checkpoints", identity="x")
        assert not [part for part in task.module.modules() if isinstance(part, ShardedEmbedding)]
        found = {"weights": task.module.state_dict(), "curve": progress.curve, "messages": heard.messages}
        torch.save(found | {"held": max(task.held), "stateful": task.stateful}, place / f"{rank}.pt")


def results(folder):
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def equal(found, expected):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_sharded_tables_have_the_curve_and_weights_of_replicated_ones_in_half_of_the_rows(tmp_path, unused_port):
    kinds = [(False, 0.0), (True, 0.0), (False, 0.1), (True, 0.1)]
    assert exit_codes(start(run_rows, tmp_path, kinds, port=unused_port)) == [0, 0]
    replicated, sharded, clipped, clipped_sharded = (results(tmp_path / str(number)) for number in range(4))
    for found, expected in zip(sharded, replicated, strict=True):
        assert found["curve"] == expected["curve"]
        assert equal(found["weights"], expected["weights"])
        assert (expected["held"], expected["stateful"]) == (2 * N, 2 * N)
    assert [found["held"] for found in sharded] == [2 * 21, 2 * 20]
    assert [found["stateful"] for found in sharded] == [2 * 21, 2 * 20]

    assert equal(clipped_sharded[0]["weights"], clipped_sharded[1]["weights"])
    for name, value in clipped[0]["weights"].items():
        assert not torch.equal(value, replicated[0]["weights"][name])
        torch.testing.assert_close(clipped_sharded[0]["weights"][name], value, rtol=1e-4, atol=1e-6)


def flip_a_bit(checkpoints):
    path = next(checkpoints.glob("training.1-of-2.*"))
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)


def first_is_a_step_ahead(checkpoints):
    path = next(checkpoints.glob("training.0-of-2.*"))
    shutil.copy(path, path.with_name("training.0-of-2.3-1.safetensors"))


def lose_a_file(checkpoints):
    next(checkpoints.glob("training.1-of-2.*")).unlink()


@pytest.mark.parametrize(
    ("die_after", "change", "told"),
    [
        (2, None, "training resumes at epoch 1, step 2"),
        (8, None, "training resumes at epoch 3, step 2"),
        (8, first_is_a_step_ahead, "training resumes at epoch 3, step 2"),
        (8, flip_a_bit, "is damaged; training begins anew"),
        (8, lose_a_file, None),
    ],
)
def test_a_killed_process_of_sharded_tables_changes_nothing(tmp_path, unused_port, die_after, change, told):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert exit_codes(start(run_rows, whole, [(True, 0.0)], port=unused_port)) == [0, 0]
    first, second = exit_codes(start(run_rows, killed, [(True, 0.0)], die_after, port=unused_port))
    assert (second, first in (0, None)) == (9, False)
    if change is not None:
        change(killed / "0" / "checkpoints")
    for name in ("training", "training.2-of-3.9-0"):  # of one process, and of three
        (killed / "0" / "checkpoints" / f"{name}.safetensors").write_bytes(b"")
    assert exit_codes(start(run_rows, killed, [(True, 0.0)], port=unused_port)) == [0, 0]
    expected, found = results(whole / "0"), results(killed / "0")
    assert found[0]["curve"] == expected[0]["curve"]
    assert equal(found[0]["weights"], expected[0]["weights"])
    heard = [message for message in found[0]["messages"] if "warning: training of" not in message]
    assert len(heard) == (told is not None)
    assert all(told in message for message in heard)
    names = sorted(path.name for path in (killed / "0" / "checkpoints").glob("*"))
    assert names == ["training.0-of-2.4-0.safetensors", "training.1-of-2.4-0.safetensors"]


ENGINES = ("sasrec", "two_tower", "sage")


def run_engines(folder):
    from recsys.data.splits.split import split
    from recsys.data.synthetic.worlds import BlockTaste
    from recsys.engine import FitContext
    from recsys.engines.graph.sage import GraphSAGE
    from recsys.engines.two_tower.sequence import SASRec
    from recsys.engines.two_tower.two_tower import TwoTower
    from recsys.registry.bundle import Bundle

    data = BlockTaste(users=80, items=30).dataset()
    parts = split(data, "leave_one_out")
    for sharded in (False, True):
        training = {"epochs": 2, "shard_tables": sharded}
        engines = (
            SASRec(dim=8, training=training),
            TwoTower(dim=8, user_id=True, item_bias=True, training=training),
            GraphSAGE(dim=8, training=training),
        )
        for name, engine in zip(ENGINES, engines, strict=True):
            engine.fit(data, parts.train, context=FitContext(3, parts.validation))
            if os.environ["RANK"] == "0":
                Bundle(engine, data).save(Path(folder) / str(sharded) / name)


@pytest.mark.slow
def test_engines_of_sharded_tables_leave_the_bundles_of_replicated_ones(tmp_path, unused_port):
    assert exit_codes(start(run_engines, tmp_path, port=unused_port)) == [0, 0]
    for name in ENGINES:
        found, expected = (sorted((tmp_path / str(kind) / name).rglob("*.safetensors")) for kind in (True, False))
        assert [path.name for path in found] == [path.name for path in expected]
        assert "model.safetensors" in {path.name for path in found}
        assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]
