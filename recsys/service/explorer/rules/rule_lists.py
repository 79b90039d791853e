"""Lists under the rules that a page asks for, as a batch with these rules makes them."""

from __future__ import annotations

import json
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
        self._kept: OrderedDict[str, RuledRetriever] = OrderedDict()
        self._lock = Lock()  # the scores of a block of users share a buffer

    def listed(self, question: Question, rules: RuleOptions, live: LiveHistories) -> tuple[Listed, list[str]]:
        """The list of ``question``, and the rules that gave each item its place, see `recsys.retrieval.rules.reasons`.

        Without rules it is that of the service.

        Raises:
            RecsysError: the model cannot answer the question, or the rules are wrong or leave no item.
        """
        if rules == RuleOptions(reasons=rules.reasons):
            answer = self._model.recommend([question], live)[0]
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
        """The retriever of ``rules``; those by time are made anew for each list."""
        key = json.dumps(rules.model_dump(mode="json"), sort_keys=True)
        if key in self._kept and not rules.by_time:
            self._kept.move_to_end(key)
            return self._kept[key]
        model = self._model
        plan = RulePlan.of(model.data, model.rules, rules)
        fallback = fallback_of(model.bundle, model.data)
        made = RuledRetriever(self._engine, plan, fallback=fallback)
        self._kept[key] = made
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
