"""Leave-last-n-out: the last n interactions of each user are test targets, the n before them validation targets."""

from __future__ import annotations

import numpy as np

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split


def leave_last_n(interactions: Interactions, n_users: int, n: int = 1) -> Split:
    """Leave-last-n-out split: the last ``n`` interactions of each user for test, the ``n`` before them for validation.

    Users with fewer than ``2 n + 1`` interactions are not evaluated; all of their interactions are in train.

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        n: at least 1; with 1 the protocol is called leave-one-out.

    Example:
        Two users of four events each:

        >>> x = Interactions.of(np.repeat([0, 1], 4), np.arange(8), np.tile(np.arange(4), 2))
        >>> split = leave_last_n(x, 2)
        >>> split.train.item.tolist(), split.validation.targets.item.tolist(), split.test.targets.item.tolist()
        ([0, 1, 4, 5], [2, 6], [3, 7])
        >>> split.test.history.item.tolist()
        [0, 1, 2, 4, 5, 6]
    """
    counts = interactions.user_counts(n_users)
    evaluated = counts > 2 * n
    later = np.cumsum(counts)[evaluated, None] - 1 - np.arange(2 * n)  # positions of each user's last, newest first
    is_test, is_validation = np.zeros((2, len(interactions)), bool)
    is_test[later[:, :n]], is_validation[later[:, n:]] = True, True
    train = interactions.select(~(is_test | is_validation))
    train_and_validation = interactions.select(~is_test)
    users = np.flatnonzero(evaluated).astype(np.int32)
    return Split(
        "leave_one_out" if n == 1 else f"leave_last_{n}",
        train,
        Holdout(users, train, interactions.select(is_validation)),
        train_and_validation,
        Holdout(users, train_and_validation, interactions.select(is_test)),
        {"n": n},
        int((~evaluated & (counts > 0)).sum()),
    )
