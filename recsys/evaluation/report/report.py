"""The report of an evaluation: every number with its interval, every comparison with its test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.atomic import atomic_path, make_parents, write_json, write_text
from recsys.errors import ArtifactError, checked_path
from recsys.evaluation.metrics import parse_metric, shown
from recsys.evaluation.report.per_user import read_values, write_values
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonMapping, JsonObject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
TABLE = ("recall@10", "recall@20", "ndcg@10")


def reader_note(content: JsonMapping) -> str:
    """What a reader of a report must know about its figures; empty where it is as the names of the metrics say."""
    split, notes = content["split"], []
    if split.get("at_random"):
        notes.append(
            "The targets are a random part of each user's interactions, not the latest: this is no prediction of the "
            "future, and the figures do not compare with those of a split by time."
        )
    lengths = {parse_metric(key)[1] for engine in content["engines"].values() for key in engine if "@" in key}
    longer = sorted(k for k in lengths if k > split["candidates"])
    if longer:
        notes.append(
            f"Lists of {', '.join(map(str, longer))} items were asked for; there are {split['candidates']} candidates, "
            "so those lists hold at most as many."
        )
    return " ".join(notes)


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The metrics, comparisons and slices of an evaluation, and each user's metrics.

    Args:
        content: ``report.json`` as JSON values; the README of ``pipelines`` has the schema.
        values: engine -> metric -> float64 [U].
        users: int32 [U], rows of the evaluation users.

    Example:
        >>> from recsys.data.splits.split import split
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.popularity import Popularity
        >>> from recsys.evaluation.compare import evaluate_engines
        >>> data = BlockTaste(users=30).dataset()
        >>> parts = split(data)
        >>> report = evaluate_engines(Popularity().fit(data, parts.train), data, parts.test, ks=(5,))
        >>> report.to_frame().columns.tolist()
        ['engine', 'metric', 'value', 'low', 'high']
    """

    content: JsonMapping
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    users: NDArray[np.int32]

    @property
    def engines(self) -> dict[str, JsonObject]:
        """Engine -> metric -> ``{"value", "low", "high"}``, and what the fit cost."""
        engines: dict[str, JsonObject] = self.content["engines"]
        return engines

    def __repr__(self) -> str:
        split = self.content["split"]
        name = self.content["data"]["name"]
        about = f"{name}, {split['protocol']}" if name else split["protocol"]
        lines = [f"{about}: {split['users']:,} users", self.table()]
        lines += [reader_note(self.content)] if reader_note(self.content) else []
        lines += [
            f"{row['engine']} - {row['baseline']}, {row['metric']}: {row['difference']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}], p = {row['p_holm']:.4f} (Holm)"
            for row in self.content["comparisons"]
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from recsys.evaluation.report.html import fragment

        return fragment(self.content)

    def table(self, metrics: Sequence[str] = TABLE) -> str:
        """A table for the terminal: a row an engine, each metric with its 95 % interval."""
        known = shown(self.engines, metrics)
        width = max(len("engine"), *(len(name) for name in self.engines))
        lines = [f"{'engine':<{width}}" + "".join(f"  {metric:<22}" for metric in known).rstrip()]
        for name, engine in self.engines.items():
            cells = [engine[m] for m in known]
            row = "".join(f"  {c['value']:.4f} [{c['low']:.4f}, {c['high']:.4f}]" for c in cells)
            lines.append(f"{name:<{width}}{row}")
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """``engine, metric, value, low, high``: a row for each engine and metric, with its 95 % interval."""
        rows = [
            (name, metric, *(values[metric][key] for key in ("value", "low", "high")))
            for name, values in self.engines.items()
            for metric in self._metrics(name)
        ]
        return pd.DataFrame(rows, columns=["engine", "metric", "value", "low", "high"])

    def comparisons_frame(self) -> pd.DataFrame:
        """``engine, baseline, metric, difference, low, high, p, p_holm``: a row for each paired test."""
        columns = ["engine", "baseline", "metric", "difference", "low", "high", "p", "p_holm"]
        return pd.DataFrame(self.content["comparisons"], columns=columns)

    def plot(self, metrics: Sequence[str] = ("recall", "ndcg")) -> Figure:
        """A Matplotlib figure: each of ``metrics`` by the length of the list, with 95 % bands."""
        from recsys.evaluation.report.plots import metrics_figure

        return metrics_figure(self.content, metrics)

    def save(self, directory: str | Path) -> Path:
        """Writes ``report.json``, ``report.html`` and ``per_user.parquet``, one row per engine and user.

        Returns:
            The directory as a path; it is made where it is missing.
        """
        from recsys.evaluation.report.html import render

        directory = checked_path("directory", directory)
        make_parents(directory / "report.json")
        write_json(directory / "report.json", self.content)
        with atomic_path(directory / "per_user.parquet") as beside:
            write_values(beside, self.users, self.values)
        write_text(directory / "report.html", render(self.content))
        return directory

    @classmethod
    def load(cls, directory: str | Path) -> Report:
        """Reads a report that `save` wrote.

        Raises:
            ArtifactError: a part is missing, damaged or of an unknown version.
        """
        directory = checked_path("directory", directory)
        content = read_object(directory / "report.json", "schema", "engines")
        if content["schema"] != SCHEMA:
            raise ArtifactError(f"{directory}/report.json has schema {content.get('schema')!r}, expected {SCHEMA}")
        users, values = read_values(directory / "per_user.parquet")
        engines = content["engines"]  # JSON sorts its keys; the table has the order of the report
        with as_written(directory / "report.json"):
            content["engines"] = {name: engines[name] for name in [*values, *engines] if name in engines}
            found = cls(content, values, users)
            repr(found)  # reads every figure
        return found

    def _metrics(self, name: str) -> list[str]:
        """The metrics of an engine, by their name and the length of the list."""
        return sorted((key for key in self.engines[name] if "@" in key), key=parse_metric)
