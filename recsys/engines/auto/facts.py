"""What tables show before any training: order, repeats, cold users and items; and the protocol that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_types import EventTypes
from recsys.data.feedback.repeats import BUYS_AGAIN, Repeats
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind

NEWEST = 0.1
"""The share of the interactions that are the newest part."""
_RETURNING, _MIN_USERS, _LONG_ENOUGH = 0.5, 100, 0.2


@dataclass(frozen=True)
class Facts:
    """What is seen in a dataset.

    The newest part is the last tenth of the interactions by time, or the last interaction of each user where there are
    no timestamps.

    Args:
        users: U, with interactions.
        items: I, with interactions.
        interactions: E.
        has_timestamps: whether there are timestamps.
        has_order: whether there is any order.
        long_enough: the share of users with at least three interactions, whom leave-one-out can evaluate.
        returning_users: users of the newest part who have earlier interactions.
        returning: their share of the users of the newest part.
        repeats: of the interactions of these users in the newest part.
        cold_items: the share of the newest interactions whose items have no earlier interactions.
        columns: kind -> columns of the items.
        event_types: of the interactions, where they are known.
    """

    users: int
    items: int
    interactions: int
    has_timestamps: bool
    has_order: bool
    long_enough: float
    returning_users: int
    returning: float
    repeats: Repeats
    cold_items: float
    columns: dict[str, list[str]]
    event_types: EventTypes | None = None

    @classmethod
    def of(cls, data: Dataset, train: Interactions | None = None) -> Facts:
        """The facts of ``train``, by default of all interactions of ``data``.

        Example:
            >>> from recsys.data.synthetic.worlds import BlockTaste
            >>> facts = Facts.of(BlockTaste(users=30).dataset())
            >>> facts.returning, facts.repeats.same_type, facts.columns["text"]
            (1.0, 0.0, ['blurb'])
        """
        x = data.interactions if train is None else train
        newest = _newest(x, data)
        old_users = x.select(~newest).user_counts(data.n_users) > 0
        old_items = x.select(~newest).item_counts(data.n_items) > 0
        asked = np.unique(x.user[newest])
        of_known = newest & old_users[x.user]
        counts = x.user_counts(data.n_users)
        kinds = {str(kind): data.items.schema.names(kind) for kind in Kind}
        return cls(
            users=int((counts > 0).sum()),
            items=int((x.item_counts(data.n_items) > 0).sum()),
            interactions=len(x),
            has_timestamps=data.has_timestamps,
            has_order=data.has_order,
            long_enough=_share(counts[counts > 0] >= 3),
            returning_users=int(old_users[asked].sum()),
            returning=_share(old_users[asked]),
            repeats=Repeats.of(x, data, of_known),
            cold_items=_share(~old_items[x.item[newest]]),
            columns={kind: names for kind, names in kinds.items() if names},
            event_types=data.event_types,
        )

    @property
    def filter_seen(self) -> bool:
        """Whether lists leave out the items of a user's history: people hardly come back to the same items."""
        return self.repeats.same_type < BUYS_AGAIN

    def protocol(self) -> tuple[str, str]:
        """``temporal``, ``leave_one_out`` or ``random``, and the reason."""
        if not self.has_order:
            return "random", "there is no time and no order, so a random tenth of each user's interactions is held out"
        if not self.has_timestamps:
            return "leave_one_out", "there are no timestamps that order the interactions of different users"
        known = f"{self.returning:.0%} of the users of the newest tenth ({self.returning_users:,}) have a history"
        if self.long_enough < _LONG_ENOUGH:
            return "temporal", f"only {self.long_enough:.0%} of the users have three interactions to leave the last out"
        if self.returning >= _RETURNING and self.returning_users >= _MIN_USERS:
            return "temporal", f"{known}, so the future can be predicted as it comes"
        if self.returning >= _RETURNING:
            return "leave_one_out", f"{known}, too few to be measured on; the last interaction of every user is"
        return "leave_one_out", f"only {known}; on the last interaction of every user everybody counts"

    def lines(self) -> list[str]:
        """What the tables show, in sentences."""
        order = "timestamps" if self.has_timestamps else "an order within the user" if self.has_order else "no order"
        columns = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in self.columns.items())
        found = [
            f"{self.users:,} users, {self.items:,} items, {self.interactions:,} interactions with {order}",
            f"item columns: {columns or 'none'}",
        ]
        if self.event_types is not None:
            read = "" if self.event_types.named else ", which no option names, so that all count alike"
            found.append(f"event types in the column {self.event_types.column!r}{read}: {self.event_types.text}")
        if self.has_order:
            found.append(
                f"in the newest part {1 - self.returning:.0%} of the users are new, and {self.cold_items:.1%} of the "
                "interactions are with items that had none"
            )
        return found

    def seen_reason(self) -> str:
        """Why the seen filter is as it is."""
        part = "newest interactions" if self.has_order else "interactions"
        note = "" if self.event_types is None else self.event_types.repeats_note
        share = f"{self.repeats.same_type:.1%} of the {part} are items that their users had before{note}"
        if self.filter_seen:
            advice = self.repeats.advice(BUYS_AGAIN)
            return f"{share}: people hardly come back to the same items, and lists leave these out{advice}"
        return f"{share}: people come back to the same items, and lists keep these"


def _newest(x: Interactions, data: Dataset) -> NDArray[np.bool_]:
    """Bool [E]: the last tenth by time, or the last interaction of each user."""
    if data.has_timestamps and len(x):
        since = np.quantile(np.asarray(x.time), 1 - NEWEST, method="higher")
        return np.asarray(x.time >= since)
    last = np.zeros(len(x), bool)
    last[x.offsets(data.n_users)[1:][x.user_counts(data.n_users) > 0] - 1] = True
    return last


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0
