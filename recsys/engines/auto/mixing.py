"""The weights of a hybrid, and the decision between it and one engine, by cross-fitting on two halves of the users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.engine import Engine
from recsys.engines.auto.trial import Bench, Trial
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.ensemble.weights import CandidatePool, ScoredParts, search, zero_invalid
from recsys.evaluation.metrics import on_long_lists

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
        judged: name -> the metric on the validation users, of each engine and of the hybrid, the weights of which were
            searched on others of them.
    """

    weights: Mapping[str, float]
    judged: Mapping[str, float]

    @property
    def chosen(self) -> str:
        """The hybrid, or the name of one engine."""
        return HYBRID if len(self.weights) > 1 else next(iter(self.weights))


def decide(trials: Sequence[Trial], bench: Bench) -> Decision:
    """Whether a hybrid of ``trials`` is taken, with which weights, or else which engine.

    The weights are searched on each half of the validation users, in lists of 100 items, as those of `Hybrid`, and
    measured on the other half; the weights that are kept are the mean of both. The best engine is taken alone if it is
    ahead of the hybrid by more than one standard error of the paired differences: the more engines agree, the less a
    list depends on the accidents of one fit.
    """
    engines = {trial.name: trial.engine for trial in trials}
    judged = {trial.name: trial.value for trial in trials}
    names = list(engines)
    best = max(names, key=lambda name: judged[name])
    if len(engines) == 1:
        return Decision({best: 1.0}, judged)
    found = [list(search(pool.values, len(engines), _STEPS))[-1][0] for pool in _pools(engines, bench)]
    weights = _kept(dict(zip(names, np.mean(found, 0), strict=True)))
    if len(weights) == 1:
        return Decision({best: 1.0}, judged)
    crossed = [_kept(dict(zip(names, each, strict=True))) for each in reversed(found)]
    hybrid, alone = (
        np.concatenate([bench.values(engine, half) for engine, half in zip(each, bench.halves, strict=True)])
        for each in ([mixed(each, engines, bench) for each in crossed], [engines[best]] * 2)
    )
    judged[HYBRID] = float(hybrid.mean())
    error = float((hybrid - alone).std()) / np.sqrt(len(hybrid))
    return Decision(weights if hybrid.mean() - alone.mean() > -error else {best: 1.0}, judged)


def seconds(trials: Sequence[Trial], bench: Bench) -> float:
    """How long `decide` takes, roughly."""
    return 2.5 * sum(trial.scoring for trial in trials) + _SECONDS * len(bench.validation) * len(trials)


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

    metric = on_long_lists(bench.metric)
    first, second = (CandidatePool(parts, bench.data, half, half.users, metric) for half in bench.halves)
    return first, second


def _kept(weights: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Without parts of hardly any weight; heaviest first, rounded as they are written."""
    kept = {name: float(weight) for name, weight in weights.items() if weight >= _LEAST_WEIGHT}
    ordered = sorted(kept, key=lambda name: -kept[name])
    return {name: round(kept[name] / sum(kept.values()), 3) for name in ordered}
