"""Live histories: what users did since the data of the model were made, as feedback events that were acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from threading import Lock

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_words import likely_meaning
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.service.questions import Id


@dataclass(frozen=True)
class FeedbackEvent:
    """A user and an item, at a time.

    Args:
        event_id: one event is counted once, however often it is sent.
        user_id: of a user whom the model may not know.
        item_id: of an item which the model may not know.
        event: the type of the event; one that reads as a dislike or a removal (``skip``, ``unlike``) takes the item out
            of the user's lists and does not extend the history.
        time: in seconds since 1970.
        weight: positive; see `recsys.data.interactions.Interactions`.
        exposure_id: of the list that the item stood in.
    """

    event_id: str
    user_id: Id
    item_id: Id
    event: str
    time: int
    weight: float = 1.0
    exposure_id: str | None = None

    @property
    def liked(self) -> bool:
        """Whether it extends the history."""
        return likely_meaning(self.event) is None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class LiveHistories:
    """The newest events of each user, in memory.

    Args:
        most: events that are kept of a user; older ones are dropped.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._events: dict[Id, deque[FeedbackEvent]] = {}
        self._ids: dict[Id, set[str]] = {}
        self._changes: dict[Id, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return sum(len(events) for events in self._events.values())

    @property
    def n_users(self) -> int:
        return len(self._events)

    def holds(self, event: FeedbackEvent) -> bool:
        """Whether an event of the same user and id is kept."""
        return event.event_id in self._ids.get(event.user_id, ())

    def add(self, events: Iterable[FeedbackEvent]) -> None:
        """Adds events; one whose id is kept already changes nothing."""
        with self._lock:
            for event in events:
                ids = self._ids.setdefault(event.user_id, set())
                if event.event_id in ids:
                    continue
                kept = self._events.setdefault(event.user_id, deque())
                kept.append(event)
                ids.add(event.event_id)
                if len(kept) > self._most:
                    ids.discard(kept.popleft().event_id)
                self._changes[event.user_id] = self._changes.get(event.user_id, 0) + 1

    def changes(self, user_id: Id) -> int:
        """How often the history of a user was extended since the start."""
        return self._changes.get(user_id, 0)

    def events(self, user_id: Id | None) -> tuple[FeedbackEvent, ...]:
        """The events of a user, in the order of their arrival."""
        if user_id is None or user_id not in self._events:
            return ()
        with self._lock:
            return tuple(self._events[user_id])

    def all_events(self) -> Iterator[FeedbackEvent]:
        """Every event that is kept, user by user."""
        with self._lock:
            users = [tuple(events) for events in self._events.values()]
        for events in users:
            yield from events


def extended(base: Histories, events: tuple[FeedbackEvent, ...], data: Dataset) -> tuple[Histories, Histories]:
    """The history of one user with the events that extend it, and the items that events took out of the lists.

    An event that the data has already is left out, so that nothing counts twice once a model was trained on data with
    the feedback: the same item at the same time, or in data without times the same item.

    Args:
        base: of one user.
        events: of the same user.
        data: the items, and whether times are seconds.
    """
    rows = [data.items.vocabulary.row(event.item_id) for event in events]
    known = [(row, event) for row, event in zip(rows, events, strict=True) if row != MISSING]
    times = base.times.tolist() if data.has_timestamps else [0] * len(base.items)
    had = set(zip(base.items.tolist(), times, strict=True))
    new = [(row, event) for row, event in known if event.liked and (row, event.time * data.has_timestamps) not in had]
    disliked = [row for row, event in known if not event.liked]
    last = int(base.times.max(initial=-1))
    added = [event.time if data.has_timestamps else last + 1 + step for step, (_, event) in enumerate(new)]
    moments = np.concatenate([base.times, np.array(added, np.int64)])
    order = np.argsort(moments, kind="stable")
    items = np.concatenate([base.items, np.array([row for row, _ in new], np.int32)])[order]
    weights = np.concatenate([base.weights, np.array([event.weight for _, event in new], np.float32)])[order]
    whole = Histories(np.array([0, len(items)]), items.astype(np.int32), moments[order], weights)
    return whole, Histories.of([disliked])
