"""The promotion gate: paired tests that decide whether a candidate replaces the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.errors import PromotionError
from recsys.evaluation.compared_users import ComparedUsers


class GateConfig(Config):
    """The conditions for promotion.

    Args:
        metric: the metric that must improve.
        min_gain: the lower confidence bound of the mean paired difference in ``metric`` must be above this.
        confidence: the level of the one-sided lower confidence bound.
        must_not_lose: other metrics -> how far the candidate's mean may lie below the champion's.
        min_users: the minimum number of evaluation users.
        first: without a champion, ``baseline`` refuses a candidate that is significantly behind the baseline of the run
            in ``metric``: `evaluate.baseline`, or popularity where none is named; ``any`` promotes it.
    """

    metric: str = "ndcg@10"
    min_gain: float = 0.0
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    must_not_lose: dict[str, float] = Field(default={"recall@10": 0.002})
    min_users: int = Field(default=100, gt=0)
    first: Literal["baseline", "any"] = "baseline"


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Per-user metrics of one model.

    Args:
        model: the version or name of the model.
        data_fingerprint: of the dataset.
        split_fingerprint: of the split that the model was evaluated on.
        users: [U] rows of the evaluation users.
        values: metric -> float64 [U].
    """

    model: str
    data_fingerprint: str
    split_fingerprint: str
    users: NDArray[np.integer]
    values: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Rule:
    """One condition of a decision, and the two values that it compares."""

    name: str
    passed: bool
    candidate: float | str | None
    champion: float | str | None
    reason: str


@dataclass(frozen=True)
class Decision:
    """The verdict on one candidate.

    Args:
        promoted: whether every rule passed.
        candidate: the version or name of the candidate.
        champion: the version or name of the champion; None when there was none.
        rules: each rule, in the order of the checks.
        baseline: the engine that a candidate without a champion was compared with.
        instead: an engine of the run that would have passed where there is no champion and the candidate was refused.
        compared: the users; None where nothing was compared.
    """

    promoted: bool
    candidate: str
    champion: str | None
    rules: tuple[Rule, ...]
    baseline: str | None = None
    instead: str | None = None
    compared: ComparedUsers | None = None

    def __str__(self) -> str:
        ours, theirs = _named(self.candidate), None if self.champion is None else _named(self.champion)
        if theirs is None:
            head = f"{ours} {'is' if self.promoted else 'does not become'} the first champion"
        elif self.promoted and ours == theirs:
            head = f"{ours} stays champion"
        else:
            head = f"{ours} {'replaces' if self.promoted else 'does not replace'} {theirs}"
        users = [] if self.compared is None else [f"  {self.compared}"]
        lines = [f"  {'yes' if rule.passed else 'NO '} {rule.reason}" for rule in self.rules]
        advice = [] if self.instead is None else [f'  promote.engine = "{self.instead}" would pass']
        return "\n".join([head, *users, *lines, *advice])


def _named(model: str) -> str:
    """A version by that word, a name as it is."""
    return f"version {model}" if model.isdecimal() else model


def decide(
    candidate: EvaluationResult,
    champion: EvaluationResult | None,
    config: GateConfig,
    baseline: EvaluationResult | None = None,
) -> Decision:
    """Whether ``candidate`` becomes the champion, by a one-sided paired z-test over users.

    ``d`` is the difference of the metric for each user. Its lower confidence bound ``mean(d) - z * std(d) / sqrt(U)``
    must be above ``min_gain``, and no metric of ``must_not_lose`` may fall by more than its tolerance. Both models must
    have been evaluated on the same users of the same split.

    Without a champion the candidate must not be `significantly_behind` the baseline; without a baseline too, enough
    evaluation users suffice.

    Args:
        candidate: metrics of the candidate.
        champion: metrics of the champion on the same users; None when there is none.
        config: the conditions.
        baseline: metrics of the baseline on the same users, for a candidate without a champion; its ``model`` is the
            name of the baseline.

    Raises:
        PromotionError: a metric of the config was not computed.
    """
    _require_metrics(candidate, config)
    rules = [_enough_users(candidate, config)]
    if champion is None:
        return _first(candidate, baseline, config, rules)
    rules += [
        _same("data", candidate.data_fingerprint, champion.data_fingerprint),
        _same("split", candidate.split_fingerprint, champion.split_fingerprint),
        _same_users(candidate, champion),
    ]
    if all(rule.passed for rule in rules[1:]):
        _require_metrics(champion, config)
        rules.append(_gain(candidate, champion, config))
        rules += [_not_lost(candidate, champion, *pair) for pair in config.must_not_lose.items()]
    return _decision(candidate, champion.model, rules)


def significantly_behind(candidate: EvaluationResult, baseline: EvaluationResult, config: GateConfig) -> bool:
    """Whether the one-sided upper confidence bound of the mean paired difference in ``config.metric`` is below 0."""
    return _upper_bound(candidate, baseline, config) < 0


def _upper_bound(candidate: EvaluationResult, baseline: EvaluationResult, config: GateConfig) -> float:
    difference = candidate.values[config.metric] - baseline.values[config.metric]
    return float(difference.mean()) + _margin(difference, config)


def _margin(difference: NDArray[np.float64], config: GateConfig) -> float:
    """The distance of the confidence bound from the mean: ``z * std(d) / sqrt(U)``."""
    std = float(difference.std(ddof=1)) if len(difference) > 1 else float("inf")
    return float(NormalDist().inv_cdf(config.confidence) * std / len(difference) ** 0.5)


def _first(
    candidate: EvaluationResult, baseline: EvaluationResult | None, config: GateConfig, rules: list[Rule]
) -> Decision:
    """The decision on a candidate without a champion."""
    name, mean = config.metric, _mean(candidate, config.metric)
    if baseline is None:
        rules.append(Rule("first", True, mean, None, f"no champion yet; {name} is {mean:.4f}"))
        return _decision(candidate, None, rules)
    theirs, high = _mean(baseline, name), _upper_bound(candidate, baseline, config)
    reason = (
        f"no champion yet; {name} {mean:.4f} against {theirs:.4f} of the baseline {baseline.model}: the difference "
        f"{mean - theirs:+.4f} has the {config.confidence:.0%} upper bound {high:+.4f}, which must not be below 0"
    )
    passed = not significantly_behind(candidate, baseline, config)
    return replace(
        _decision(candidate, None, [*rules, Rule("first", passed, mean, None, reason)]), baseline=baseline.model
    )


def _decision(candidate: EvaluationResult, champion: str | None, rules: list[Rule]) -> Decision:
    return Decision(all(rule.passed for rule in rules), candidate.model, champion, tuple(rules))


def _require_metrics(result: EvaluationResult, config: GateConfig) -> None:
    missing = [name for name in (config.metric, *config.must_not_lose) if name not in result.values]
    if missing:
        known = ", ".join(sorted(result.values))
        raise PromotionError(f"the gate needs {', '.join(missing)} of {result.model}; its metrics are: {known}")


def _enough_users(candidate: EvaluationResult, config: GateConfig) -> Rule:
    n_users = len(candidate.users)
    passed = n_users >= config.min_users
    reason = f"{n_users} evaluation users; at least {config.min_users} are needed"
    return Rule("users", passed, float(n_users), None, reason + ", as promote.gate.min_users says" * (not passed))


def _same(what: str, ours: str, theirs: str) -> Rule:
    found = "was evaluated on the same" if ours == theirs else "was evaluated on another"
    return Rule(what, ours == theirs, ours, theirs, f"the champion {found} {what} ({ours}, champion {theirs})")


def _same_users(candidate: EvaluationResult, champion: EvaluationResult) -> Rule:
    passed = np.array_equal(candidate.users, champion.users)
    found = "the evaluation users are the same" if passed else "the evaluation users differ"
    return Rule("evaluation_users", passed, float(len(candidate.users)), float(len(champion.users)), found)


def _gain(candidate: EvaluationResult, champion: EvaluationResult, config: GateConfig) -> Rule:
    name = config.metric
    difference = candidate.values[name] - champion.values[name]
    low = float(difference.mean()) - _margin(difference, config)
    reason = (
        f"{name} {_mean(candidate, name):.4f} against {_mean(champion, name):.4f}: the gain {difference.mean():+.4f} "
        f"has the {config.confidence:.0%} lower bound {low:+.4f}, which must be above {config.min_gain:+.4f}"
    )
    return Rule(f"gain {name}", low > config.min_gain, _mean(candidate, name), _mean(champion, name), reason)


def _not_lost(candidate: EvaluationResult, champion: EvaluationResult, name: str, tolerance: float) -> Rule:
    ours, theirs = _mean(candidate, name), _mean(champion, name)
    reason = f"{name} {ours:.4f} against {theirs:.4f}; it may lie {tolerance:.4f} below"
    return Rule(f"not lost {name}", ours >= theirs - tolerance, ours, theirs, reason)


def _mean(result: EvaluationResult, name: str) -> float:
    return float(np.mean(result.values[name]))
