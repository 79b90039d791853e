"""Cost of rules relative to the plain batch, as paired ratios in one process.

``python -m pipelines.benchmarks.rules`` recommends the top 100 of 20,000 items (64 dimensions) to 20,000 users, plain
and with each rule in turn, each pair one after the other, and prints the median ratio of the CPU times: at most 1.3 for
each rule, and 1.7 for all together; then the ratio to the bare matrix product with `torch.topk`, of which the plain
batch may take a fraction at ``--items 100000``, a large catalogue.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import pandas as pd
import typer

from pipelines.benchmarks.recommend import FixedVectors, bare
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Engine
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.recommend import recommend
from recsys.retrieval.rules.options import RuleOptions

BAR, BAR_OF_ALL = 1.3, 1.7
_DAY = 86_400
_ONE: dict[str, dict[str, object]] = {
    "availability": {"available_from": "released", "available_until": "gone"},
    "freshness": {"freshness": {"days": 3000, "column": "released"}},
    "exclusions": {"exclusions": "exclusions.parquet"},
    "blocked": {"blocked": True},
    "boosts": {"boosts": [{"where": "brand == 'b1'", "factor": 1.2}]},
    "group": {"group": "series"},
    "caps": {"caps": [{"column": "brand", "most": 10}]},
    "at_least": {"at_least": [{"where": "brand == 'b2'", "least": 5}]},
    "diversity": {"diversity": {"weight": 0.3}},
    "diversity by a column": {"diversity": {"weight": 0.3, "column": "genre"}},
    "calibration": {"calibration": {"column": "genre"}},
    "exploration": {"exploration": {"share": 0.05}},
}


def world(users: int, items: int, events: int = 20) -> Dataset:
    """Users with ``events`` interactions each, and items with brands, genres, series and times."""
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(
        {
            "brand": [f"b{n}" for n in rng.integers(0, 50, items)],
            "genre": [f"g{n}" for n in rng.integers(0, 20, items)],
            "series": [f"s{n}" for n in rng.integers(0, items // 3, items)],
            "released": rng.integers(0, 3600, items) * float(_DAY),
            "gone": rng.integers(3600, 9000, items) * float(_DAY),
        }
    )
    kinds = {
        "brand": "categorical",
        "genre": "categorical",
        "series": "categorical",
        "released": "time",
        "gone": "time",
    }
    table = EntityTable(Vocabulary(np.arange(items)), cells, Schema.of(kinds))
    owner = np.repeat(np.arange(users), events)
    likes = Interactions.of(owner, rng.integers(0, items, len(owner)), np.tile(np.arange(events), users))
    dislikes = Interactions.of(np.arange(users), rng.integers(0, items, users), np.zeros(users, np.int64))
    data = Dataset("rules", EntityTable.bare(Vocabulary(np.arange(users))), table, likes, has_timestamps=True)
    return replace(data, non_likes=dislikes)


def seconds(data: Dataset, dim: int, k: int, rules: Mapping[str, object]) -> float:
    """CPU seconds of a batch recommendation into a new folder."""
    engine = cast(Engine, FixedVectors(data.n_items, dim))
    options = RecommendOptions(k=k, at=3600 * _DAY, rules=RuleOptions.model_validate(rules))
    with tempfile.TemporaryDirectory() as directory:
        start = time.process_time()
        recommend(engine, data, Path(directory) / "out", options)
        return time.process_time() - start


def bare_seconds(data: Dataset, dim: int, k: int) -> float:
    """CPU seconds of the matrix product and the top-k alone."""
    start = time.process_time()
    bare(data.n_users, data.n_items, dim, k)
    return time.process_time() - start


def main(
    users: int = 20_000,
    items: int = 20_000,
    dim: int = 64,
    k: int = 100,
    repeats: int = 3,
    rule: Annotated[list[str] | None, typer.Option(help="Only these, such as caps or all; repeatable.")] = None,
) -> None:
    """Prints the ratios; exit code 1 if one is above its bar."""
    data, failed = world(users, items), False
    with tempfile.TemporaryDirectory() as directory:
        pairs = pd.DataFrame({"user_id": np.arange(users), "item_id": np.arange(users) % items})
        pairs.to_parquet(Path(directory) / "exclusions.parquet")
        cases: dict[str, dict[str, object]] = {name: dict(rules) for name, rules in _ONE.items()}
        cases["exclusions"] = {"exclusions": Path(directory) / "exclusions.parquet"}
        together = [rules for name, rules in cases.items() if name != "diversity by a column"]
        cases["all"] = {key: value for rules in together for key, value in rules.items()}
        seconds(data, dim, k, {})  # warms the caches
        for name in rule or cases:
            times = [
                (seconds(data, dim, k, {}), seconds(data, dim, k, cases[name]), bare_seconds(data, dim, k))
                for _ in range(repeats)
            ]
            ratios = [with_rules / plain for plain, with_rules, _ in times]
            to_bare = statistics.median(with_rules / product for _, with_rules, product in times)
            bar = BAR_OF_ALL if name == "all" else BAR
            failed |= statistics.median(ratios) > bar
            shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
            median = statistics.median(ratios)
            print(
                f"{name:<24} median {median:.2f} (bar {bar}): {shown}   of the bare product {to_bare:.2f}", flush=True
            )
    raise typer.Exit(failed)


if __name__ == "__main__":
    typer.run(main)
