"""Item cold start: some items have no interaction in train, and are ranked among themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.seeding import stream


def cold_items(interactions: Interactions, n_users: int, n_items: int, share: float = 0.1, seed: int = 0) -> Split:
    """Item cold-start split: a ``share`` of the items for validation and as many for test, with all interactions.

    The candidates of a holdout are its cold items. The histories are the training interactions, and for test those of
    ``train_and_validation``. Users without a training interaction are not evaluated.

    Args:
        interactions: all.
        n_users: size of the user vocabulary.
        n_items: size of the item vocabulary.
        share: of the items with interactions, to each of validation and test.
        seed: of the random choice of items.

    Example:
        >>> x = Interactions.of(np.repeat([0, 1], 4), np.tile(np.arange(4), 2), np.tile(np.arange(4), 2))
        >>> split = cold_items(x, 2, 4, share=0.25)
        >>> sorted(set(split.train.item.tolist())), split.validation.candidates.tolist(), split.test.candidates.tolist()
        ([1, 3], [0], [2])
    """
    present = np.flatnonzero(interactions.item_counts(n_items))
    drawn = stream(seed, "cold_items").permutation(present)
    count = max(1, round(share * len(present)))
    part_of_item = np.zeros(n_items, np.int8)  # 0 train, 1 validation, 2 test
    part_of_item[drawn[:count]], part_of_item[drawn[count : 2 * count]] = 2, 1
    part = part_of_item[interactions.item]
    train = interactions.select(part == 0)
    train_and_validation = interactions.select(part != 2)
    in_train = train.user_counts(n_users) > 0

    def holdout(which: int, history: Interactions) -> tuple[Holdout, int]:
        """The holdout, and how many users with interactions in it are dropped."""
        targets = interactions.select((part == which) & in_train[interactions.user])
        candidates: NDArray[np.int64] = np.flatnonzero(part_of_item == which)
        result = Holdout.of_targets(history, targets, candidates)
        return result, len(np.unique(interactions.user[part == which])) - len(result)

    validation, _ = holdout(1, train)
    test, dropped = holdout(2, train_and_validation)
    return Split("cold_items", train, validation, train_and_validation, test, {"share": share, "seed": seed}, dropped)
