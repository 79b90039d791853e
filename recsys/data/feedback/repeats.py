"""Repeats: interactions with an item that the user had before, by an event of the same type or of any."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_types import EventTypes
from recsys.data.interactions import Interactions

BUYS_AGAIN = 0.1
"""From this share of repeats on, lists keep the items of a user's history: leaving them out loses all repeats, while
keeping them costs places of lists alone."""
ONE_TYPE = (
    "where event types follow each other on one item, let the one that counts stand and leave the others out by "
    'data.columns.event_meaning = {TYPE = "ignore"}'
)
"""What to do where the items of most interactions were had before, by another type of event."""


@dataclass(frozen=True)
class Repeats:
    """Shares of interactions with items that their users had before.

    A view, a cart and a purchase of one item are three events and no repeat. Interactions of types whose names say that
    they are no likes are not counted.

    Args:
        same_type: in an interaction of the same event type.
        any_type: in any interaction.
    """

    same_type: float
    any_type: float

    @classmethod
    def of(cls, x: Interactions, data: Dataset, among: NDArray[np.bool_] | None = None) -> Repeats:
        """The shares.

        Args:
            x: [E], interactions of ``data``.
            data: the dataset.
            among: bool [E], the interactions that are looked at; None looks at all.
        """
        looked_at = np.ones(len(x), bool) if among is None else among
        pairs = x.user.astype(np.int64) * max(data.n_items, 1) + x.item
        if data.event_types is None or x.event is None:
            share = _share(_again(pairs)[looked_at])
            return cls(share, share)
        looked_at = looked_at & data.event_types.counted(x.event)
        typed = pairs * (len(data.event_types.types) + 1) + x.event + 1
        return cls(_share(_again(typed)[looked_at]), _share(_again(pairs)[looked_at]))

    def advice(self, least: float) -> str:
        """What to do where types of events follow each other on one item; empty where they do not.

        Args:
            least: the share from which people are taken to come back.
        """
        if self.same_type >= least or self.any_type < least:
            return ""
        return f"; with events of any type it is {self.any_type:.1%}: {ONE_TYPE}"


def one_each(types: EventTypes, removals: Collection[str]) -> dict[str, float]:
    """Event weights by which each row of ``removals`` takes back one like, beside a ``positive_from``.

    A removal takes back all earlier likes of its user and item. Where people come back to items, a refund is of one
    purchase: a weight below zero takes back as much of the latest.

    Example:
        >>> from recsys.data.feedback.event_types import EventType
        >>> order, refund = EventType("order", 9, weight=2.0), EventType("refund", 1)
        >>> one_each(EventTypes("what", True, (order, refund)), ["refund"])
        {'order': 2.0, 'refund': -2.0}
    """
    likes = types.likes(removals)
    return {**likes, **dict.fromkeys(removals, -max(likes.values(), default=1.0))}


def _again(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool [E]: whether the key stood before."""
    again = np.ones(len(keys), bool)
    again[np.unique(keys, return_index=True)[1]] = False
    return again


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0
