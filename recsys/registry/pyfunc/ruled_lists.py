"""What makes the lists of a bundle under its rules, now or at any other time."""

from __future__ import annotations

import time

from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.served_as import ServedAs
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.rules.items.moments import Kept, Moments
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever


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
        self._bundle, now = bundle, time.time()
        self._fallback = fallback_of(bundle, bundle.data)
        self._plan = served_as.plan(bundle.data, now)
        self._moments = Moments(self._made(self._plan), self._plan, now)
        self._kept = Kept[int, RuledRetriever]()

    def at(self, moment: int | None) -> RuledRetriever:
        """That of a moment, for which item vectors are computed too; None is now.

        Raises:
            DataError: the rules leave no item at that time.
        """
        if moment is None:
            return self._moments.now()
        at = moment if self._bundle.data.has_timestamps else time.time()
        return self._kept.get(moment, lambda: self._made(self._plan.at(at), moment))

    def _made(self, plan: RulePlan, moment: int | None = None) -> RuledRetriever:
        return RuledRetriever.of(self._bundle.engine, plan, at=moment, fallback=self._fallback)
