"""A service under a usual set of rules, which `pipelines.benchmarks.serve` asks.

``python -m pipelines.benchmarks.ruled_service BUNDLE STATE`` serves a bundle of MovieLens on a free port under a quota
and a group by columns, freshness by the year, dislikes (every fiftieth interaction is taken for one) and MMR.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import typer

from pipelines.commands.serve import Listen, Opened, ServeOptions, serve
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.schema import Column, Kind, Schema
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.service.limits import Limits
from recsys.service.state import Experiment
from recsys.service.versions.source import FolderSource, Serving

RULES: dict[str, object] = {
    "at_least": [{"where": '"Drama" in genres', "least": 3}],
    "group": "director",
    "blocked": True,
    "freshness": {"days": 40 * 365, "column": "released"},
    "diversity": {"weight": 0.3},
    "reasons": True,
}


def with_dislikes(folder: Path, version: str, bundle: Bundle) -> Dataset:
    """The data of a bundle with the dates of its films and with negative feedback."""
    data = bundle.data
    years = data.items.columns["year"].fillna(1990)
    dates = [f"{int(year)}-06-01" for year in years]
    columns = {**data.items.schema.columns, "released": Column(Kind.TIME)}
    items = EntityTable(data.items.vocabulary, data.items.columns.assign(released=dates), Schema(columns))
    events = np.arange(len(data.interactions))
    liked, disliked = (data.interactions.select(part) for part in (events % 50 != 0, events % 50 == 0))
    return replace(data, items=items, interactions=liked, non_likes=disliked)


def main(bundle: Path, state: Path) -> None:
    """Serves until SIGTERM."""
    serving = Serving(RecommendOptions.model_validate({"rules": RULES}), with_dislikes)
    options = ServeOptions(Experiment(), Limits(seconds=60.0), Listen(port=0))
    serve(lambda: Opened(FolderSource(bundle, serving), state), options)


if __name__ == "__main__":
    typer.run(main)
