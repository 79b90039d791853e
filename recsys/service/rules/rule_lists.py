"""Lists under the rules of a config or those that a page asks for, as a batch with these rules makes them."""

from __future__ import annotations

import json
import time
from functools import partial

import numpy as np

from recsys.data.vocabulary import Rows
from recsys.errors import RecsysError
from recsys.retrieval.recipients.asked import given_of
from recsys.retrieval.rules.block import empty_lists
from recsys.retrieval.rules.items.moments import Kept, Moments
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.retrieval.top_up import Lists
from recsys.service.groups import Group
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question


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
        self._kept = Kept[str, Moments]()

    def listed(self, question: Question, rules: RuleOptions, live: LiveHistories) -> tuple[Listed, list[str]]:
        """The list of ``question``, and the rules that gave each item its place, see `recsys.retrieval.rules.reasons`.

        Without rules it is that of a service without rules.

        Raises:
            RecsysError: the model cannot answer the question, or the rules are wrong or leave no item.
        """
        if rules == RuleOptions(reasons=rules.reasons):
            answer = ServedModel.recommend(self._model, [question], live)[0]  # not under rules of its own
        else:
            moments = self.moments(rules)
            moments.renew()
            answer = self._model.listed([question], live, partial(self.rank, moments))[0]
        if isinstance(answer, RecsysError):
            raise answer
        return answer, ["score"] * len(answer.item_ids) if answer.reasons is None else list(answer.reasons)

    def moments(self, rules: RuleOptions) -> Moments:
        """What ranks under ``rules``.

        Raises:
            RecsysError: the rules are wrong or leave no item.
        """
        key = json.dumps(rules.model_dump(mode="json"), sort_keys=True)
        return self._kept.get(key, lambda: self._made(rules))

    def rank(self, moments: Moments, group: Group, k: int) -> Lists:
        """The lists of a group, each at the time and of the length of its question, up to ``k``."""
        parts = self._alike(moments, group, k)
        users, filtered = self._model.encoded(group), self._model.filters(group)
        given = given_of(group.asked, group.names, group.request, filtered, group.blocked)
        if len(parts) == 1:
            ((retriever, _),) = parts
            return retriever.rank(users, k, given)
        lists, explained = empty_lists((len(group.asked), k)), True
        for (retriever, length), rows in parts.items():
            found = retriever.rank(users.take(rows), length, given.take(rows))
            explained &= found.reasons is not None
            for whole, part in zip(lists, found, strict=True):
                if whole is not None and part is not None:
                    whole[rows, :length] = part
        return lists if explained else lists._replace(reasons=None)

    def _alike(self, moments: Moments, group: Group, k: int) -> dict[tuple[RuledRetriever, int], Rows]:
        """The questions of a group by what ranks at their time, and by the length of their list."""
        times = group.at if self._model.data.has_timestamps else None
        asked = [None] * len(group.asked) if times is None else times.tolist()
        made = {at: moments.now() if at is None else moments.at(at) for at in dict.fromkeys(asked)}
        found: dict[tuple[RuledRetriever, int], list[int]] = {}
        for row, (each, at) in enumerate(zip(group.asked, asked, strict=True)):
            found.setdefault((made[at], min(each.question.k, k)), []).append(row)
        return {key: np.array(rows, np.int64) for key, rows in found.items()}

    def _made(self, rules: RuleOptions) -> Moments:
        model, now = self._model, time.time()
        plan = RulePlan.of(model.data, model.options, rules, now=now)
        return Moments(RuledRetriever.over(model.retriever, plan), plan, now)
