"""Given train and test files; validation is cut from train."""

from __future__ import annotations

import numpy as np

from recsys.data.holdout import Holdout, Split
from recsys.data.interactions import Interactions
from recsys.seeding import stream


def given(
    train: Interactions, test: Interactions, n_users: int, validation: float = 0.1, ordered: bool = False, seed: int = 0
) -> Split:
    """The test file is asked with the train file as history; a share of each user's train validates.

    Args:
        train: the given training interactions.
        test: the given test interactions.
        n_users: size of the user vocabulary.
        validation: share of each user's training interactions, of users with at least two; at least one is left.
        ordered: whether times mean something: the last ones validate; otherwise they are drawn at random.
        seed: draws them.

    Example:
        >>> train = Interactions.of(np.repeat([0, 1], 3), np.arange(6), np.tile(np.arange(3), 2))
        >>> test = Interactions.of(np.array([0, 1]), np.array([3, 0]))
        >>> split = given(train, test, 2, validation=0.3, ordered=True)
        >>> split.train.item.tolist(), split.validation.targets.item.tolist(), split.test.targets.item.tolist()
        ([0, 1, 3, 4], [2, 5], [3, 0])
    """
    lengths = np.bincount(train.user, minlength=n_users)
    take = np.where(lengths >= 2, np.clip(np.round(lengths * validation), 1, np.maximum(lengths - 1, 1)), 0)
    key = -np.arange(len(train)) if ordered else stream(seed, "given").random(len(train))
    order = np.lexsort((key, train.user))
    rank = np.empty(len(train), np.int64)
    rank[order] = np.arange(len(train)) - train.offsets(n_users)[:-1][train.user]
    out = rank < take[train.user]
    inner, targets = train.select(~out), train.select(out)
    known = lengths[test.user] > 0
    asked = test.select(known)
    return Split(
        "given",
        inner,
        Holdout(np.unique(targets.user), inner, targets),
        train,
        Holdout(np.unique(asked.user), train, asked),
        {"validation": validation, "seed": seed},
        len(np.unique(test.user)) - len(np.unique(asked.user)),
    )
