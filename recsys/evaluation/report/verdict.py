"""Who leads an evaluation, and whether the paired tests tell the leader from the baseline and from the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.intervals import paired_test
from recsys.evaluation.metrics import compared
from recsys.json_values import JsonMapping, JsonObject

_LEVEL = 0.05


@dataclass(frozen=True)
class Standing:
    """The leader by NDCG, and its tests.

    Args:
        metric: of which the leader has the largest mean.
        leader: the engine.
        best: its value and interval.
        others: number of other engines.
        baseline: the engine that others are tested against; None where there is one engine.
        baseline_value: the mean of the baseline.
        against_baseline: the comparison of the leader with the baseline; None where it is the baseline.
        next_best: the test against the engine that is second; None where there is one engine. Where the leader is the
            baseline it is one of the comparisons, and corrected.
    """

    metric: str
    leader: str
    best: Mapping[str, float]
    others: int
    baseline: str | None
    baseline_value: float
    against_baseline: JsonMapping | None
    next_best: JsonMapping | None

    @property
    def beats_baseline(self) -> bool:
        """Whether the corrected test and the interval tell the leader from the baseline."""
        return self.against_baseline is not None and is_sure(self.against_baseline, "p_holm")

    @property
    def beats_next(self) -> bool:
        """Whether the test and the interval tell the leader from the second."""
        return self.next_best is not None and is_sure(self.next_best, "p")

    @property
    def verdict(self) -> tuple[str, str]:
        """The verdict as HTML, and ``good`` or ``open``."""
        leader = escape(self.leader)
        if not self.others:
            return f"One engine: {leader}", "open"
        if self.against_baseline is None:
            return f"No engine is ahead of the baseline {leader}", "open"
        if not self.beats_baseline:
            return f"No clear gain over the baseline {escape(self.baseline or '')}", "open"
        if self.beats_next:
            return f"{leader} is clearly ahead", "good"
        assert self.next_best is not None, "there are others"
        return f"Ahead of the baseline: {leader}, level with {escape(self.next_best['next'])}", "good"


def is_sure(row: JsonMapping, p: str) -> bool:
    """Whether a comparison tells two engines apart: its test at 5 %, and its interval.

    Args:
        row: with ``low`` and ``high``.
        p: the key of the p-value.
    """
    return row[p] < _LEVEL and not row["low"] <= 0 <= row["high"]


def leader_test(values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> JsonObject | None:
    """The paired test of the two engines of the largest mean NDCG, as ``leader`` in ``report.json``.

    It is one test besides those against the baseline, and Holm's correction of these does not cover it.

    Args:
        values: engine -> metric -> float64 [U].

    Returns:
        ``{"metric", "engine", "next", "difference", "low", "high", "p"}``; None for one engine.
    """
    if len(values) < 2:
        return None
    metric, first, second = two_best(values)
    test = paired_test(values[first][metric], values[second][metric])
    return {"metric": metric, "engine": first, "next": second, **asdict(test)}


def two_best(values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> tuple[str, str, str]:
    """NDCG at the length that engines are compared at, and the two engines of the largest mean; arguments as above."""
    metric = compared(next(iter(values.values())))[1]
    first, second = sorted(values, key=lambda name: -float(values[name][metric].mean()))[:2]
    return metric, first, second


def standing(content: JsonMapping) -> Standing:
    """The leader of a report, and its tests."""
    engines, comparisons = content["engines"], content["comparisons"]
    metric = compared(key for key in next(iter(engines.values())) if "@" in key)[1]
    means = {name: engine[metric]["value"] for name, engine in engines.items()}
    found = content.get("leader")
    rows = {row["engine"]: row for row in comparisons if row["metric"] == metric}
    leader = max(means, key=lambda name: means[name]) if found is None else found["engine"]
    baseline = comparisons[0]["baseline"] if comparisons else None
    if leader == baseline and found is not None:
        found = {**found, "p": rows[found["next"]]["p_holm"]}
    value = means.get(baseline, 0.0) if baseline is not None else 0.0
    best = engines[leader][metric]
    return Standing(metric, leader, best, len(engines) - 1, baseline, value, rows.get(leader), found)
