"""One trial of tuning: an engine fitted on train and scored on validation. The test part is not an input."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.engine import Engine, FitContext
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.training.deterministic import deterministic


@dataclass(frozen=True, eq=False)
class TuningData:
    """What a trial may see: the dataset, and the train and validation parts of its split."""

    data: Dataset
    train: Interactions
    validation: Holdout

    @classmethod
    def of(cls, data: Dataset, split: Split) -> Self:
        """Without the test part of ``split``."""
        return cls(data, split.train, split.validation)


def fit_and_score(engine: Engine, parts: TuningData, metric: str, context: FitContext) -> dict[str, float]:
    """Fits ``engine`` on train and evaluates it on validation: ``seconds`` of the fit, and mean metrics.

    Args:
        engine: an engine that is not fitted.
        parts: the data.
        metric: such as ``"ndcg@20"``; computed in addition to recall@10 and ndcg@10.
        context: the context of the fit.
    """
    started = time.monotonic()
    with deterministic():
        engine.fit(parts.data, parts.train, context=context)
    seconds = time.monotonic() - started
    k = parse_metric(metric)[1]
    result = evaluate(engine, parts.data, parts.validation, ks=sorted({10, k}))
    means = {name: result.mean(name) for name in ("recall@10", "ndcg@10", metric)}
    return {"seconds": round(seconds, 2), **means}
