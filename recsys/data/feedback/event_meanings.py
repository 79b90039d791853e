"""Types of events as a config names them: what each weighs and whether it is a like, a dislike or a removal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.choices import did_you_mean
from recsys.data.feedback import likes
from recsys.data.feedback.event_words import likely_meaning
from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.errors import DataError

LIKE, DISLIKE, REMOVAL, BELOW, RETURN, IGNORE = "like", "dislike", "removal", "below", "return", "ignore"
_CODES = likes.MEANINGS | {BELOW: likes.BELOW, RETURN: likes.RETURN}


@dataclass(frozen=True)
class EventMeanings:
    """What the rows of a table of interactions mean, for one event at a time.

    Args:
        weights: event type -> weight, as ``data.columns.event_weights``; where there are any, a type that has neither
            a weight nor a meaning is unknown.
        meanings: event type -> meaning, as ``data.columns.event_meaning``. Where neither is given, the name of a type
            says whether it is a dislike or a removal (`likely_meaning`).
        positive_from: as ``data.positive_from``: a like of a smaller weight is none.
        non_likes: as ``data.non_likes``: what events that are no likes are for.

    Example:
        >>> types = EventMeanings({"view": 1, "order": 3}, {"complaint": "dislike"})
        >>> types.meaning("order"), types.meaning("complaint"), types.weight("order", 2)
        ('like', 'dislike', 6)
        >>> EventMeanings().meaning("unlike")
        'removal'
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    positive_from: float | None = None
    non_likes: str = "seen"

    def meaning(self, event: str, weight: float = 1.0) -> str:
        """``like``, ``dislike``, ``removal``, ``below`` (a like of too small a weight), ``return`` or ``ignore``.

        A return has a weight below zero and takes back as much of the latest likes, see
        `recsys.data.feedback.likes.resolve`.

        Args:
            event: its type.
            weight: of the event itself, without that of its type.
        """
        named = bool(self.weights or self.meanings)
        found = self.meanings.get(event, LIKE) if named else likely_meaning(event) or LIKE
        if found != LIKE or self.positive_from is None:
            return found
        amount = self.weight(event, weight)
        return RETURN if amount < 0 else BELOW if amount < self.positive_from or amount == 0 else found

    def weight(self, event: str, weight: float = 1.0) -> float:
        """The weight of an event: its own times that of its type."""
        return weight * self.weights.get(event, 1.0)

    def check(self, event: str) -> None:
        """Checks that the config knows the type.

        Raises:
            DataError: it names types with weights, and this is none of them.
        """
        known = [*dict.fromkeys([*self.weights, *self.meanings])]
        if self.weights and event not in known:
            raise DataError(
                f"event is {ascii(event)[:80]}{did_you_mean(event, known) or ';'} the config knows {', '.join(known)}; "
                "send one of these, or name the type in data.columns.event_weights or data.columns.event_meaning"
            )

    def history(self, items: Rows, events: Sequence[str]) -> tuple[Histories, Histories]:
        """The history of one user, and the items of events that are no likes, as a table of these rows would be read.

        Args:
            items: [n] rows, oldest first.
            events: [n] their types.

        Raises:
            DataError: see `check`.

        Example:
            >>> types = EventMeanings({"view": 1, "order": 3}, {"refund": "removal", "ping": "ignore"})
            >>> history, others = types.history(np.array([7, 8, 7, 9]), ["order", "view", "refund", "ping"])
            >>> history.items.tolist(), history.weights.tolist(), others.items.tolist()
            ([8], [1.0], [7])
        """
        for event in events:
            self.check(event)
        named = [self.meaning(event) for event in events]
        read = np.flatnonzero([each != IGNORE for each in named])
        kinds = np.array([_CODES[named[row]] for row in read.tolist()], np.int8)
        weights = np.array([self.weight(events[row]) for row in read.tolist()], np.float64)
        rows, user = items[read], np.zeros(len(read), np.int64)
        found = likes.resolve(user, rows, read, kinds, weights, ratings=False, least=self.positive_from or 0.0)
        learned = (kinds != likes.REMOVAL) & (self.non_likes == "negatives")
        others = found.non_likes & (self.non_likes != "drop")
        return (
            _of_one(rows[found.likes], read[found.likes], found.left[found.likes]),
            _of_one(rows[others], read[others], learned[others].astype(np.float64)),
        )


def _of_one(items: Rows, times: Rows, weights: NDArray[np.float64]) -> Histories:
    return Histories(np.array([0, len(items)]), items.astype(np.int32), times, weights.astype(np.float32))
