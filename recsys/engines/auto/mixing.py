"""The weights of a hybrid, and the decision between it and one engine, by cross-fitting on two halves of the users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.splits.holdout import Holdout
from recsys.engine import Engine
from recsys.engines.auto.trial import Bench, Trial
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.ensemble.weights import CandidatePool, ScoredParts, search, zero_invalid

HYBRID = "hybrid"
_STEPS = 10
_SECONDS = 2e-3
"""Of the search of the weights, for a user and a part."""
_LEAST_WEIGHT = 0.04
"""A part with less is left out of the hybrid: it costs a fit and changes hardly a list."""


@dataclass(frozen=True)
class Decision:
    """What is kept.

    Args:
        weights: name -> weight of the engines that were chosen; they sum to one.
        judged: name -> the metric on users who chose nothing of it, of each engine and of the hybrid.
    """

    weights: Mapping[str, float]
    judged: Mapping[str, float]

    @property
    def chosen(self) -> str:
        """The hybrid, or the name of one engine."""
        return HYBRID if len(self.weights) > 1 else next(iter(self.weights))


def decide(trials: Sequence[Trial], bench: Bench) -> Decision:
    """Whether a hybrid of ``trials`` is taken, with which weights, or else which engine.

    The weights are searched on each half of the validation users and judged on the other; the weights that are kept are
    the mean of both. The best engine is that of the half which chose no options or epochs, and it is taken alone if it
    is ahead of the hybrid by more than one standard error of the paired differences of all users: the more engines
    agree, the less a list depends on the accidents of one fit.
    """
    engines = {trial.name: trial.engine for trial in trials}
    if len(engines) == 1:
        name = trials[0].name
        return Decision({name: 1.0}, {name: bench.score(trials[0].engine, bench.judging)})
    pools = _pools(engines, bench)
    alone = [pool.values(np.eye(len(engines))) for pool in pools]
    found = [list(search(pool.values, len(engines), _STEPS))[-1][0] for pool in pools]
    crossed = [float(pool.values(weights[None])[0]) for pool, weights in zip(pools, reversed(found), strict=True)]
    names = list(engines)
    judged = dict(zip(names, map(float, alone[1]), strict=True))
    best = max(names, key=lambda name: judged[name])
    weights = _kept(dict(zip(names, np.mean(found, 0), strict=True)))
    if len(weights) == 1:
        return Decision({best: 1.0}, judged)
    judged[HYBRID] = crossed[1]
    halves = (bench.choosing, bench.judging)
    hybrids = [_kept(dict(zip(names, each, strict=True))) for each in reversed(found)]
    gains = np.concatenate(
        [
            bench.values(mixed(each, engines, bench), half) - bench.values(engines[best], half)
            for each, half in zip(hybrids, halves, strict=True)
        ]
    )
    error = float(gains.std()) / np.sqrt(len(gains))
    return Decision(weights if gains.mean() > -error else {best: 1.0}, judged)


def seconds(trials: Sequence[Trial], bench: Bench) -> float:
    """How long `decide` takes, roughly."""
    users = len(bench.choosing) + len(bench.judging)
    return 2.5 * sum(trial.scoring for trial in trials) + _SECONDS * users * len(trials)


def mixed(weights: Mapping[str, float], engines: Mapping[str, Engine], bench: Bench) -> Engine:
    """The engine of ``weights``, out of fitted ones."""
    if len(weights) == 1:
        return engines[next(iter(weights))]
    parts = {name: engines[name] for name in weights}
    context = replace(bench.context, validation=None)
    return Hybrid(parts=parts, weights=tuple(weights.values())).fit(bench.data, bench.train, context=context)


def weights_text(weights: Mapping[str, float]) -> str:
    """Names and weights as one line.

    Example:
        >>> weights_text({"ease": 0.75, "als": 0.25})
        'ease 0.75, als 0.25'
    """
    return ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())


def _pools(engines: Mapping[str, Engine], bench: Bench) -> tuple[CandidatePool, CandidatePool]:
    equal = (1 / len(engines),) * len(engines)
    context = replace(bench.context, validation=None)
    hybrid = Hybrid(parts=engines, weights=equal).fit(bench.data, bench.train, context=context)
    items = [zero_invalid(engine.item_vectors(bench.data.items)) for engine in engines.values()]
    parts = ScoredParts(list(engines.values()), hybrid.score_stds, hybrid.score_means, items)

    def pool(holdout: Holdout) -> CandidatePool:
        return CandidatePool(parts, bench.data, holdout, holdout.users, bench.metric)

    return pool(bench.choosing), pool(bench.judging)


def _kept(weights: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Without parts of hardly any weight; heaviest first, rounded as they are written."""
    kept = {name: float(weight) for name, weight in weights.items() if weight >= _LEAST_WEIGHT}
    ordered = sorted(kept, key=lambda name: -kept[name])
    return {name: round(kept[name] / sum(kept.values()), 3) for name in ordered}
