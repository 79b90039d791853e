"""A served model whose lists are made under `[recommend.rules]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.errors import RecsysError, in_field
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question
from recsys.service.rules.rule_lists import RuleLists
from recsys.service.text_search import TextSearch


class RuledModel(ServedModel):
    """A served model whose lists are those of a batch with the same rules.

    Candidates and exclusions of a question, and what feedback disliked, count as the rules ``candidates``,
    ``exclusions`` and ``blocked``; a user whom the data does not have may be named in the lists of the rules.

    Args:
        bundle: see `recsys.service.model.ServedModel`, as the others.
        data: see there.
        version: see there.
        options: see there; their ``rules`` are followed.
        text: see there.

    Raises:
        DataError: a rule names a column that the data does not have, or they leave no item.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> options = RecommendOptions.model_validate({"rules": {"exploration": {"share": 1}, "reasons": True}})
        >>> model = RuledModel(Bundle(EASE().fit(data), data), options=options)
        >>> model.recommend([Question("u003", k=2)], LiveHistories())[0].reasons
        ('exploration', 'exploration')
    """

    def __init__(
        self,
        bundle: Bundle,
        data: Dataset | None = None,
        version: str = "",
        options: RecommendOptions | None = None,
        text: TextSearch | None = None,
    ) -> None:
        super().__init__(bundle, data, version, options, text)
        self._ruled = RuleLists(self)
        self._moments = self._ruled.moments(self.options.rules)

    def recommend(self, questions: Sequence[Question], live: LiveHistories) -> list[Listed | RecsysError]:
        return self.listed(questions, live, partial(self._ruled.rank, self._moments))

    def eligible(self) -> NDArray[np.bool_]:
        met = np.zeros(len(self.data.items), bool)
        met[self._moments.now().eligible] = True
        return met

    def renew(self) -> None:
        """Makes ready what ranks now, where a rule by time has changed it."""
        self._moments.renew()

    def _check(self, question: Question) -> None:
        super()._check(question)
        if question.at is not None and self.data.has_timestamps:
            with in_field("at"):
                self._moments.at(question.at)
