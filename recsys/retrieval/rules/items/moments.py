"""What ranks under one set of rules at any moment: made anew where a rule by time changes what may be listed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from recsys.errors import RecsysError
from recsys.retrieval.rules.items.windows import changes
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever

_KEPT = 4
"""So many things that take long to make are kept ready, those asked for last."""
_LATEST = 60.0
"""After so many seconds in which nobody called `Moments.renew`, a question does it."""

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Kept(Generic[KeyT, ValueT]):
    """What was asked for last, by its key; each is made once, while others wait.

    Example:
        >>> kept = Kept[int, str]()
        >>> [kept.get(key, lambda: "made") for key in (1, 2)], kept.get(1, lambda: "anew")
        (['made', 'made'], 'made')
    """

    def __init__(self) -> None:
        self._made: OrderedDict[KeyT, ValueT] = OrderedDict()
        self._lock = Lock()

    def get(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """That of ``key``, by ``make`` where it is not kept; what ``make`` raises goes through."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            self._made.move_to_end(key)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return self._made[key]


class Moments:
    """The retrievers of one set of rules, by the stretch of time between two changes of what may be listed.

    Args:
        retriever: of the rules, at ``moment``.
        plan: its plan.
        moment: seconds since 1970 UTC.
    """

    def __init__(self, retriever: RuledRetriever, plan: RulePlan, moment: float) -> None:
        self._first, self._changes = retriever, changes(plan.windows.values())
        self._now: tuple[int, RuledRetriever | RecsysError] = self._stretch(moment), retriever
        self._renewed = moment
        self._kept = Kept[int, RuledRetriever]()

    def renew(self) -> None:
        """Makes what ranks now, where that has changed; questions are answered as before until it is made."""
        now = self._renewed = time.time()
        stretch = self._stretch(now)
        if stretch != self._now[0]:
            found: RuledRetriever | RecsysError
            try:
                found = self._first.at(now)
            except RecsysError as error:
                found = error
            self._now = stretch, found

    def now(self) -> RuledRetriever:
        """What ranks at the time of the last `renew`.

        Raises:
            DataError: the rules leave no item.
        """
        if len(self._changes) and abs(time.time() - self._renewed) > _LATEST:
            self.renew()
        found = self._now[1]
        if isinstance(found, RecsysError):
            raise found
        return found

    def at(self, moment: float) -> RuledRetriever:
        """What ranks at ``moment``, in seconds since 1970 UTC.

        Raises:
            DataError: the rules leave no item then.
        """
        stretch, (current, found) = self._stretch(moment), self._now
        if stretch == current and isinstance(found, RuledRetriever):
            return found
        return self._kept.get(stretch, lambda: self._first.at(moment))

    def _stretch(self, moment: float) -> int:
        """The number of changes until ``moment``."""
        return int(np.searchsorted(self._changes, moment, side="right"))
