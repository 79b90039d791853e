"""The options chosen on Amazon Beauty, evaluated on another dataset.

``python -m pipelines.benchmarks.transfer`` makes a dataset of similar shape out of MovieLens 1M (of each user
the last 5 to 50 events, their number geometric; every user and item at least five events; genres and half decades as
attributes), and runs ``pipelines/configs/beauty-refit.toml`` with only ``data.interactions`` and ``data.items``
replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from recsys.data.sources import find
from recsys.seeding import stream

CONFIG = Path(__file__).parent.parent / "configs" / "beauty-refit.toml"
BAR = 1.1
"""Least ratio of the hybrid's metrics to those of EASE with decay."""


def main(
    config: Annotated[Path, typer.Argument(help="A run with the engines ease and hybrid.")] = CONFIG,
    output: Annotated[Path, typer.Option(help="Folder of the set and of the run.")] = Path("runs/transfer"),
) -> None:
    """Prints the ratios of hybrid to EASE; exit code 1 if one is below 1.1."""
    from pipelines.config import read_run_config
    from pipelines.stages import run_stages
    from pipelines.workspace import Workspace
    from recsys.atomic import read_json
    from recsys.tracking import ConsoleTracker

    tables = {"interactions": output / "interactions.parquet", "items": output / "items.csv"}
    output.mkdir(parents=True, exist_ok=True)
    interactions, items = short_histories(find("movielens-1m"))
    interactions.to_parquet(tables["interactions"], index=False)
    items.to_csv(tables["items"], index=False)
    run = read_run_config(config, [f"data.{name}={path}" for name, path in tables.items()])
    run_stages(run, Workspace(output / "run"), ConsoleTracker(), "evaluate")
    engines = read_json(output / "run" / "report.json")["engines"]
    ratios = {
        metric: engines["hybrid"][metric]["value"] / engines["ease"][metric]["value"]
        for metric in ("recall@10", "ndcg@10")
    }
    print("  ".join(f"hybrid / ease {metric} {ratio:.3f}" for metric, ratio in ratios.items()), f" bar {BAR}")
    raise typer.Exit(0 if min(ratios.values()) >= BAR else 1)


def short_histories(folder: Path, core: int = 5, longest: int = 50) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Interactions (user_id, item_id, position) and items (item_id, attributes) of the set."""
    events = pd.read_parquet(folder / "interactions.parquet").sort_values(["user_id", "position"])
    users = np.sort(events["user_id"].unique())
    drawn = stream(0, "transfer").geometric(1 / core, len(users)) + core - 1
    kept = events["user_id"].map(pd.Series(drawn.clip(core, longest), users))
    events = _core(events[events.groupby("user_id").cumcount(ascending=False) < kept], core)
    items = pd.read_csv(folder / "items.csv")
    items = items[items["item_id"].isin(events["item_id"])]
    lustrum = ("|from " + (items["year"] // 5 * 5).astype("Int64").astype("string")).fillna("")
    return events, pd.DataFrame({"item_id": items["item_id"], "attributes": items["genres"] + lustrum})


def _core(events: pd.DataFrame, least: int) -> pd.DataFrame:
    """The k-core: drops users and items of fewer than ``least`` events until all have that many."""
    while True:
        often = [events[column].map(events[column].value_counts()) >= least for column in ("user_id", "item_id")]
        if all(part.all() for part in often):
            return events
        events = events[often[0] & often[1]]


if __name__ == "__main__":
    typer.run(main)
