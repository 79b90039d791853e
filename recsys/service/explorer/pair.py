"""The two models that are shown, and what the page asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from recsys.engines.baselines.popularity import Popularity
from recsys.errors import RecsysError
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.catalogue import Catalogue, Json
from recsys.service.explorer.embeddings import WHOLE, Embeddings
from recsys.service.explorer.flat_map import FlatMap
from recsys.service.explorer.item_vectors import UnitVectors
from recsys.service.explorer.lists import Explained
from recsys.service.explorer.rules.controls import Chosen, Controls, Value
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question
from recsys.service.rules.rule_lists import RuleLists


@dataclass(frozen=True)
class Asked:
    """What the page asks for: the lists of a user, or of a history that was clicked together.

    Args:
        user: an id as text; None for a history.
        history: ids as texts, oldest first.
        k: the length of a list.
        rules: control -> value, of `recsys.service.explorer.rules.controls.Controls`; those of the config without one.
    """

    user: str | None = None
    history: tuple[str, ...] = ()
    k: int = 10
    rules: Mapping[str, Value] = field(default_factory=dict)


class Shown:
    """One of the models that are shown, with all that does not depend on a question computed once."""

    def __init__(self, model: ServedModel, tables: Mapping[str, str] | None = None) -> None:
        self.model, self.catalogue, self._tables = model, Catalogue(model.data), tables

    @cached_property
    def vectors(self) -> UnitVectors:
        return UnitVectors(self.model.neighbours)

    @cached_property
    def flat_map(self) -> FlatMap:
        return FlatMap.of(self.vectors, self.catalogue)

    @cached_property
    def rule_lists(self) -> RuleLists:
        return RuleLists(self.model)

    @cached_property
    def embeddings(self) -> Embeddings:
        return Embeddings(self.model, self._tables)

    def about(self) -> Json:
        """Engine and version."""
        return {"engine": self.model.bundle.kind, "version": self.model.version}

    def question(self, asked: Asked, filter_seen: bool | None = None) -> Question:
        """``asked`` with ids as the data has them.

        Raises:
            DataError: an id is no integer, and those of the data are.
        """
        if asked.user is not None:
            return Question(self.catalogue.user_id(asked.user), k=asked.k, filter_seen=filter_seen)
        history = [self.catalogue.item_id(key) for key in asked.history]
        return Question(history=history, k=asked.k, filter_seen=filter_seen)

    def listed(self, asked: Asked, chosen: Chosen, live: LiveHistories) -> Json:
        """The list with its reasons, or the error."""
        explained = Explained(self.model, self.catalogue, self.vectors, self.rule_lists)
        try:
            items = explained.listed(self.question(asked, chosen.filter_seen), chosen.rules, live)
        except RecsysError as error:
            return {**self.about(), "items": [], "error": str(error)}
        return {**self.about(), "items": items, "error": None}

    def similar(self, item: str, by: str, k: int) -> Json:
        """The neighbours of an item by one of the embeddings, or the error."""
        try:
            near = self.embeddings.near(by, self.catalogue.item_row(item), k)
        except RecsysError as error:
            return {**self.about(), "items": [], "error": str(error)}
        return {**self.about(), "items": [{**self.catalogue.card(r), "similarity": s} for r, s in near], "error": None}


@dataclass(frozen=True, eq=False)
class Pair:
    """The served model, the one beside it, and the controls of the rules of both.

    Args:
        served: which decides what is offered.
        other: None where there is none.
        rules: of the config.
    """

    served: Shown
    other: Shown | None
    rules: RuleOptions

    @property
    def shown(self) -> list[Shown]:
        """The models."""
        return [self.served] if self.other is None else [self.served, self.other]

    @cached_property
    def controls(self) -> Controls:
        model = self.served.model
        ranks_seen = all(each.model.bundle.engine.ranks_seen_items() for each in self.shown)
        seen = model.options.filter_seen if ranks_seen else None
        return Controls(self.served.catalogue, self.rules, self.served.vectors.compares, seen)

    @cached_property
    def embeddings(self) -> dict[str, tuple[Shown, str]]:
        """What neighbours can be asked by -> the model, and the embedding of it."""
        return {f"{n}:{key}": (each, key) for n, each in enumerate(self.shown) for key in each.embeddings.all}

    @property
    def side_by_side(self) -> list[str]:
        """The embeddings at the start: of either whole model, or else the first ones of the served."""
        keys = list(self.embeddings)
        whole = [key for key in keys if key.endswith(f":{WHOLE}")]
        return [*dict.fromkeys([*whole, *keys])][:2]


def popularity(model: ServedModel) -> Shown | None:
    """Popularity, counted from the data of ``model``; None where it has no interactions."""
    if not len(model.data.interactions):
        return None
    bundle = Bundle(Popularity().fit(model.data), model.data)
    return Shown(ServedModel(bundle, version="popularity", options=beside(model.options)))


def beside(options: RecommendOptions) -> RecommendOptions:
    """The options of a model that is shown beside another one: its items, by exact search."""
    return options.model_copy(update={"index": "exact", "rules": RuleOptions()})
