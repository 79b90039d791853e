"""Attribution of a trained engine's metric to its modalities, measured on the evaluation users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.engine import Engine
from recsys.engines.two_tower.modalities import hidden_parts, masked
from recsys.evaluation.attribution import Attribution, Coalition, Values, build_attribution
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.seeding import stream


@dataclass(frozen=True)
class AttributionOptions:
    """What is attributed to what.

    Args:
        modalities: name -> what it consists of: tables, item or user columns, ``ids``, ``history``, parts of a hybrid.
        metric: whose mean is shared out.
        users: at most so many random test users are evaluated.
        seed: draws the users and the bootstrap samples.
    """

    modalities: Mapping[str, tuple[str, ...]]
    metric: str = "recall@20"
    users: int = 2000
    seed: int = 0


def attribute(engine: Engine, data: Dataset, split: Split, options: AttributionOptions) -> Attribution:
    """Shapley values of the modalities of ``engine``, which is evaluated with each subset of them unmasked.

    Args:
        engine: a trained two-tower engine, or a hybrid.
        data: the dataset.
        split: that the engine was trained on; its test users are evaluated.
        options: the modalities and the metric.

    Raises:
        ConfigError: the engine cannot be masked, or has no such inputs.
    """
    holdout = sampled(split.test, options.users, options.seed)
    k = parse_metric(options.metric)[1]

    def values(unmasked: Coalition) -> Values:
        reduced = cast(Engine, masked(engine, hidden_parts(options.modalities, unmasked)))
        return evaluate(reduced, data, holdout, ks=(k,)).values[options.metric]

    slices = user_slices(data, split, holdout)
    return build_attribution(values, list(options.modalities), options.metric, slices, options.seed)


def sampled(holdout: Holdout, users: int, seed: int) -> Holdout:
    """The part of at most ``users`` random users."""
    if len(holdout) <= users:
        return holdout
    # the name of the random stream is that of the published figures
    rows = np.sort(stream(seed, "ledger").choice(holdout.users, users, replace=False))
    return holdout.of_users(rows)


def user_slices(data: Dataset, split: Split, holdout: Holdout) -> dict[str, NDArray[np.bool_]]:
    """Bool [U] each: users with the shortest quarter of the histories, and those with mostly cold or tail targets.

    A cold item has no interaction in training; an item of the tail has some, but fewer than the most popular fifth.
    """
    lengths = np.bincount(holdout.history.user, minlength=data.n_users)[holdout.users]
    counts = split.final_train.item_counts(data.n_items)
    popular = np.quantile(counts[counts > 0], 0.8)
    targets = np.bincount(holdout.targets.user, minlength=data.n_users)

    def mostly(items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        of_user = np.bincount(holdout.targets.user, items[holdout.targets.item], minlength=data.n_users)
        return np.asarray(of_user[holdout.users] > targets[holdout.users] / 2)

    return {
        "short histories": lengths <= np.quantile(lengths, 0.25),
        "cold items": mostly(counts == 0),
        "tail": mostly((counts > 0) & (counts < popular)),
    }
