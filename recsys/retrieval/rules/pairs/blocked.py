"""Blocked pairs: items that a user disliked, rated low or removed are left out of the user's list."""

from __future__ import annotations

from recsys.data.histories import Histories
from recsys.retrieval.retriever import HasSeen


def blocked_items(users: HasSeen) -> Histories:
    """[U] the items that each user's negative feedback names (`recsys.data.dataset.Dataset.non_likes`).

    The seen filter masks them too; as a rule of its own it holds where seen items may be recommended again.
    """
    return Histories.of([[]] * len(users.histories)) if users.also_seen is None else users.also_seen
