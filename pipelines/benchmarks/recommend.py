"""Cost of batch recommendation relative to the bare matrix product and top-k, and its memory by number of users.

``python -m pipelines.benchmarks.recommend`` recommends the top 100 to every Gowalla user, with the seen filter and the
Parquet parts, and in turn runs the bare ``torch.matmul`` and ``torch.topk`` over the same blocks. It prints the ratio
of the times (at most 2.0) and the peak of private memory with the users once and four times.

``--users 1000000 --items 100000`` does it for users and items drawn at random, twenty interactions each, and
answers 20,000 of them by ``implicit``'s ``recommend`` from the same vectors too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

BAR = 2.0
SAMPLE = 20_000
"""Users that implicit answers."""


class FixedVectors:
    """The cheapest engine there is: vectors drawn at random, so that the time is that of retrieval alone."""

    kind = "fixed"

    def __init__(self, n_items: int, dim: int) -> None:
        self._dim = dim
        self._items = np.random.default_rng(0).normal(size=(n_items, dim)).astype(np.float32)

    def user_vectors(self, request: Any) -> Any:
        from recsys.engine import Vectors

        seed = int(request.users.vocabulary.ids[0])
        return Vectors(np.random.default_rng(seed).standard_normal((len(request), self._dim), np.float32))

    def item_vectors(self, items: Any, at: int | None = None) -> Any:
        from recsys.engine import Vectors

        return Vectors(self._items)


def gowalla(copies: int) -> Any:
    """The train part of Gowalla with its users ``copies`` times, each copy under new ids."""
    from recsys.data.dataset import Dataset
    from recsys.data.entities import EntityTable
    from recsys.data.interactions import Interactions
    from recsys.data.vocabulary import Vocabulary

    path = Path(os.environ.get("RECSYS_DATA_DIR", "../shared/data")) / "gowalla" / "train.parquet"
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist; set RECSYS_DATA_DIR to the folder that holds gowalla/")
    frame = pd.read_parquet(path)
    users, items = Vocabulary.of(frame["user_id"].to_numpy()), Vocabulary.of(range(40_981))
    user, item = users.rows(frame["user_id"].to_numpy()), items.rows(frame["item_id"].to_numpy())
    rows = np.concatenate([user + copy * len(users) for copy in range(copies)])
    return Dataset(
        "gowalla",
        EntityTable.bare(Vocabulary(np.arange(len(users) * copies))),
        EntityTable.bare(items),
        Interactions.of(rows, np.tile(item, copies)),
        has_timestamps=False,
    )


def drawn(users: int, items: int, events: int = 20) -> Any:
    """Users with ``events`` interactions with random items."""
    from recsys.data.dataset import Dataset
    from recsys.data.entities import EntityTable
    from recsys.data.interactions import Interactions
    from recsys.data.vocabulary import Vocabulary

    rows = np.repeat(np.arange(users), events)
    return Dataset(
        "drawn",
        EntityTable.bare(Vocabulary(np.arange(users))),
        EntityTable.bare(Vocabulary(np.arange(items))),
        Interactions.of(rows, np.random.default_rng(0).integers(0, items, len(rows))),
        has_timestamps=False,
    )


def by_implicit(data: Any, dim: int, k: int) -> float:
    """Users a second of `implicit` with the seen filter, in batches as large as ours."""
    from pipelines.benchmarks.peers.implicit_lists import lists

    rng, sample = np.random.default_rng(0), min(SAMPLE, data.n_users)
    factors = [rng.standard_normal((count, dim), np.float32) for count in (sample, data.n_items)]
    first = data.interactions.user < sample
    seen = data.interactions.user[first], data.interactions.item[first]
    start = time.perf_counter()
    lists(factors, seen, k)
    return float(sample / (time.perf_counter() - start))


def bare(users: int, items: int, dim: int, k: int) -> float:
    """Seconds of the matrix product and the top-k alone, in blocks like those of the ranking."""
    import torch

    from recsys.ranking import block_rows

    table, vectors = torch.randn(items, dim), torch.randn(users, dim)
    block = block_rows(items)
    buffer = torch.empty(block, items)
    start = time.perf_counter()
    for first in range(0, users, block):
        part = vectors[first : first + block]
        scores = torch.matmul(part, table.T, out=buffer[: len(part)])
        torch.topk(scores, k, dim=1)
    return time.perf_counter() - start


def whole(data: Any, dim: int, k: int) -> float:
    """Seconds of a batch recommendation into a new folder."""
    from recsys.retrieval.batch import RecommendOptions
    from recsys.retrieval.recommend import recommend

    engine: Any = FixedVectors(data.n_items, dim)
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        recommend(engine, data, Path(directory) / "out", RecommendOptions(k=k))
        return time.perf_counter() - start


def private_mb() -> float:
    """Private memory of this process now; pages of mapped files, which the system may drop, do not count."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


def peak_mb(copies: int, dim: int, k: int, size: tuple[int, int]) -> tuple[float, float]:
    """Private memory before, and at its peak during, a recommendation from a prepared dataset."""
    from recsys.data.dataset import Dataset

    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "data"
        drawn_too = ["--users", str(size[0]), "--items", str(size[1])]
        made = ["--prepare", str(folder), "--copies", str(copies), *drawn_too]
        subprocess.run([sys.executable, "-m", __spec__.name, *made], check=True)
        data, done, seen = Dataset.load(folder), threading.Event(), [private_mb()]
        before = seen[0]

        def watch() -> None:
            while not done.wait(0.02):
                seen.append(private_mb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        whole(data, dim, k)
        done.set()
        watcher.join()
        return before, max(seen)


def main(
    dim: int = 64,
    k: int = 100,
    repeats: int = 5,
    memory: bool = True,
    users: Annotated[int, typer.Option(help="Drawn at random; 0 takes those of Gowalla.")] = 0,
    items: int = 100_000,
    prepare: Annotated[Path | None, typer.Option(hidden=True)] = None,
    copies: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Prints the ratio and the memory; exit code 1 if the ratio is above 2.0."""
    if prepare is not None:
        (gowalla(copies) if not users else drawn(users, items)).save(prepare)
        return
    if copies:
        before, peak = peak_mb(copies, dim, k, (users, items))
        print(f"users x{copies}: private memory {before:.0f} MiB before, {peak:.0f} MiB at the peak", flush=True)
        return
    data, pairs = drawn(users, items) if users else gowalla(1), []
    for repeat in range(repeats if users else repeats + 1):
        pair = whole(data, dim, k), bare(data.n_users, data.n_items, dim, k)
        if repeat or users:  # the first pair of a short run warms the caches
            pairs.append(pair)
            print(f"recommend {pair[0]:.2f} s   bare {pair[1]:.2f} s   ratio {pair[0] / pair[1]:.2f}", flush=True)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"median ratio {ratio:.2f} (bar {BAR})", flush=True)
    if users:
        ours, theirs = data.n_users / statistics.median(a for a, _ in pairs), by_implicit(data, dim, k)
        print(f"{ours:,.0f} users/s, implicit {theirs:,.0f} users/s: {ours / theirs:.2f} times", flush=True)
    size = ["--users", str(users), "--items", str(items), "--dim", str(dim)]
    for times in ((1,) if users else (1, 4)) if memory else ():
        subprocess.run([sys.executable, "-m", __spec__.name, "--copies", str(times), *size], check=True)
    raise typer.Exit(0 if ratio <= BAR else 1)


if __name__ == "__main__":
    typer.run(main)
