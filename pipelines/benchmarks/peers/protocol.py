"""Shared by the scripts of the peers. They run in the peer's environment, so nothing of this project is imported here.

A script is called with a folder that holds ``train.csv``, ``validation.csv`` and ``test_histories.csv`` (user_id,
item_id, position) and prints one JSON line per epoch: seconds and CPU seconds of training so far, NDCG@10 on the
validation items (whole catalogue, seen items left out), and the highest resident memory. With ``--lists`` it writes,
for the epoch that was best on validation, the ten items it recommends to each user of ``test_histories.csv``. The test
targets are not in the folder.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Folder, number of epochs, seconds of training after which no further epoch begins, patience, and the lists' file.

    ``--cpu-seconds`` is a limit in CPU time, which other load on the machine does not use up. ``--steps`` is for
    scripts that time an epoch: only so many steps are run and the rest is extrapolated; 0 runs all.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--cpu-seconds", type=float, default=math.inf)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--lists", type=Path)
    return parser.parse_args()


def ndcg_at_10(lists: Mapping[int, Sequence[int]], wanted: Mapping[int, int]) -> float:
    """The mean over users of ``1 / log2(place + 1)`` of the one wanted item; 0 where it is not among the first ten."""
    total = 0.0
    for user, item in wanted.items():
        best = list(lists.get(user, ()))[:10]
        total += 1 / math.log2(best.index(item) + 2) if item in best else 0.0
    return total / len(wanted)


def write_lists(path: Path, lists: Mapping[int, Sequence[int]]) -> None:
    """The first ten of each user, best first, as CSV: user_id, item_id."""
    lines = [f"{user},{item}\n" for user, items in lists.items() for item in list(items)[:10]]
    path.write_text("user_id,item_id\n" + "".join(lines))


def run(
    epochs: int,
    seconds: float,
    patience: int,
    train: Callable[[int], None],
    validate: Callable[[], float],
    keep: Callable[[], None] = lambda: None,
    cpu_seconds: float = math.inf,
) -> None:
    """Trains epoch by epoch until the time is spent or the metric has not risen for ``patience`` epochs.

    Args:
        epochs: largest number of epochs.
        seconds: no epoch begins after this many seconds of training.
        patience: epochs without a better metric.
        train: trains one epoch.
        validate: returns the validation metric.
        keep: called after every epoch that is the best so far.
        cpu_seconds: no epoch begins after this many CPU seconds of training.
    """
    spent, cpu, best, best_epoch = 0.0, 0.0, -1.0, 0
    for epoch in range(1, epochs + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        train(epoch)
        spent += time.perf_counter() - start
        cpu += time.process_time() - cpu_start
        metric = validate()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        times = {"seconds": round(spent, 1), "cpu_seconds": round(cpu, 1)}
        print(json.dumps({"epoch": epoch, **times, "ndcg@10": metric, "peak_memory_mb": round(memory)}), flush=True)
        if metric > best:
            best, best_epoch = metric, epoch
            keep()
        if epoch - best_epoch >= patience or spent >= seconds or cpu >= cpu_seconds:
            return
