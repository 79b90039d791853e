"""Live histories: what users did since the data of the model were made, as feedback events that were acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from threading import Lock

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_meanings import BELOW, DISLIKE, LIKE, REMOVAL, RETURN, EventMeanings
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.retrieval.recipients.asked import Id


@dataclass(frozen=True)
class FeedbackEvent:
    """A user and an item, at a time.

    Args:
        event_id: one event is counted once, however often it is sent.
        user_id: of a user whom the model may not know.
        item_id: of an item which the model may not know.
        event: the type of the event; a dislike or a removal takes the item out of the user's lists, see
            `recsys.data.feedback.event_meanings.EventMeanings`.
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

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class LiveHistories:
    """The newest events of each user, in memory.

    Args:
        most: events that are kept of a user; older ones are dropped.
        types: what the events mean and weigh.
    """

    def __init__(self, most: int = 1000, types: EventMeanings | None = None) -> None:
        self._most, self.types = most, types or EventMeanings()
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


@dataclass(frozen=True, eq=False)
class Extended:
    """The history of one user after events.

    Args:
        history: with the likes, and without what a dislike or a removal took back.
        also_seen: items of events that are neither; they are left out where items of the history are.
        blocked: items that were disliked or removed last, which are never listed.
    """

    history: Histories
    also_seen: Histories
    blocked: Histories


def extended(base: Histories, events: tuple[FeedbackEvent, ...], data: Dataset, types: EventMeanings) -> Extended:
    """The history of one user with the events that extend it, as they would count in a table of interactions.

    An event that the data has already is left out, so that nothing counts twice once a model was trained on data with
    the feedback: the same item at the same time, or in data without times the same item. A dislike or a removal takes
    back the likes of the item before it, a return as much as it weighs of the latest, and a like after it stands again.

    Args:
        base: of one user.
        events: of the same user.
        data: the items, and whether times are seconds.
        types: what the events mean and weigh.
    """
    timed = data.has_timestamps
    times = base.times if timed else np.zeros(len(base.items), np.int64)
    taken_back, returned = _settled(events, data)
    had = set(zip(base.items.tolist(), times.tolist(), strict=True)) | taken_back
    stands, left = np.ones(len(base.items), bool), base.weights.astype(np.float64)
    likes: list[tuple[int, FeedbackEvent, float]] = []
    seen: dict[int, None] = {}
    blocked: dict[int, None] = {}
    for event in sorted(events, key=lambda each: each.time) if timed else events:
        row, meaning = data.items.vocabulary.row(event.item_id), types.meaning(event.event, event.weight)
        weight = types.weight(event.event, event.weight)
        if row == MISSING:
            continue
        if meaning == LIKE:
            blocked.pop(row, None)
            if (row, event.time * timed) not in had:
                likes.append((row, event, weight))
        elif meaning == BELOW:
            seen[row] = None
        elif meaning == RETURN and (row, event.time * timed) not in returned:
            seen[row] = None
            likes, weight = _less(likes, row, -weight, types)
            for place in np.flatnonzero(stands & (base.items == row) & (times <= event.time * timed))[::-1].tolist():
                taken = min(weight, left[place])
                left[place], weight = left[place] - taken, weight - taken
                stands[place] = left[place] > 0 and left[place] >= (types.positive_from or 0.0)
        elif meaning in (DISLIKE, REMOVAL):
            later = (base.items == row) & (times > event.time * timed)
            stands &= (base.items != row) | later
            likes = [each for each in likes if each[0] != row]
            if not later.any():
                blocked[row] = None
    last = int(base.times.max(initial=-1))
    added = [event.time if timed else last + 1 + step for step, (_, event, _) in enumerate(likes)]
    moments = np.concatenate([base.times[stands], np.array(added, np.int64)])
    order = np.argsort(moments, kind="stable")
    items = np.concatenate([base.items[stands], np.array([row for row, _, _ in likes], np.int32)])[order]
    new = [weight for _, _, weight in likes]
    weights = np.concatenate([left[stands], new]).astype(np.float32)[order]
    whole = Histories(np.array([0, len(items)]), items.astype(np.int32), moments[order], weights)
    return Extended(whole, _unweighted(seen), _unweighted(blocked))


def _less(
    likes: list[tuple[int, FeedbackEvent, float]], row: int, amount: float, types: EventMeanings
) -> tuple[list[tuple[int, FeedbackEvent, float]], float]:
    """``likes`` without ``amount`` of the latest of the item ``row``, and what is left of the amount."""
    found = []
    for item, event, weight in reversed(likes):
        taken = min(amount, weight) if item == row else 0.0
        amount, rest = amount - taken, weight - taken
        if not taken or (rest > 0 and rest >= (types.positive_from or 0.0)):
            found.append((item, event, rest))
    return found[::-1], amount


def _settled(events: tuple[FeedbackEvent, ...], data: Dataset) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Item and time of the likes of the user that the data has taken back, and of the returns that it has applied."""
    if not len(data.settled) or not events:
        return set(), set()
    theirs = Histories.from_interactions(data.settled, np.array([data.users.vocabulary.row(events[0].user_id)]))
    times = theirs.times if data.has_timestamps else np.zeros(len(theirs.items), np.int64)
    pairs, likes = np.stack([theirs.items, times], axis=1), (theirs.weights > 0) & data.has_timestamps
    found = ({(int(item), int(time)) for item, time in pairs[which]} for which in (likes, theirs.weights <= 0))
    return next(found), next(found)


def unchanged(base: Histories) -> Extended:
    """The history of one user without events."""
    return Extended(base, _unweighted(()), _unweighted(()))


def _unweighted(rows: Iterable[int]) -> Histories:
    """Items of one user at weight 0, so that no engine learns from them."""
    found = Histories.of([list(rows)])
    return replace(found, weights=np.zeros(len(found.items), np.float32))
