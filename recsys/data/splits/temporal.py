"""Global temporal split: two cutoff times, the same for all users, separate train, validation and test."""

from __future__ import annotations

import numpy as np

from recsys.data.interactions import Interactions
from recsys.data.moment import moment_text
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.errors import DataError


def temporal(interactions: Interactions, validation_from: int, test_from: int) -> Split:
    """Global temporal split: train before ``validation_from``, validation before ``test_from``, test from then on.

    Every user with an interaction in a holdout's time window is evaluated; new users have an empty history.

    Args:
        interactions: all, with timestamps.
        validation_from: seconds since 1970 UTC.
        test_from: later than ``validation_from``.

    Raises:
        DataError: a window is empty.

    Example:
        >>> x = Interactions.of(np.tile([0, 1], 4), np.arange(8), np.arange(8) * 10)
        >>> split = temporal(x, validation_from=40, test_from=60)
        >>> split.train.time.tolist(), split.validation.targets.time.tolist(), split.test.targets.time.tolist()
        ([0, 20, 10, 30], [40, 50], [60, 70])
    """
    time = interactions.time
    parts = {
        "train": interactions.before(validation_from),
        "validation": interactions.select((time >= validation_from) & (time < test_from)),
        "test": interactions.select(time >= test_from),
    }
    for name, part in parts.items():
        if not len(part):
            raise DataError(
                f"the temporal split has no {name} interactions: they span {moment_text(time.min())} to "
                f"{moment_text(time.max())}, the cutoffs are {moment_text(validation_from)} and "
                f"{moment_text(test_from)}; move split.validation_from or split.test_from"
            )
    train_and_validation = interactions.before(test_from)
    return Split(
        "temporal",
        parts["train"],
        Holdout.of_targets(parts["train"], parts["validation"]),
        train_and_validation,
        Holdout.of_targets(train_and_validation, parts["test"]),
        {"validation_from": int(validation_from), "test_from": int(test_from)},
    )


def moments(interactions: Interactions, validation: float, test: float) -> tuple[int, int]:
    """The cutoff times from which the last ``validation + test`` and the last ``test`` of all interactions are.

    Args:
        interactions: all, with timestamps.
        validation: share of the interactions.
        test: share of the interactions.

    Example:
        >>> x = Interactions.of(np.zeros(8, int), np.arange(8), np.arange(8) * 10)
        >>> moments(x, validation=0.25, test=0.25)
        (40, 60)
    """
    ordered = np.sort(interactions.time)
    n = len(ordered)
    first, second = round(n * (1 - validation - test)), round(n * (1 - test))
    return int(ordered[min(first, n - 1)]), int(ordered[min(second, n - 1)])
