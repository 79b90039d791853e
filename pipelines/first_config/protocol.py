"""The protocol and the seen filter that fit a dataset, with the reasons for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.feedback.repeats import BUYS_AGAIN, Repeats
from recsys.data.splits.split import Split, SplitConfig, make_split
from recsys.data.splits.temporal import moments
from recsys.errors import DataError

_LEAST_RETURNING, _RETURNING_SHARE = 50, 0.5
"""Users, and share of the users, of the test window who have a history before it, for a temporal split."""
_WANTED = f"a temporal test wants {_LEAST_RETURNING} such users, and half of them all"


@dataclass(frozen=True)
class Facts:
    """What decides the protocol.

    Args:
        interactions: their number.
        has_timestamps: whether they have times that can be compared between users.
        has_order: whether those of a user have an order.
        repeats: of all interactions.
        long_users: users of at least three interactions, who can be evaluated by leave-one-out.
        window_users: users of the last tenth of the interactions in time; 0 without times.
        returning: those of them who have a history before it.
        cold: share of the last tenth whose item does not occur before it.
    """

    interactions: int
    has_timestamps: bool
    has_order: bool
    repeats: Repeats
    long_users: int
    window_users: int
    returning: int
    cold: float

    @classmethod
    def of(cls, data: Dataset) -> Facts:
        """The facts of ``data``."""
        x = data.interactions
        found = cls(
            len(x),
            data.has_timestamps,
            data.has_order,
            Repeats.of(x, data),
            int((x.user_counts(data.n_users) >= 3).sum()),
            0,
            0,
            0.0,
        )
        if not data.has_timestamps:
            return found
        late = x.time >= moments(x, 0.1, 0.1)[1]
        users = np.unique(x.user[late])
        returning = int(np.isin(users, x.user[~late]).sum())
        cold = float((~np.isin(x.item[late], x.item[~late])).mean())
        return replace(found, window_users=len(users), returning=returning, cold=cold)


@dataclass(frozen=True, eq=False)
class Protocol:
    """A protocol that fits, and why.

    Args:
        name: as ``split.protocol``.
        filter_seen: as ``evaluate.filter_seen``.
        split: made by it.
        why: sentences about the protocol.
        why_filter: a sentence about the filter.
    """

    name: str
    filter_seen: bool
    split: Split
    why: tuple[str, ...]
    why_filter: str


def choose_protocol(data: Dataset, file: object) -> Protocol:
    """The protocol and the seen filter that fit ``data``.

    Temporal where times can be compared and at least half of the users of the last tenth have a history; else
    leave-one-out where there is an order; else a random share of each user's interactions, or cold items, where items
    have columns and users too few interactions.

    Args:
        data: the dataset.
        file: its interactions, for messages.

    Raises:
        DataError: no protocol is possible.
    """
    facts = Facts.of(data)
    keeps = facts.repeats.same_type >= BUYS_AGAIN
    remedy = "people come back to items, so lists may hold them" if keeps else "lists hold what a user has not had"
    note = "" if data.event_types is None else data.event_types.repeats_note
    share = f"{facts.repeats.same_type:.1%} of the interactions repeat an earlier one of the same user and item"
    why_filter = f"{share}{note}: {remedy}{facts.repeats.advice(BUYS_AGAIN)}"
    failed = ""
    for name, why in _ranked(facts, data, file):
        try:
            config = parse(SplitConfig, {"protocol": name}, "split")
            split = make_split(data, config, filter_seen=not keeps)
        except DataError as error:
            failed = str(error)
        else:
            return Protocol(name, not keeps, split, why, why_filter)
    raise DataError(f"{file}: {failed}")


def _ranked(facts: Facts, data: Dataset, file: object) -> list[tuple[str, tuple[str, ...]]]:
    """The protocols that are possible, best first, each with its reasons."""
    if not facts.has_order:
        if not facts.long_users and not data.items.schema.columns:
            raise DataError(
                f"{file}: there is no time and no order, no user has three interactions, and there is no table of "
                "items, so nothing can be held out; give more interactions, or a table of items"
            )
        reason = "there is no time and no order: the test is a random tenth of each user's interactions, at least one"
        remedy = "where there is a column of times, name it: recsys init --column time=NAME"
        by_item = (
            "cold_items",
            ("there is no time and no order, so items are held out, which their columns describe",),
        )
        return [("random", (reason, remedy)), *([by_item] if data.items.schema.columns else [])]
    each = f"{facts.long_users:,} users have at least three interactions; the last one of each is the test"
    if not facts.has_timestamps:
        return [("leave_one_out", ("there is an order within each user but no time that users share", each))]
    share = facts.returning / max(facts.window_users, 1)
    window = f"of {facts.window_users:,} users of the last tenth in time {share:.0%} have a history before it"
    cold = f"{facts.cold:.1%} of the last tenth are of items that do not occur before it"
    temporal = ("temporal", ("there are times, as when a model is trained today and used tomorrow", window, cold))
    last = ("leave_one_out", ("there are times", f"but {window}; {_WANTED}", each, cold))
    returns = facts.returning >= _LEAST_RETURNING and share >= _RETURNING_SHARE
    return [temporal, last] if returns else [last, temporal]
