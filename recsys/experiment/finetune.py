"""Fine-tuning a two-tower engine on newer interactions, some of which are held out for validation and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.config import deep_merge, parse
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.engine import FitContext
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError
from recsys.training.deterministic import deterministic

_SHAPE = (
    *("dim", "item_id", "user_id", "item_fusion", "user_fusion", "pooling", "heads", "layers", "expansion"),
    *("positions", "use_timestamps", "item_bias", "numeric"),
)
"""Options of the model that decide the shapes of its weights."""


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned engine and the interactions that were held out from its training.

    Args:
        engine: the fine-tuned engine.
        evaluation: new interactions for its evaluation, which are not in its training or validation data; None where
            fewer than two users have a new interaction that can be held out.
    """

    engine: TwoTower
    evaluation: Holdout | None


def finetune_engine(
    parent: TwoTower, data: Dataset, new: NDArray[np.bool_], config: TwoTowerConfig, context: FitContext
) -> FineTuned:
    """A new engine that starts from the weights of ``parent`` and is trained on the new interactions of ``data``.

    The last interaction of each user with several new ones is held out (`leave_last_out`). Half of these users are the
    validation users of the training, the other half are kept for evaluating the new engine.

    Args:
        parent: a fitted engine; not modified.
        data: users, items and interactions, old and new.
        new: bool [E], the interactions of ``data`` that the parent was not trained on.
        config: of the new engine; see `finetune_config`.
        context: of the fit; its validation part is replaced.
    """
    train, is_new, holdout = leave_last_out(data.interactions, new, data.n_users, context.filter_seen)
    validation, evaluation = validation_and_evaluation(holdout)
    with deterministic():
        child = TwoTower(config).finetune(parent, data, train, is_new, replace(context, validation=validation))
    return FineTuned(child, evaluation)


def leave_last_out(
    interactions: Interactions, new: NDArray[np.bool_], n_users: int, filter_seen: bool
) -> tuple[Interactions, NDArray[np.bool_], Holdout | None]:
    """Leave-last-out split of the new interactions: (train, is_new, holdout).

    The target of a user with several new interactions is the user's last interaction. It stays in ``train`` if it is
    not new, or if ``filter_seen`` and the user interacted with the item before, since a list cannot contain it then.

    Args:
        interactions: [E] old and new.
        new: bool [E].
        n_users: number of users.
        filter_seen: whether lists leave out the items of the history.

    Returns:
        The training interactions [N], which of them are new (bool [N]), and the users with their targets; None where
        there are none.

    Example:
        >>> import numpy as np
        >>> i = Interactions.of(np.array([0, 0, 0, 1]), np.array([4, 5, 6, 4]), np.array([1, 2, 3, 1]))
        >>> train, is_new, holdout = leave_last_out(i, np.array([False, True, True, True]), 2, filter_seen=True)
        >>> train.item.tolist(), is_new.tolist(), holdout.users.tolist(), holdout.targets.item.tolist()
        ([4, 5, 4], [False, True, True], [0], [6])
    """
    several = np.bincount(interactions.user[new], minlength=n_users) > 1
    last = interactions.offsets(n_users)[1:] - 1
    users = np.flatnonzero(several)
    eligible = new & FirstInteractions.of(interactions, n_users).mask() if filter_seen else new
    users = users[eligible[last[users]]]  # a new interaction may be older than the user's last one
    is_train = np.ones(len(interactions), bool)
    is_train[last[users]] = False
    train = interactions.select(is_train)
    if not len(users):
        return train, new, None
    history = train.select(np.isin(train.user, users))
    targets = interactions.select(~is_train)
    return train, new[is_train], Holdout(users.astype(np.int32), history, targets, filter_seen=filter_seen)


def validation_and_evaluation(holdout: Holdout | None) -> tuple[Holdout | None, Holdout | None]:
    """Splits the users of ``holdout`` alternately into validation and evaluation; a single user is for validation."""
    if holdout is None or len(holdout) < 2:
        return holdout, None
    return holdout.of_users(holdout.users[0::2]), holdout.of_users(holdout.users[1::2])


def finetune_config(parent: TwoTower, changes: Mapping[str, object]) -> TwoTowerConfig:
    """The config of ``parent`` with ``changes`` merged into it, section by section.

    If the parent was trained to rank seen items (``evaluate.filter_seen = false``), the fine-tuned engine is as well.

    Raises:
        ConfigError: a key is unknown, or changes the inputs of the parent or the shapes of its weights.
    """
    raw = parent.chosen_config().model_dump(mode="json")
    raw["mask_seen_negatives"] &= not parent.ranks_seen_items()
    config = parse(TwoTowerConfig, deep_merge(raw, changes), "[finetune]")
    wanted = config.model_dump(mode="json")
    fixed = [(key, raw[key], wanted[key]) for key in ("tables", "features", "max_history")]
    fixed += [(f"model.{key}", raw["model"][key], wanted["model"][key]) for key in _SHAPE]
    changed = [f"{key} = {new!r} (the parent has {old!r})" for key, old, new in fixed if old != new]
    if changed:
        raise ConfigError(
            f"[finetune] cannot change {', '.join(changed)}: the parent's weights are reused; train from scratch"
        )
    return config
