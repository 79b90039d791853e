"""User holdout (strong generalization): some users have no interaction in train."""

from __future__ import annotations

import numpy as np

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split, counts_of_share, random_positions
from recsys.seeding import stream


def user_holdout(
    interactions: Interactions,
    n_users: int,
    share: float = 0.1,
    given: float = 0.8,
    seed: int = 0,
    has_order: bool = True,
) -> Split:
    """User holdout: a ``share`` of the users for validation and as many for test, none of them in train.

    The earliest ``given`` of a held-out user's interactions are the history, the rest the targets. Where the data has
    no order the history is drawn at random, as in Liang et al. (2018, "Variational Autoencoders for Collaborative
    Filtering").

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        share: of the users with at least two interactions, to each of validation and test.
        given: share of a held-out user's interactions that is history: at least one, and all but one at most.
        seed: of the random choice of users, and of histories where there is no order.
        has_order: whether times or positions order the interactions of a user.

    Example:
        >>> x = Interactions.of(np.repeat([0, 1, 2, 3], 2), np.arange(8), np.tile([0, 1], 4))
        >>> split = user_holdout(x, 4, share=0.25, given=0.5)
        >>> len(split.train), split.validation.users.tolist(), split.test.users.tolist()
        (4, [1], [3])
        >>> split.test.history.item.tolist(), split.test.targets.item.tolist()
        ([6], [7])
    """
    counts = interactions.user_counts(n_users)
    eligible = np.flatnonzero(counts >= 2)
    drawn = stream(seed, "user_holdout").permutation(eligible)
    n_held_out = max(1, round(share * len(eligible)))
    part_of_user = np.zeros(n_users, np.int8)  # 0 train, 1 validation, 2 test
    part_of_user[drawn[:n_held_out]], part_of_user[drawn[n_held_out : 2 * n_held_out]] = 2, 1
    part = part_of_user[interactions.user]
    positions = interactions.positions(n_users)
    if not has_order:
        positions = random_positions(interactions.user, n_users, stream(seed, "user_holdout", "history"))
    is_history = positions < counts_of_share(counts, given)[interactions.user]
    train = interactions.select(part == 0)

    def holdout(which: int) -> Holdout:
        held_out = part == which
        return Holdout.of_targets(
            interactions.select(held_out & is_history), interactions.select(held_out & ~is_history)
        )

    train_and_validation = interactions.select(part != 2)
    return Split(
        "user_holdout",
        train,
        holdout(1),
        train_and_validation,
        holdout(2),
        {"share": share, "given": given, "seed": seed, **({} if has_order else {"at_random": True})},
    )
