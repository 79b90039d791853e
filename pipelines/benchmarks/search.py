"""Recall and throughput of approximate search relative to exact search, in one process.

``python -m pipelines.benchmarks.search`` draws 100,000 items in clusters (64 dimensions) and 1,000 users with ten seen
items each, and compares the top 100 of ``index = "faiss"`` and ``"hnsw"`` with those of ``index = "exact"``: with all
items, with half of them, and with 1 % and 0.1 % allowed. Breadth is chosen on other users. ``--items``, ``--dims``,
``--users``, ``--k``, ``--spread`` (of a cluster) and ``--index`` set the rest.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.engine import Vectors
from recsys.ranking import Ranked
from recsys.retrieval import INDEXES
from recsys.retrieval.approximate.built import IndexSetting, recall_of
from recsys.retrieval.approximate.search import Approximate
from recsys.retrieval.index import Index

SHARES = (1.0, 0.5, 0.01, 0.001)
_CLUSTERS, _SEEN = 500, 10


def drawn(rng: np.random.Generator, centres: NDArray[np.float32], n: int, spread: float) -> NDArray[np.float32]:
    """float32 [n, D]: unit vectors around random centres."""
    noise = rng.normal(size=(n, centres.shape[1])).astype(np.float32)
    found = centres[rng.integers(0, len(centres), n)] + np.float32(spread) * noise
    unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def timed(index: Index, users: Vectors, k: int, seen: Histories) -> tuple[Ranked, float]:
    """The lists, and users a second, the better of two passes."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        found = index.top_k(users, k, seen)
        seconds.append(time.perf_counter() - start)
    return found, len(users) / min(seconds)


def main(
    items: Annotated[int, typer.Option(min=1000)] = 100_000,
    dims: Annotated[int, typer.Option(min=2)] = 64,
    users: Annotated[int, typer.Option(min=1)] = 1000,
    k: Annotated[int, typer.Option(min=1)] = 100,
    spread: Annotated[float, typer.Option(min=0)] = 0.5,
    index: Annotated[str, typer.Option(help="Names with commas.")] = "faiss,hnsw",
) -> None:
    """Prints one line for each index and share of allowed items."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(_CLUSTERS, dims)).astype(np.float32)
    catalogue, asked, others = (Vectors(drawn(rng, centres, n, spread)) for n in (items, users, 512))
    seen = Histories.of(rng.integers(0, items, (users, _SEEN)).tolist())
    allowed = {share: None if share == 1 else rng.choice(items, int(items * share), replace=False) for share in SHARES}
    exact = {share: timed(INDEXES["exact"](catalogue, rows), asked, k, seen) for share, rows in allowed.items()}
    print(f"{items} items, {dims} dimensions, {users} users, k = {k}")
    for name in index.split(","):
        approximate = INDEXES[name]
        assert issubclass(approximate, Approximate), f"{name} is exact"
        make = approximate.sharing(IndexSetting(lambda: others))
        start = time.perf_counter()
        told = make(catalogue, None).told
        print(f"{name}: built in {time.perf_counter() - start:.1f} s; {told}")
        for share, rows in allowed.items():
            (wanted, _), plain = exact[share]
            (found, _), fast = timed(make(catalogue, rows), asked, k, seen)
            full = (found != MISSING).sum() / (wanted != MISSING).sum()
            print(
                f"{share:6.1%} allowed: recall@{k} {recall_of(wanted, found):.4f}, places filled {full:.3f}, "
                f"exact {plain:,.0f} users/s, {name} {fast:,.0f} users/s ({fast / plain:.1f}x)"
            )


if __name__ == "__main__":
    typer.run(main)
