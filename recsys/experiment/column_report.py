"""What each column of items and users tells, and what it is worth to a fitted two-tower engine on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from recsys.data.column_profile import ColumnProfile, column_profiles
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.column_evidence import Side, column_evidence
from recsys.data.features.evidence import Evidence
from recsys.data.features.features import FeatureOptions
from recsys.data.leakage import Counts, leak
from recsys.data.schema import Kind
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.engine import Engine
from recsys.engines.two_tower.modalities import masked
from recsys.engines.two_tower.tower_inputs import HISTORY, IDS
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.intervals import Difference, Interval, bootstrap_interval, paired_test
from recsys.evaluation.metrics import parse_metric
from recsys.json_values import JsonObject

_SIGMAS = 1.96


@dataclass(frozen=True)
class ColumnReport:
    """What train tells of one column.

    Args:
        table: ``items`` or ``users``.
        profile: its kind, values, missing cells and warnings, that of a leak included.
        evidence: its likelihood gain in nats an interaction (`recsys.data.features.evidence`); None for kinds that
            have none: texts, images, vectors and ignored columns.
        transitions: of items, the same for the value of the next item; None also without an order.
    """

    table: str
    profile: ColumnProfile
    evidence: Evidence | None
    transitions: Evidence | None

    def to_dict(self) -> JsonObject:
        """JSON values; an interval is ``{"value", "low", "high", "predictive"}``."""
        found = {"evidence": _interval(self.evidence), "transitions": _interval(self.transitions)}
        return {"table": self.table, **self.profile.to_dict(), **found}


@dataclass(frozen=True)
class ColumnWorth:
    """What one column is worth to an engine, in points of the metric, with paired bootstrap intervals over users.

    Args:
        left_out: the metric of all inputs minus that of all but this column.
        alone: of an item column, the metric where it is all that is known of each item, histories included, minus that
            where nothing is; of a user column, the metric where it is all that is known of each user, and items are
            whole, minus that where nothing is.
    """

    left_out: Difference
    alone: Difference


@dataclass(frozen=True)
class Worths:
    """The worth of columns to an engine.

    Args:
        metric: such as ``ndcg@10``.
        users: the number of validation users.
        full: the metric with all inputs.
        empty: the metric with no input.
        columns: column -> its worth.
    """

    metric: str
    users: int
    full: Interval
    empty: Interval
    columns: dict[str, ColumnWorth]

    def to_dict(self) -> JsonObject:
        """JSON values."""
        return asdict(self)


def column_reports(data: Dataset, split: Split, options: FeatureOptions) -> list[ColumnReport]:
    """What train tells of each column of items and users, texts and images included.

    Args:
        data: the dataset.
        split: evidence is from ``split.train`` alone; leaks are found by comparing with validation and test.
        options: how the engine turns columns into numbers.
    """
    return _reports("item", data, split, options) + _reports("user", data, split, options)


def column_worths(engine: TwoTower, data: Dataset, holdout: Holdout, metric: str, seed: int = 0) -> Worths:
    """The metric of a fitted engine with each column left out, and with each alone, against all inputs and none.

    A column is left out at inference: its cells are missing, and the encoder gives its learned missing vector. A model
    that was trained without missing cells (``modality_dropout = 0``) also loses by the change of its input: what it
    loses with a constant column left out is that alone.

    Args:
        engine: fitted on interactions without the targets of ``holdout``.
        data: the dataset.
        holdout: the validation users.
        metric: such as ``ndcg@10``.
        seed: of the bootstrap.
    """
    k, inputs = parse_metric(metric)[1], {*engine.inputs.parts, IDS}
    of_items = {column.name for column in engine.inputs.item_features.columns}
    of_users = {column.name for column in engine.inputs.user_features.columns} - of_items | {HISTORY}

    def values(hidden: set[str]) -> NDArray[np.float64]:
        return evaluate(cast(Engine, masked(engine, hidden)), data, holdout, ks=(k,)).values[metric]

    full, empty = values(set()), values(inputs | {HISTORY})
    unknown_items, unknown_users = values(inputs), values(of_users)

    def worth(name: str) -> ColumnWorth:
        others, nothing = (inputs, unknown_items) if name in of_items else (of_users, unknown_users)
        alone = paired_test(values(others - {name}), nothing, seed)
        return ColumnWorth(paired_test(full, values({name}), seed), alone)

    columns = {name: worth(name) for name in engine.inputs.columns}
    return Worths(metric, len(holdout), bootstrap_interval(full, seed), bootstrap_interval(empty, seed), columns)


def to_rows(reports: Sequence[ColumnReport], inputs: Sequence[str], worths: Worths | None = None) -> list[JsonObject]:
    """The reports as JSON values, each with whether the engine reads the column, and with its worth.

    Args:
        reports: of all columns.
        inputs: the columns that the engine reads.
        worths: of its columns; None leaves them out.
    """
    rows = []
    for report in reports:
        name = report.profile.name
        worth = None if worths is None else worths.columns.get(name)
        found = {} if worth is None else asdict(worth)
        rows.append({**report.to_dict(), "input": name in inputs, **found})
    return rows


def _reports(side: Side, data: Dataset, split: Split, options: FeatureOptions) -> list[ColumnReport]:
    table = data.items if side == "item" else data.users
    counts = Counts.of(split, side, len(table), data.has_order)
    evidence = column_evidence(data, split.train, side, options)
    reports = []
    for profile in column_profiles(table.columns, table.schema):
        found = evidence.get(profile.name)
        choices, transitions = (None, None) if found is None else (found.choices, found.transitions)
        reports.append(ColumnReport(f"{side}s", _with_leak(profile, table, counts), choices, transitions))
    return reports


def _with_leak(profile: ColumnProfile, table: EntityTable, counts: Counts) -> ColumnProfile:
    if table.schema.columns[profile.name].kind is not Kind.NUMERIC:
        return profile
    found = leak(table.columns[profile.name].to_numpy(np.float64), counts)
    return (
        profile if found is None or not found.leaks else replace(profile, warnings=(*profile.warnings, found.warning()))
    )


def _interval(evidence: Evidence | None) -> JsonObject | None:
    if evidence is None or not np.isfinite(evidence.error):
        return None
    spread = _SIGMAS * evidence.error
    low, high = evidence.gain - spread, evidence.gain + spread
    return {"value": evidence.gain, "low": low, "high": high, "predictive": evidence.predictive}
