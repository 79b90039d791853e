"""Synthetic interactions with known demand: seasons and bursts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.demand.periods import DAY
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.seeding import stream

MONDAY = 1_000_080_000
"""The time of the first interactions, a Monday at 0:00 UTC; seconds since 1970."""


@dataclass(frozen=True)
class SeasonalDemand:
    """Items with a rate of their own; even ones peak in the middle of the week, odd ones half a week later.

    On day ``t`` item ``i`` has a Poisson count of mean ``rate_i (1 + season cos(2 pi (t / 7 - 1/2 + i / 2)))``, and
    each event is of a user drawn by activity. A burst adds events of random users to an item, or on random items to a
    user.

    Args:
        items: I.
        users: U.
        days: T, from a Monday on.
        rate: the mean events of an item in a day; rates are gamma with shape 2.
        season: from 0, none, to 1.
        item_bursts: (item, day, events) each.
        user_bursts: (user, day, events) each.
    """

    items: int = 40
    users: int = 60
    days: int = 98
    rate: float = 2.0
    season: float = 0.0
    item_bursts: tuple[tuple[int, int, int], ...] = ()
    user_bursts: tuple[tuple[int, int, int], ...] = ()

    def means(self, days: NDArray[np.integer], seed: int = 0) -> NDArray[np.float64]:
        """float64 [I, len(days)]: the expected counts without bursts.

        Args:
            days: days since the first, a Monday.
            seed: draws the rates of the items, as in `dataset`.
        """
        rates = stream(seed, "rates").gamma(2.0, self.rate / 2, self.items)
        turn = days / 7 - 0.5 + np.arange(self.items)[:, None] / 2
        means: NDArray[np.float64] = rates[:, None] * (1 + self.season * np.cos(2 * np.pi * turn))
        return means

    def dataset(self, seed: int = 0) -> Dataset:
        """The sample as a dataset with timestamps; users and items are integers."""
        rng = stream(seed, "demand")
        counts = rng.poisson(self.means(np.arange(self.days), seed))
        activity = rng.gamma(2.0, 1.0, self.users)
        item, day = (np.repeat(place, counts.ravel()) for place in np.indices(counts.shape).reshape(2, -1))
        user = rng.choice(self.users, len(item), p=activity / activity.sum())
        for kind, bursts in enumerate((self.user_bursts, self.item_bursts)):
            for row, moment, n in bursts:
                other = rng.integers((self.items, self.users)[kind], size=n)
                user, item = (np.append(a, b) for a, b in zip((user, item), _sides(kind, row, other), strict=True))
                day = np.append(day, np.full(n, moment))
        time = MONDAY + day * DAY + rng.integers(0, DAY, len(day))
        users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (self.users, self.items))
        return Dataset("seasonal_demand", users, items, Interactions.of(user, item, time), has_timestamps=True)


def _sides(kind: int, row: int, other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and items of a burst of a user (0) or an item (1)."""
    same = np.full(len(other), row)
    return (other, same) if kind else (same, other)
