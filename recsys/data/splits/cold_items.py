"""Cold items: whole items are kept from training, and ranked among themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.seeding import stream


def cold_items(interactions: Interactions, n_users: int, n_items: int, share: float = 0.1, seed: int = 0) -> Split:
    """A ``share`` of the items validates and as many test, each with all its interactions.

    The candidates are the cold items of the holdout. The history of a user is what is left without them: warm items,
    and for test, before which models are fitted anew on train and validation, also the items that were cold then.

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        n_items: size of the item vocabulary.
        share: of the items with interactions, to each of validation and test.
        seed: draws the items.

    Example:
        >>> x = Interactions.of(np.repeat([0, 1], 4), np.tile(np.arange(4), 2), np.tile(np.arange(4), 2))
        >>> split = cold_items(x, 2, 4, share=0.25)
        >>> sorted(set(split.train.item.tolist())), split.validation.candidates.tolist(), split.test.candidates.tolist()
        ([1, 3], [0], [2])
    """
    present = np.flatnonzero(interactions.item_counts(n_items))
    drawn = stream(seed, "cold_items").permutation(present)
    count = max(1, round(share * len(present)))
    place = np.zeros(n_items, np.int8)
    place[drawn[:count]], place[drawn[count : 2 * count]] = 2, 1
    role = place[interactions.item]
    train = interactions.select(role == 0)
    train_and_validation = interactions.select(role != 2)
    able = np.bincount(train.user, minlength=n_users) > 0

    def holdout(which: int, history: Interactions) -> tuple[Holdout, int]:
        targets = interactions.select((role == which) & able[interactions.user])
        dropped = len(np.unique(interactions.user[role == which])) - len(np.unique(targets.user))
        candidates: NDArray[np.int64] = np.flatnonzero(place == which)
        return Holdout(np.unique(targets.user), history, targets, candidates), dropped

    validation, _ = holdout(1, train)
    test, dropped = holdout(2, train_and_validation)
    return Split("cold_items", train, validation, train_and_validation, test, {"share": share, "seed": seed}, dropped)
