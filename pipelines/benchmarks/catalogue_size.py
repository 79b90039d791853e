"""Training cost against the size of the catalogue and the number of interactions, on synthetic histories.

``python -m pipelines.benchmarks.catalogue_size`` trains the sequence engine (sampled softmax, 64 dimensions) on the
same number of events over 10^4, 10^5 and 10^6 items, then on half and twice the events, and prints seconds an epoch and
microseconds an event. The time should be linear in the
events, whatever the catalogue; memory holds the embedding table and Adam's two moments.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import FitContext
from recsys.engines.two_tower.sequence import SASRec
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from recsys.training.cost import measured


class EpochTimes(SilentTracker):
    """When each epoch ended, in wall-clock and CPU time."""

    def __init__(self) -> None:
        self.wall = [time.perf_counter()]
        self.cpu = [time.process_time()]

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())


def synthetic(n_items: int, n_events: int, length: int = 10) -> Dataset:
    """Histories of ``length`` events over items of Zipf-like popularity, whatever the catalogue's size."""
    rng = stream(0, "catalogue", n_items, n_events)
    n_users = n_events // length
    # Log-uniform ranks: each decade of ranks gets the same share of the events.
    item = np.minimum(np.exp(rng.random(n_users * length) * np.log(n_items)).astype(np.int64), n_items) - 1
    user = np.repeat(np.arange(n_users), length)
    times = np.tile(np.arange(length), n_users)
    items, users = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (n_items, n_users))
    return Dataset("synthetic", users, items, Interactions.of(user, item, times), False)


def cost(n_items: int, n_events: int, epochs: int) -> tuple[float, float, float]:
    """Median wall and CPU seconds of an epoch after the first, and the peak memory in MiB."""
    data = synthetic(n_items, n_events)
    engine = SASRec(epochs=epochs, schedule="constant", patience=0)
    tracker = EpochTimes()
    with measured() as spent:
        engine.fit(data, context=FitContext(tracker=tracker))
    wall, cpu = (float(np.median(np.diff(marks)[1:])) for marks in (tracker.wall, tracker.cpu))
    return wall, cpu, spent.peak_memory_mb


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    cases = [(n, arguments.events) for n in arguments.items]
    cases += [(arguments.items[0], arguments.events // 2), (arguments.items[0], arguments.events * 2)]
    print(f"{'items':>10}{'events':>10}{'s/epoch':>10}{'CPU s':>8}{'CPU us/event':>14}{'peak MiB':>10}")
    for n_items, n_events in cases:
        wall, cpu, memory = cost(n_items, n_events, arguments.epochs)
        print(f"{n_items:>10,}{n_events:>10,}{wall:>10.2f}{cpu:>8.2f}{1e6 * cpu / n_events:>14.1f}{memory:>10.0f}")


if __name__ == "__main__":
    main()
