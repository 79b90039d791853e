"""Events a second in training, and the share of what a device can do: its rate for a large product of matrices."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipelines.benchmarks.catalogue_size import EpochTimes, synthetic
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.engine import FitContext
from recsys.engines.two_tower.sequence import SASRec
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.seeding import stream

ENGINES: dict[str, type[TwoTower]] = {"two_tower": TwoTower, "sasrec": SASRec}
_ITEMS, _LENGTH = 27_000, 100
"""Size of the catalogue, and events a user."""


@dataclass(frozen=True)
class TrainingRate:
    """What an epoch of training costs.

    Args:
        events: of the epoch.
        seconds: of the epoch after the first.
        flops: floating-point operations an event, of products of matrices and attention, forward and backward.
    """

    events: int
    seconds: float
    flops: float

    def line(self, name: str, peak: float) -> str:
        """The rate beside the ``peak`` of the device, in operations a second."""
        rate = self.events / self.seconds
        done = rate * self.flops
        return (
            f"{name}: {self.events:,} events in {self.seconds:.1f} s an epoch, {rate:,.0f} a second; "
            f"{self.flops / 1e6:.2f} MFLOP an event, {done / 1e12:.3g} TFLOP/s, {done / peak:.2%} of the products' rate"
        )


def world(events: int) -> Dataset:
    """Histories of 100 events over 27,000 items, with a category, tags and a price, of users with a country."""
    data, rng = synthetic(_ITEMS, events, _LENGTH), stream(0, "device", events)
    tags = [f"t{a}|t{b}" for a, b in rng.integers(0, 200, (data.n_items, 2))]
    columns = pd.DataFrame({"category": rng.integers(0, 500, data.n_items).astype(str), "tags": tags})
    columns["price"] = rng.lognormal(size=data.n_items)
    schema = Schema.of({"category": "categorical", "tags": "tags:|", "price": "numeric"})
    countries = pd.DataFrame({"country": rng.integers(0, 50, data.n_users).astype(str)})
    items = EntityTable(data.items.vocabulary, columns, schema)
    users = EntityTable(data.users.vocabulary, countries, Schema.of({"country": "categorical"}))
    return replace(data, items=items, users=users)


def training_rate(name: str, events: int, device: str) -> TrainingRate:
    """The second of two epochs of the engine ``name`` with the options that follow from the data."""
    clock = EpochTimes()
    training = {"epochs": 2, "schedule": "constant", "patience": 0, "device": device}
    columns = {"leave_out": [], "graph_weight": 0.0} if name == "two_tower" else {}
    engine = ENGINES[name](popularity_weight=0.0, training=training, **columns)
    data = world(events)
    engine.fit(data, context=FitContext(tracker=clock))
    return TrainingRate(len(data.interactions), float(np.diff(clock.wall)[1]), flops_of_an_event(engine))


def flops_of_an_event(engine: TwoTower, events: int = 10_000) -> float:
    """Operations that a training of a fitted engine's options takes an event, counted on the CPU on so many events."""
    options = engine.options_
    training = options.training.model_copy(update={"device": "cpu", "epochs": 1})
    data = world(events)
    in_place = {torch.ops.aten.addmm_: _addmm}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        type(engine)(options.model_copy(update={"training": training})).fit(data)
    counted: int = counter.get_total_flops()
    return counted / len(data.interactions)


def _addmm(_: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], **__: object) -> int:
    """Of ``_ += a @ b``, from shapes."""
    return 2 * a[0] * a[1] * b[1]


def matmul_rate(device: torch.device, seconds: float = 0.5) -> float:
    """Operations a second of a product of square matrices: bfloat16 of 8,192 on CUDA, float32 of 1,024 on the CPU."""
    on_cuda = device.type == "cuda"
    n = 8192 if on_cuda else 1024
    a = torch.rand(n, n, device=device, dtype=torch.bfloat16 if on_cuda else torch.float32)
    times = 1
    while True:
        _wait(device)
        start = time.perf_counter()
        for _ in range(times):
            a @ a
        _wait(device)
        spent = time.perf_counter() - start
        if spent > seconds:  # the first rounds, which warm up, are shorter
            return times * 2 * n**3 / spent
        times *= 2


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
