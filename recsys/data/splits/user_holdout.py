"""User hold-out (strong generalisation): whole users are kept from training."""

from __future__ import annotations

import numpy as np

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.seeding import stream


def user_holdout(
    interactions: Interactions, n_users: int, share: float = 0.1, given: float = 0.8, seed: int = 0
) -> Split:
    """A ``share`` of the users validates and as many test; of each the first ``given`` is history, the rest targets.

    (Liang et al., 2018, "Variational Autoencoders for Collaborative Filtering", with the order of time kept.)

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        share: of the users with at least two interactions, to each of validation and test.
        given: share of such a user's interactions that is history; at least one is and at least one is not.
        seed: draws the users.

    Example:
        >>> x = Interactions.of(np.repeat([0, 1, 2, 3], 2), np.arange(8), np.tile([0, 1], 4))
        >>> split = user_holdout(x, 4, share=0.25, given=0.5)
        >>> len(split.train), split.validation.users.tolist(), split.test.users.tolist()
        (4, [1], [3])
        >>> split.test.history.item.tolist(), split.test.targets.item.tolist()
        ([6], [7])
    """
    lengths = np.bincount(interactions.user, minlength=n_users)
    able = np.flatnonzero(lengths >= 2)
    drawn = stream(seed, "user_holdout").permutation(able)
    count = max(1, round(share * len(able)))
    place = np.zeros(n_users, np.int8)
    place[drawn[:count]], place[drawn[count : 2 * count]] = 2, 1
    role = place[interactions.user]
    rank = np.arange(len(interactions)) - interactions.offsets(n_users)[:-1][interactions.user]
    kept = np.clip(np.round(lengths * given), 1, np.maximum(lengths - 1, 1))[interactions.user]
    train = interactions.select(role == 0)

    def holdout(which: int) -> Holdout:
        users = np.flatnonzero(place == which).astype(np.int32)
        mine = role == which
        return Holdout(users, interactions.select(mine & (rank < kept)), interactions.select(mine & (rank >= kept)))

    train_and_validation = interactions.select(role != 2)
    return Split(
        "user_holdout",
        train,
        holdout(1),
        train_and_validation,
        holdout(2),
        {"share": share, "given": given, "seed": seed},
    )
