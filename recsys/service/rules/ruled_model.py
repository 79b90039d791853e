"""A served model whose lists are made under `[recommend.rules]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recsys.errors import RecsysError
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question, look_up
from recsys.service.rules.rule_lists import RuleLists


class RuledModel(ServedModel):
    """A served model whose lists are those of a batch with the same rules.

    Candidates and exclusions of a question, and what feedback adds to a history, are left out beside what the rules
    leave out.

    Args:
        model: that is asked; it is not used any more.
        options: the rules.

    Raises:
        DataError: a rule names a column that the data does not have, or they leave no item.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.registry.bundle import Bundle
        >>> data = BlockTaste(users=30).dataset()
        >>> rules = RuleOptions.model_validate({"exploration": {"share": 1}, "reasons": True})
        >>> model = RuledModel(ServedModel(Bundle(EASE().fit(data), data)), rules)
        >>> model.recommend([Question("u003", k=2)], LiveHistories())[0].reasons
        ('exploration', 'exploration')
    """

    def __init__(self, model: ServedModel, options: RuleOptions) -> None:
        self.__dict__.update(vars(model))
        self._options, self._ruled = options, RuleLists(model)
        self._ruled.check(options)

    def recommend(self, questions: Sequence[Question], live: LiveHistories) -> list[Listed | RecsysError]:
        return [self._listed_by_rules(question, live) for question in questions]

    def _listed_by_rules(self, question: Question, live: LiveHistories) -> Listed | RecsysError:
        try:
            found, reasons = self._ruled.listed(question, self._options, live)
            asked = look_up(self.data, question)
        except RecsysError as error:
            return error
        found = replace(found, unknown_user=asked.unknown_user, unknown_items=asked.unknown_items)
        return replace(found, reasons=tuple(reasons)) if self._options.reasons else found
