"""Cost of batch recommendation relative to the bare matrix product and top-k, and its memory by number of users.

``python -m pipelines.benchmarks.recommend`` recommends the top 100 to every Gowalla user, with the seen filter and the
Parquet parts, and in turn runs the bare ``torch.matmul`` and ``torch.topk`` over the same blocks. It prints the ratio
of the times (at most 2.0) and the peak of private memory with the users once and four times.
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


def peak_mb(copies: int, dim: int, k: int) -> tuple[float, float]:
    """Private memory before, and at its peak during, a recommendation from a prepared dataset."""
    from recsys.data.dataset import Dataset

    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "data"
        subprocess.run(
            [sys.executable, "-m", __spec__.name, "--prepare", str(folder), "--copies", str(copies)], check=True
        )
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
    prepare: Annotated[Path | None, typer.Option(hidden=True)] = None,
    copies: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Prints the ratio and the memory; exit code 1 if the ratio is above 2.0."""
    if prepare is not None:
        gowalla(copies).save(prepare)
        return
    if copies:
        before, peak = peak_mb(copies, dim, k)
        print(f"users x{copies}: private memory {before:.0f} MiB before, {peak:.0f} MiB at the peak", flush=True)
        return
    data, pairs = gowalla(1), []
    for repeat in range(repeats + 1):
        pair = whole(data, dim, k), bare(data.n_users, data.n_items, dim, k)
        if repeat:  # the first pair warms the caches
            pairs.append(pair)
            print(f"recommend {pair[0]:.2f} s   bare {pair[1]:.2f} s   ratio {pair[0] / pair[1]:.2f}", flush=True)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"median ratio {ratio:.2f} (bar {BAR})", flush=True)
    for times in (1, 4) if memory else ():
        subprocess.run([sys.executable, "-m", __spec__.name, "--copies", str(times), "--dim", str(dim)], check=True)
    raise typer.Exit(0 if ratio <= BAR else 1)


if __name__ == "__main__":
    typer.run(main)
