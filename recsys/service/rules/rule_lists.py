"""Lists under the rules that a page asks for, as a batch with these rules makes them."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from threading import Lock

from recsys.data.vocabulary import MISSING
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import RecsysError
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question

_KEPT = 4
"""So many sets of rules are kept ready, those that were asked for last."""
_FRESH_SECONDS = 60.0
"""How long rules by time, such as availability, are taken to hold."""


class RuleLists:
    """The lists of a model under any rules.

    Args:
        model: that is asked.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.registry.bundle import Bundle
        >>> data = BlockTaste(users=30).dataset()
        >>> model = ServedModel(Bundle(EASE().fit(data), data))
        >>> rules = RuleOptions.model_validate({"exploration": {"share": 1}, "reasons": True})
        >>> found, reasons = RuleLists(model).listed(Question("u003", k=2), rules, LiveHistories())
        >>> reasons
        ['exploration', 'exploration']
    """

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._engine = _Held(model)
        self._kept: OrderedDict[str, tuple[float, RuledRetriever]] = OrderedDict()
        self._lock = Lock()  # the scores of a block of users share a buffer

    def check(self, rules: RuleOptions) -> None:
        """Makes ready what lists under ``rules`` need.

        Raises:
            RecsysError: the rules are wrong or leave no item.
        """
        with self._lock:
            self._retriever(rules)

    def listed(self, question: Question, rules: RuleOptions, live: LiveHistories) -> tuple[Listed, list[str]]:
        """The list of ``question``, and the rules that gave each item its place, see `recsys.retrieval.rules.reasons`.

        Without rules it is that of a service without rules.

        Raises:
            RecsysError: the model cannot answer the question, or the rules are wrong or leave no item.
        """
        if rules == RuleOptions(reasons=rules.reasons):
            answer = ServedModel.recommend(self._model, [question], live)[0]  # not under rules of its own
            if isinstance(answer, RecsysError):
                raise answer
            return answer, ["score"] * len(answer.item_ids)
        request, left_out = self._model.request(question, live), self._model.left_out(question, live)
        with self._lock:
            lists = self._retriever(rules).top_k(request, question.k, filter_seen=False, left_out=left_out)
        n = int((lists.rows[0] != MISSING).sum())
        ids = tuple(self._model.data.items.vocabulary.ids[lists.rows[0, :n]].tolist())
        scores, fallback = lists.scores[0, :n].tolist(), lists.fallback[0, :n].tolist()
        reasons = ["score"] * n if lists.reasons is None else reason_texts(lists.reasons[0, :n])
        return Listed(ids, tuple(scores), tuple(fallback), False, ()), reasons

    def _retriever(self, rules: RuleOptions) -> RuledRetriever:
        """The retriever of ``rules``; those by time are made anew each minute."""
        key = json.dumps(rules.model_dump(mode="json"), sort_keys=True)
        since, found = self._kept.get(key, (0.0, None))
        if found is not None and (not rules.by_time or time.monotonic() - since < _FRESH_SECONDS):
            self._kept.move_to_end(key)
            return found
        model = self._model
        plan = RulePlan.of(model.data, model.rules, rules)
        fallback = fallback_of(model.bundle, model.data)
        made = RuledRetriever(self._engine, plan, fallback=fallback)
        self._kept[key] = time.monotonic(), made
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made


class _Held(VectorModel):
    """The engine of a model, whose item vectors are computed once."""

    def __init__(self, model: ServedModel) -> None:
        self._engine, self._items = model.bundle.engine, model.data.items
        self.vectors = self._engine.item_vectors(self._items)

    @property
    def kind(self) -> str:
        return self._engine.kind

    def user_vectors(self, request: Request) -> Vectors:
        return self._engine.user_vectors(request)

    def item_vectors(self, items: object, at: int | None = None) -> Vectors:
        return self.vectors
