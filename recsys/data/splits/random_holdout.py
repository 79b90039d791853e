"""Random holdout: a random share of each user's interactions, for data without an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split, random_positions
from recsys.seeding import stream


def random_holdout(
    interactions: Interactions,
    n_users: int,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    by_item: bool = True,
) -> Split:
    """Random holdout: of each user's interactions a random share for test and another for validation.

    The split of RecBole ("ratio-based splitting") and LensKit ("sample fraction"). It is not by time: with times, train
    holds interactions that are later than the targets, so its metrics do not compare with those of ``leave_one_out``
    and ``temporal``. At least one interaction of a user is held out for each part, and at least one stays in train;
    users with fewer than three are not evaluated, and all of their interactions are in train.

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        validation: share of each user's interactions.
        test: share of each user's interactions.
        seed: of the random choice of interactions.
        by_item: all interactions of a user with an item are held out together, so that no target is in the history.

    Example:
        >>> x = Interactions.of(np.repeat([0, 1], 10), np.tile(np.arange(10), 2))
        >>> split = random_holdout(x, 2, test=0.2)
        >>> len(split.train), len(split.validation.targets), len(split.test.targets), len(split.test.history)
        (14, 2, 4, 16)
    """
    unit = _units(interactions, by_item)
    owner = interactions.user[np.unique(unit, return_index=True)[1]].astype(np.int64)
    counts = np.bincount(owner, minlength=n_users)
    position = random_positions(owner, n_users, stream(seed, "random_holdout"))
    of_test = np.clip(np.round(counts * test), 1, np.maximum(counts - 2, 1))
    of_both = of_test + np.clip(np.round(counts * validation), 1, np.maximum(counts - of_test - 1, 1))
    evaluated = counts >= 3
    held_out = evaluated[owner] & (position < of_both[owner])
    is_test = held_out & (position < of_test[owner])
    test_rows, held_out_rows = is_test[unit], held_out[unit]
    train, seen = interactions.select(~held_out_rows), interactions.select(~test_rows)
    users = np.flatnonzero(evaluated).astype(np.int32)
    return Split(
        "random",
        train,
        Holdout(users, train, interactions.select(held_out_rows & ~test_rows)),
        seen,
        Holdout(users, seen, interactions.select(test_rows)),
        {"validation": validation, "test": test, "seed": seed, "at_random": True},
        int((~evaluated & (counts > 0)).sum()),
    )


def _units(interactions: Interactions, by_item: bool) -> NDArray[np.int64]:
    """int64 [E]: the number of what is held out together: the pair of user and item, or the interaction itself."""
    if not by_item:
        return np.arange(len(interactions))
    pairs = interactions.user.astype(np.int64) * (int(interactions.item.max(initial=0)) + 1) + interactions.item
    unit: NDArray[np.int64] = np.unique(pairs, return_inverse=True)[1]
    return unit
