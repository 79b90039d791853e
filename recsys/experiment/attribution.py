"""Attribution of a fitted engine's metric to its modalities: Shapley values on a sample of the test users."""

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
    """The modalities of an attribution, and how it is computed.

    Args:
        modalities: name of a modality -> its inputs: names of tables, of item or user columns, or of parts of a hybrid;
            ``"ids"`` stands for the id embeddings and ``"history"`` for the user's history.
        metric: the metric whose mean over users is divided among the modalities.
        users: the number of random test users that are evaluated, at most.
        seed: of the sample of users and the bootstrap samples.
    """

    modalities: Mapping[str, tuple[str, ...]]
    metric: str = "recall@20"
    users: int = 2000
    seed: int = 0


def attribute(engine: Engine, data: Dataset, split: Split, options: AttributionOptions) -> Attribution:
    """Shapley values of the modalities of ``engine``, from its metric with each subset of the modalities as its input.

    Args:
        engine: a fitted two-tower engine, or a hybrid.
        data: the dataset.
        split: the split that the engine was trained on; its test users are evaluated.
        options: the modalities and the metric.

    Raises:
        ConfigError: the inputs of this kind of engine cannot be masked, or it has no input of a given name.
    """
    holdout = sampled(split.test, options.users, options.seed)
    k = parse_metric(options.metric)[1]

    def values(unmasked: Coalition) -> Values:
        reduced = cast(Engine, masked(engine, hidden_parts(options.modalities, unmasked)))
        return evaluate(reduced, data, holdout, ks=(k,)).values[options.metric]

    slices = user_slices(data, split, holdout)
    return build_attribution(values, list(options.modalities), options.metric, slices, options.seed)


def sampled(holdout: Holdout, users: int, seed: int) -> Holdout:
    """``holdout`` with a random sample of ``users`` of its users; all of it where it has no more."""
    if len(holdout) <= users:
        return holdout
    # the label is part of the seed: with another one, the sample and the published figures would change
    rows = np.sort(stream(seed, "ledger").choice(holdout.users, users, replace=False))
    return holdout.of_users(rows)


def user_slices(data: Dataset, split: Split, holdout: Holdout) -> dict[str, NDArray[np.bool_]]:
    """Groups of evaluation users, bool [U] each: short histories, mostly cold targets, mostly tail targets.

    A history is short up to the first quartile of lengths. A cold item has no interaction in the training data. A tail
    item has some, but fewer than the 80th percentile of the numbers of interactions of all items that have any.
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
