"""The report of an evaluation: every number with its interval, every comparison with its test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.atomic import atomic_path, read_json, write_json, write_text
from recsys.data.splits.split import Holdout, Split
from recsys.errors import ArtifactError
from recsys.evaluation.catalogue import catalogue_metrics
from recsys.evaluation.evaluate import Result
from recsys.evaluation.intervals import bootstrap_interval, holm, paired_test, ratio_interval
from recsys.evaluation.metrics import compared, shown

SCHEMA = 1
TABLE = ("recall@10", "recall@20", "ndcg@10")


@dataclass(frozen=True, eq=False)
class Report:
    """What `report.json` holds, and the values of each user.

    Args:
        content: JSON values; the README has the schema.
        values: engine -> metric -> float64 [U].
        users: int32 [U], rows of those asked.
    """

    content: Mapping[str, Any]
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    users: NDArray[np.int32]

    @property
    def engines(self) -> dict[str, dict[str, Any]]:
        """Engine -> metric -> ``{"value", "low", "high"}``, and what the fit cost."""
        engines: dict[str, dict[str, Any]] = self.content["engines"]
        return engines

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

    def save(self, directory: Path) -> None:
        """``report.json``, and ``per_user.parquet`` with one row an engine and user."""
        write_json(directory / "report.json", self.content)
        frames = [
            pd.DataFrame({"engine": name, "user": self.users} | dict(values)) for name, values in self.values.items()
        ]
        with atomic_path(directory / "per_user.parquet") as beside:
            pd.concat(frames, ignore_index=True).to_parquet(beside, index=False)

    @classmethod
    def load(cls, directory: Path) -> Report:
        """What `save` wrote.

        Raises:
            ArtifactError: a part is missing, damaged or of an unknown version.
        """
        content = read_json(directory / "report.json")
        if content.get("schema") != SCHEMA:
            raise ArtifactError(f"{directory}/report.json has schema {content.get('schema')!r}, expected {SCHEMA}")
        try:
            frame = pd.read_parquet(directory / "per_user.parquet")
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{directory}/per_user.parquet cannot be read ({error}); evaluate again") from error
        values, users = {}, np.empty(0, np.int32)
        for name, part in frame.groupby("engine", sort=False):
            users = part["user"].to_numpy(np.int32)
            metrics = part.drop(columns=["engine", "user"])
            values[str(name)] = {str(m): metrics[m].to_numpy(np.float64) for m in metrics.columns}
        return cls(content, values, users)


def build_report(
    data: Mapping[str, str],
    split: Split,
    results: Mapping[str, Result],
    *,
    baseline: str,
    n_users: int,
    n_items: int,
    curves: Mapping[str, list[dict[str, float]]] | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    embeddings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    attribution: Mapping[str, Any] | None = None,
) -> Report:
    """The report of several engines on the same questions.

    Args:
        data: ``name`` and ``fingerprint`` of the dataset.
        split: what was asked.
        results: engine -> what it answered.
        baseline: the engine that all others are tested against, with Holm's correction over all tests of the report.
        n_users: size of the user vocabulary.
        n_items: size of the catalogue.
        curves: engine -> points of its training.
        costs: engine -> ``fit_seconds`` and ``peak_memory_mb``.
        embeddings: pretrained table -> what it is worth by itself.
        settings: anything else that made the numbers.
        attribution: what each modality of an ``engine`` is worth, a `recsys.evaluation.attribution.Attribution` as JSON values.
    """
    costs = costs or {}
    counts = split.final_train.item_counts(n_items)
    content = {
        "schema": SCHEMA,
        "data": dict(data),
        "split": {
            "protocol": split.name,
            "filter_seen": split.filter_seen,
            "users": len(split.test),
            "dropped_users": split.dropped_users,
            "unreachable_targets": unreachable(split.test) if split.filter_seen else 0,
            "fingerprint": split.fingerprint,
            "cutoffs": split.cutoffs,
            "candidates": n_items if split.test.candidates is None else len(split.test.candidates),
            "ranking": "whole catalogue; ties by the order of the item ids",
            "recall": "hits in the first k divided by the number of relevant items; recall_capped by min(that, k)",
        },
        "engines": {
            name: {
                **{metric: asdict(bootstrap_interval(values)) for metric, values in result.values.items()},
                "users_without_vector": result.unanswered,
                "items_without_vector": result.items_without_vector,
                **costs.get(name, {}),
            }
            for name, result in results.items()
        },
        "comparisons": _comparisons(results, baseline),
        "catalogue": {
            name: catalogue_metrics(result.items, split.final_train, n_users, n_items)
            for name, result in results.items()
        },
        "slices": {name: _slices(result, counts) for name, result in results.items()},
        "curves": dict(curves or {}),
        "embeddings": dict(embeddings or {}),
        "settings": dict(settings or {}),
        **({} if attribution is None else {"attribution": dict(attribution)}),
    }
    first = next(iter(results.values()))
    return Report(content, {name: result.values for name, result in results.items()}, first.users)


def unreachable(holdout: Holdout) -> int:
    """How many targets stand in their user's history, where the seen filter takes them out of every list."""
    seen, wanted = (pd.MultiIndex.from_arrays([x.user, x.item]) for x in (holdout.history, holdout.targets))
    return int(wanted.unique().isin(seen).sum())


def write_report(report: Report, directory: Path) -> None:
    """``report.json``, ``per_user.parquet`` and the self-contained ``report.html``."""
    from recsys.evaluation.report.html import render

    directory.mkdir(parents=True, exist_ok=True)
    report.save(directory)
    write_text(directory / "report.html", render(report.content))


def _comparisons(results: Mapping[str, Result], baseline: str) -> list[dict[str, Any]]:
    rows = []
    for name, result in results.items():
        for metric in compared(result.values):
            if name != baseline:
                test = paired_test(result.values[metric], results[baseline].values[metric])
                rows.append({"engine": name, "baseline": baseline, "metric": metric, **asdict(test)})
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = corrected
    return rows


def _slices(result: Result, counts: NDArray[np.int64]) -> dict[str, list[dict[str, Any]]]:
    """Recall by thirds of the users' activity, and hits in the first ten by fifths of the items' popularity."""
    by_activity = []
    values = result.values[compared(result.values)[0]]
    for label, users in _parts(result.history_lengths, 3):
        interval = bootstrap_interval(values[users])
        by_activity.append({"slice": f"history {label}", "users": len(users), **asdict(interval)})
    by_popularity, owners = [], np.repeat(np.arange(len(result.users)), result.target_counts)
    for label, targets in _parts(counts[result.targets], 5):
        asked = np.bincount(owners[targets])
        interval = ratio_interval(np.bincount(owners[targets], result.found[targets]).astype(np.int64), asked)
        by_popularity.append({"slice": f"item count {label}", "targets": len(targets), **asdict(interval)})
    return {"user_activity": by_activity, "item_popularity": by_popularity}


def _parts(keys: NDArray[np.int64], n: int) -> list[tuple[str, NDArray[np.int64]]]:
    """At most ``n`` groups of like size with their range, equal keys together."""
    edges = np.unique(np.quantile(keys, np.linspace(0, 1, n + 1)[1:-1])) if len(keys) else np.empty(0)
    place = np.searchsorted(edges, keys, side="left")
    groups = [np.flatnonzero(place == part) for part in np.unique(place)]
    return [(f"{keys[g].min()}-{keys[g].max()}", g) for g in groups]
