"""A history that comes with a request: items, and optionally the type and the time of each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import TYPE_CHECKING

import numpy as np

from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.errors import FieldError, in_field

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset

EVENTS, TIMES = "history_events", "history_times"


@dataclass(frozen=True, eq=False)
class GivenHistory:
    """A history of one user as a request has it.

    Args:
        items: [n] rows, oldest first; MISSING where the data does not have the item, which is passed over.
        events: [n] the types of the events; None: all are likes.
        times: [n] seconds since 1970, or positions in data without timestamps; events are put in their order, and those
            from the time of the recommendation on do not count. None: a second apart, the last at
            `recsys.data.dataset.Dataset.history_end`.
    """

    items: Rows
    events: Sequence[str] | None = None
    times: Sequence[int] | None = None

    def read(self, data: Dataset, meanings: EventMeanings, at: int | None = None) -> tuple[Histories, Histories]:
        """What is liked, oldest first, and the items of events that are no likes, as a table of these rows is read.

        Args:
            data: the items.
            meanings: what events mean and weigh.
            at: the time of the recommendation; None is now.

        Raises:
            FieldError: types or times are not as many as items, or the config does not know a type.

        Example:
            >>> from recsys.data.synthetic.worlds import BlockTaste
            >>> data = BlockTaste(users=30).dataset()
            >>> given = GivenHistory(np.array([3, 1, 3]), ["click", "click", "unlike"], [30, 10, 40])
            >>> history, others = given.read(data, EventMeanings())
            >>> history.items.tolist(), history.times.tolist(), others.items.tolist()
            ([1], [10], [3])
        """
        self._check(meanings)
        order, kept = np.arange(len(self.items)), self.items != MISSING
        times = None if self.times is None else np.array(self.times, np.int64)
        if times is not None:
            order = np.argsort(times, kind="stable")
            kept &= at is None or times < at
        places = order[kept[order]]
        own, others = Histories.of([self.items[places].tolist()]), Histories.of([[]])
        if self.events is not None:
            own, others = meanings.history(self.items[places], [self.events[place] for place in places.tolist()])
        if times is None:
            return own.ending_at(data.history_end(at)), others
        return replace(own, times=times[places][own.times]), others

    def _check(self, meanings: EventMeanings) -> None:
        for name, values in ((EVENTS, self.events), (TIMES, self.times)):
            if values is not None and len(values) != len(self.items):
                what = "type" if name == EVENTS else "time"
                raise FieldError(
                    f"{name} is {short(values)}; give the {what} of each of the {len(self.items)} events of history",
                    name,
                )
        for number, event in enumerate(self.events or ()):
            with in_field(f"{EVENTS}.{number}"):
                meanings.check(event)
