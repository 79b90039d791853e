"""Batches that a thread prepares ahead give the training that batches prepared when they are due give."""

import threading

import pytest
import torch
from torch import nn

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import DataError
from recsys.tracking import SilentTracker
from recsys.training.ahead import moved
from recsys.training.loop import LoopOptions, train


class Noisy:
    """Fits a line to batches that are drawn in `prepare`; may fail in either part."""

    def __init__(self, fail_prepare=None, fail_loss=None):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.fail_prepare, self.fail_loss, self.prepared, self.used, self.ahead = fail_prepare, fail_loss, 0, 0, 0
        self.threads = set()

    def batches(self, epoch, rng):
        return [rng.normal(size=(16, 4)).astype("float32") for _ in range(6)]

    def loss(self, batch, rng):
        device = self.module[0].weight.device
        return self.prepared_loss(moved(self.prepare(batch, rng), lambda part: part.to(device)))

    def prepare(self, batch, rng):
        self.threads.add(threading.current_thread().name)
        if self.prepared == self.fail_prepare:
            raise DataError("nothing to prepare")
        self.prepared += 1
        return {"x": torch.from_numpy(batch + rng.normal(size=batch.shape).astype("float32") * 0.1)}

    def prepared_loss(self, prepared):
        self.ahead = max(self.ahead, self.prepared - self.used)
        if self.used == self.fail_loss:
            raise KeyboardInterrupt
        self.used += 1
        return (self.module(prepared["x"]).squeeze(1) - prepared["x"].sum(1)).square().mean()

    def examples(self, batch):
        return len(batch)

    def validate(self):
        return None


def options(ahead, device="cpu"):
    return LoopOptions(
        epochs=3,
        warmup=2,
        patience=0,
        checkpoint_seconds=0,
        learning_rate=0.01,
        batches_ahead=ahead,
        device=device,
    )


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("ahead", [1, 2, 50])
def test_the_weights_are_the_same_however_far_ahead_batches_are_prepared(ahead, device):
    plain, task = Noisy(), Noisy()
    expected = train(plain, options(0, device), 1, SilentTracker())
    assert train(task, options(ahead, device), 1, SilentTracker()).curve == expected.curve
    assert equal(task.module, plain.module)
    assert task.ahead <= ahead + 1
    assert plain.threads == {threading.current_thread().name}
    assert plain.threads.isdisjoint(task.threads)


@pytest.mark.parametrize("steps", [0, 4, 11])
def test_a_killed_training_resumes_from_the_batches_it_used_and_not_from_those_made_ahead(tmp_path, steps, device):
    whole, killed, resumed = Noisy(), Noisy(fail_loss=steps), Noisy()
    train(whole, options(2, device), 1, SilentTracker())
    with pytest.raises(KeyboardInterrupt):
        train(killed, options(2, device), 1, SilentTracker(), directory=tmp_path, identity="x")
    train(resumed, options(2, device), 1, SilentTracker(), directory=tmp_path, identity="x")
    assert equal(resumed.module, whole.module)
    assert resumed.used == whole.used - steps


def test_an_error_of_the_thread_is_raised_when_its_batch_is_due_and_no_thread_stays():
    task = Noisy(fail_prepare=4)
    with pytest.raises(DataError, match="nothing to prepare"):
        train(task, options(2), 1, SilentTracker())
    assert task.used == 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_interrupted_training_leaves_no_thread():
    with pytest.raises(KeyboardInterrupt):
        train(Noisy(fail_loss=3), options(2), 1, SilentTracker())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_the_two_tower_engine_has_the_same_weights_with_batches_made_ahead(device):
    data = BlockTaste(users=60, items=30).dataset()
    parts = split(data, "leave_one_out")
    engines = [
        TwoTower(
            dim=8, user_id=True, modality_dropout=0.3, training={"epochs": 2, "batches_ahead": ahead, "device": device}
        )
        for ahead in (0, 2)
    ]
    plain, made_ahead = (one.fit(data, parts.train, context=FitContext(3, parts.validation)) for one in engines)
    assert made_ahead.curve_ == plain.curve_
    assert equal(made_ahead.model, plain.model)
