"""Builds reports from evaluation results: bootstrap intervals, paired tests, catalogue metrics and slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.interactions import pair_keys
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.evaluation.catalogue import CatalogueMetrics
from recsys.evaluation.evaluate import Result
from recsys.evaluation.intervals import bootstrap_interval, holm, paired_test, ratio_interval
from recsys.evaluation.metrics import compared
from recsys.evaluation.report.report import SCHEMA, Report
from recsys.evaluation.report.verdict import leader_test

Row = dict[str, object]


@dataclass(frozen=True)
class DataSummary:
    """The dataset, as a report describes it.

    Args:
        name: of the dataset.
        fingerprint: of the dataset.
        n_users: size of the user vocabulary.
        n_items: size of the catalogue.
        feedback: what returns, dislikes and lower ratings took back, in sentences.
        n_interactions: number of interactions; None where it is not known.
        period: the days of the first and the last interaction, as ISO dates; None without times.
    """

    name: str
    fingerprint: str
    n_users: int
    n_items: int
    feedback: tuple[str, ...] = ()
    n_interactions: int | None = None
    period: tuple[str, str] | None = None

    @classmethod
    def of(cls, data: Dataset) -> DataSummary:
        """The summary of ``data``."""
        feedback, n = tuple(data.feedback.sentences()), len(data.interactions)
        return cls(data.name, data.fingerprint, data.n_users, data.n_items, feedback, n, data.period)

    def to_json(self) -> Row:
        """``data`` of ``report.json``."""
        found: Row = {"name": self.name, "fingerprint": self.fingerprint, "feedback": list(self.feedback)}
        found |= {"users": self.n_users, "items": self.n_items}
        found |= {} if self.n_interactions is None else {"interactions": self.n_interactions}
        return found | ({} if self.period is None else {"first": self.period[0], "last": self.period[1]})


@dataclass(frozen=True)
class RunDetails:
    """Training curves, costs and settings that a run adds to its report.

    Args:
        curves: engine -> points of its training curve.
        costs: engine -> ``fit_seconds`` and ``peak_memory_mb``.
        embeddings: pretrained table -> its intrinsic quality.
        settings: anything else that the figures depend on.
        attribution: the contributions of the modalities of an ``engine``, an
            `recsys.evaluation.attribution.Attribution` as JSON values.
        columns: what the columns of an ``engine`` tell: ``{"engine", "columns": [...]}``, as
            `recsys.experiment.column_report.to_rows` gives them.
        examples: lists of a few test users, as `recsys.evaluation.report.examples.examples` gives them.
    """

    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    embeddings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    attribution: Mapping[str, object] | None = None
    columns: Mapping[str, object] | None = None
    examples: Mapping[str, object] | None = None


def build_report(
    data: DataSummary,
    holdout: Split | Holdout,
    results: Mapping[str, Result],
    baseline: str | None = None,
    details: RunDetails | None = None,
) -> Report:
    """The report of several engines on the same split or holdout.

    Args:
        data: summary of the dataset that was split.
        holdout: the split, of which ``test`` was evaluated, or a holdout. The protocol of a holdout is ``holdout``, and
            popularity is counted on its histories; without any, catalogue metrics and slices are left out.
        results: engine -> its metrics and lists.
        baseline: the engine that all others are tested against, with Holm's correction over all tests of the report;
            None takes the first.
        details: training curves, costs and settings of the run.
    """
    details, split = details or RunDetails(), holdout if isinstance(holdout, Split) else _lone(holdout)
    train = split.final_train
    of_lists = CatalogueMetrics(train, data.n_users, data.n_items)
    known = results if isinstance(holdout, Split) or len(train) else {}  # else nothing to count popularity on
    content = {
        "schema": SCHEMA,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data.to_json(),
        "split": {
            "protocol": split.name,
            "filter_seen": split.filter_seen,
            "users": len(split.test),
            "dropped_users": split.dropped_users,
            "unreachable_targets": unreachable(split.test) if split.filter_seen else 0,
            "fingerprint": split.fingerprint,
            "cutoffs": dict(split.cutoffs),
            "at_random": split.at_random,
            "candidates": data.n_items if split.test.candidates is None else len(split.test.candidates),
            "ranking": "whole catalogue; ties by the order of the item ids",
            "recall": "hits in the first k divided by the number of relevant items; recall_capped by min(that, k)",
        },
        "engines": {name: _engine(result, details.costs.get(name, {})) for name, result in results.items()},
        "comparisons": _comparisons(results, next(iter(results)) if baseline is None else baseline),
        "catalogue": {name: of_lists(result.items) for name, result in known.items()},
        "slices": {name: _slices(result, of_lists.counts) for name, result in known.items()},
        "curves": dict(details.curves),
        "embeddings": dict(details.embeddings),
        "settings": dict(details.settings),
    }
    further = {"attribution": details.attribution, "columns": details.columns, "examples": details.examples}
    further["leader"] = leader_test({name: result.values for name, result in results.items()})
    content |= {name: dict(found) for name, found in further.items() if found is not None}
    first = next(iter(results.values()))
    return Report(content, {name: result.values for name, result in results.items()}, first.users)


def _lone(holdout: Holdout) -> Split:
    return Split("holdout", holdout.history, holdout, holdout.history, holdout)


def _engine(result: Result, costs: Mapping[str, float]) -> Row:
    return {
        **{metric: asdict(bootstrap_interval(values)) for metric, values in result.values.items()},
        "users_without_vector": result.users_without_vector,
        "items_without_vector": result.items_without_vector,
        **costs,
    }


def unreachable(holdout: Holdout) -> int:
    """The number of targets in their user's history, which `filter_seen` masks."""
    met = holdout.targets.select(holdout.history.holds(holdout.targets))
    return len(np.unique(pair_keys(met.user, met.item)))


def _comparisons(results: Mapping[str, Result], baseline: str) -> list[Row]:
    rows: list[Row] = []
    p_values = []
    for name, result in results.items():
        for metric in compared(result.values):
            if name != baseline:
                test = paired_test(result.values[metric], results[baseline].values[metric])
                rows.append({"engine": name, "baseline": baseline, "metric": metric, **asdict(test)})
                p_values.append(test.p)
    for row, corrected in zip(rows, holm(p_values), strict=True):
        row["p_holm"] = corrected
    return rows


def _slices(result: Result, counts: NDArray[np.int64]) -> dict[str, list[Row]]:
    """Recall by thirds of the users' activity, and hits in the first ten by fifths of the items' popularity."""
    by_activity: list[Row] = []
    values = result.values[compared(result.values)[0]]
    for label, users in _parts(result.history_lengths, 3):
        interval = bootstrap_interval(values[users])
        by_activity.append({"slice": f"history {label}", "users": len(users), **asdict(interval)})
    by_popularity: list[Row] = []
    owners = np.repeat(np.arange(len(result.users)), result.target_counts)
    for label, targets in _parts(counts[result.targets], 5):
        wholes = np.bincount(owners[targets])
        interval = ratio_interval(np.bincount(owners[targets], result.found[targets]).astype(np.int64), wholes)
        by_popularity.append({"slice": f"item count {label}", "targets": len(targets), **asdict(interval)})
    return {"user_activity": by_activity, "item_popularity": by_popularity}


def _parts(keys: NDArray[np.int64], n: int) -> list[tuple[str, NDArray[np.int64]]]:
    """At most ``n`` groups of about equal size, each with the range of its keys; equal keys share a group."""
    edges = np.unique(np.quantile(keys, np.linspace(0, 1, n + 1)[1:-1])) if len(keys) else np.empty(0)
    place = np.searchsorted(edges, keys, side="left")
    groups = [np.flatnonzero(place == part) for part in np.unique(place)]
    return [(f"{keys[g].min()}-{keys[g].max()}", g) for g in groups]
