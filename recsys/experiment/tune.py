"""Random search: trials of one engine, each scored on the validation users."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.engine import Engine, FitContext
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.seeding import stream
from recsys.training.deterministic import deterministic


def draw(space: Mapping[str, Sequence[object]], trials: int, seed: int, name: str) -> list[dict[str, object]]:
    """``trials`` random combinations of option values, without replacement; all of them where there are fewer.

    Args:
        space: option -> values.
        trials: the number of combinations.
        seed: the seed of the run.
        name: the name of the engine; every engine has its own random stream.

    Example:
        >>> sorted(t["a"] for t in draw({"a": [1, 2, 3]}, 5, 0, "x"))
        [1, 2, 3]
    """
    combinations = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    order = stream(seed, "tune", name).permutation(len(combinations))[:trials]
    return [combinations[row] for row in order]


def trial(engine: Engine, data: Dataset, split: Split, metric: str, context: FitContext) -> dict[str, float]:
    """Fits ``engine`` on train and evaluates it on validation: ``seconds`` of the fit, and mean metrics.

    Args:
        engine: an engine that is not fitted.
        data: the dataset.
        split: its split; the test part is not used.
        metric: such as ``"ndcg@20"``; computed in addition to recall@10 and ndcg@10.
        context: the context of the fit.
    """
    started = time.monotonic()
    with deterministic():
        engine.fit(data, split.train, context=context)
    seconds = time.monotonic() - started
    k = parse_metric(metric)[1]
    result = evaluate(engine, data, split.validation, ks=sorted({10, k}))
    means = {name: result.mean(name) for name in ("recall@10", "ndcg@10", metric)}
    return {"seconds": round(seconds, 2), **means}
