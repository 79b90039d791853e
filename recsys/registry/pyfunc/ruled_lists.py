"""What makes the lists of a bundle under its rules, now or at any other time."""

from __future__ import annotations

import time
from collections import OrderedDict

from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.served_as import ServedAs
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever

_KEPT = 4
"""So many other times are kept ready, those that were asked for last."""
_FRESH_SECONDS = 60.0
"""How long rules by time are taken to hold."""


class RuledLists:
    """The retrievers of a bundle by the time of the recommendation.

    Args:
        bundle: a fitted engine and its data.
        served_as: what the config says of lists.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        DataError: a rule is wrong, or they leave no item.
    """

    def __init__(self, bundle: Bundle, served_as: ServedAs) -> None:
        self._bundle, self._by_time = bundle, served_as.rules.by_time
        self._fallback = fallback_of(bundle, bundle.data)
        self._kept: OrderedDict[int, RuledRetriever] = OrderedDict()
        self._plan = served_as.plan(bundle.data)
        self._now = self._made(self._plan)
        self._fresh_until = time.monotonic() + _FRESH_SECONDS

    def at(self, moment: int | None) -> RuledRetriever:
        """That of a moment; None is now.

        Raises:
            DataError: the rules leave no item at that time.
        """
        if moment is None:
            self._renew()
            return self._now
        if moment not in self._kept:
            at = moment if self._bundle.data.has_timestamps else time.time()
            self._kept[moment] = self._made(self._plan.at(at), moment)
        self._kept.move_to_end(moment)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[moment]

    def _renew(self) -> None:
        """Makes that of now anew where rules by time let other items through than before."""
        if not self._by_time or time.monotonic() < self._fresh_until:
            return
        now = time.time()
        plan = self._plan.at(now)
        if (plan.mask != self._plan.mask).any():
            self._plan, self._now = plan, self._now.at(now)
        self._fresh_until = time.monotonic() + _FRESH_SECONDS

    def _made(self, plan: RulePlan, moment: int | None = None) -> RuledRetriever:
        return RuledRetriever.of(self._bundle.engine, plan, at=moment, fallback=self._fallback)
