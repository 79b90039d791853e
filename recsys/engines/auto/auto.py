"""The engine that chooses engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import field_validator

from recsys.atomic import read_json, write_json
from recsys.choices import did_you_mean
from recsys.config import parse, seconds_of
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.last_n import leave_last_n
from recsys.data.splits.random_holdout import random_holdout
from recsys.data.splits.temporal import moments
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines import ENGINES
from recsys.engines.auto.budget import Budget, BudgetTracker
from recsys.engines.auto.facts import Facts
from recsys.engines.auto.ladder import CLOSED_FORM, TRAINED
from recsys.engines.auto.recipe import Recipe, fit_recipe
from recsys.engines.auto.search import Later, SearchOptions, search
from recsys.errors import DataError
from recsys.evaluation.metrics import parse_metric

_NEWEST = 0.1
"""The share of train that an engine without validation data validates on, where it splits by time."""


class AutoConfig(EngineConfig):
    """The budget and what is tried in it.

    Args:
        budget: wall time of a fit, such as ``90s``, ``10m`` or ``1h``; a refit by the run comes on top of it.
        metric: what options, epochs and weights maximize on validation.
        engines: kinds of engines that are tried; none tries the whole ladder: popularity, frequency (where lists keep
            what a user had), itemknn, ease, als, spectral, content_knn, gru4rec, sequence and two_tower.
        recipe: the engines, options, epochs and weights; None chooses them.
    """

    budget: str = "10m"
    metric: str = "ndcg@10"
    engines: tuple[str, ...] = ()
    recipe: Recipe | None = None

    def chooses_on_validation(self) -> bool:
        return self.recipe is None

    @field_validator("budget")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        seconds_of(value)
        return value

    @field_validator("metric")
    @classmethod
    def _is_a_metric(cls, value: str) -> str:
        parse_metric(value)
        return value

    @field_validator("engines")
    @classmethod
    def _are_on_the_ladder(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        ladder = (*CLOSED_FORM, *TRAINED)
        for kind in value:
            if kind not in ladder:
                raise ValueError(f"{kind!r} is not tried by auto{did_you_mean(kind, ladder) or '.'} It tries: {ladder}")
        return value


class AutoRecommender(Engine):
    """The best engine, or the best hybrid of engines, that is found within a time budget.

    Engines in closed form come first (popularity with recent windows, frequency where people come back, item-kNN, EASE,
    iALS, spectral filter, content neighbours), with a search of a few options each; then sequence and two-tower models
    are trained by successive halving (Jamieson & Talwalkar, AISTATS 2016): all get a slice of the time, the better half
    goes on. The validation users choose options and epochs; the weights of a hybrid are chosen on one half of them and
    measured on the other, both ways, and the hybrid is taken unless one engine is clearly better.

    Without validation data the newest interactions of train are validated on, and the choice is then fitted once more
    on all of train. Whether people come back to the same items, by events of the same type, then decides, as in
    `recsys auto`, whether lists are measured with them; `filter_seen_` says it.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> auto = AutoRecommender(budget="5s", engines=["popularity", "itemknn"])
        >>> auto.fit(BlockTaste(users=30).dataset()).chosen_
        'itemknn'
    """

    kind = "auto"
    Config = AutoConfig
    config: AutoConfig

    engine: Engine
    """What was chosen, fitted: an engine, or a hybrid."""
    recipe_: Recipe | None = None
    """The chosen engines, options, epochs and weights."""
    judged_: Mapping[str, float] = {}
    """Name -> the metric on the validation users, of every engine that was tried and of the hybrid."""
    notes_: Sequence[str] = ()
    """What was left out or dropped, and why."""
    filter_seen_: bool = True
    """Whether lists leave out the items of a user's history; asked of the interactions where no validation was given:
    where people come back to the same items, pass it to `recsys.recommend` as ``filter_seen``."""

    @property
    def chosen_(self) -> str:
        """The name of the engine that was taken, or ``hybrid``."""
        return "" if self.recipe_ is None else _name(self.recipe_)

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        if self.config.recipe is not None:
            self.recipe_ = self.config.recipe
            self.engine = fit_recipe(self.recipe_, data, train, context)
            return
        budget = Budget(seconds_of(self.config.budget))
        context = replace(context, tracker=BudgetTracker(context.tracker, budget))
        holdout, part, later = context.validation, train, Later()
        if holdout is None:
            facts = Facts.of(data, train)
            context = replace(context, filter_seen=context.filter_seen and facts.filter_seen)
            _tell_seen(facts, context)
            part, holdout = own_validation(data, train, context.filter_seen)
            later = Later(fits=len(train) / len(part))
        self.filter_seen_ = context.filter_seen
        options = SearchOptions(self.config.metric, self.config.engines, later)
        found = search(data, part, holdout, budget, context, options)
        self.recipe_, self.engine = found.recipe, found.engine
        self.judged_, self.notes_ = dict(found.judged), tuple(found.notes)
        if context.validation is None:
            self.engine = fit_recipe(found.recipe, data, train, replace(context, directory=None))
        self.curve_ = ()

    def user_vectors(self, request: Request) -> Vectors:
        return self.engine.user_vectors(request)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return self.engine.item_vectors(items, at)

    def similarity_vectors(self, items: EntityTable) -> Vectors:
        return self.engine.similarity_vectors(items)

    def ranks_seen_items(self) -> bool:
        return self.engine.ranks_seen_items()

    def chosen_config(self) -> AutoConfig:
        return self.config.model_copy(update={"recipe": self.recipe_ or self.config.recipe})

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        recipe = None if self.recipe_ is None else self.recipe_.model_dump(mode="json")
        state = {
            "kind": self.engine.kind,
            "recipe": recipe,
            "judged": dict(self.judged_),
            "notes": list(self.notes_),
            "filter_seen": self.filter_seen_,
        }
        write_json(directory / "chosen.json", state)
        self.engine.save(directory / "engine")

    @classmethod
    def load(cls, directory: Path) -> Self:
        engine = cls(parse(AutoConfig, read_json(directory / "config.json"), str(directory / "config.json")))
        state = read_json(directory / "chosen.json")
        engine.recipe_ = parse(Recipe, state["recipe"], str(directory / "chosen.json"))
        engine.judged_, engine.notes_ = state["judged"], tuple(state["notes"])
        engine.filter_seen_ = bool(state["filter_seen"])
        engine.engine = ENGINES[state["kind"]].load(directory / "engine")
        return engine


def own_validation(data: Dataset, train: Interactions, filter_seen: bool) -> tuple[Interactions, Holdout]:
    """Train and a validation holdout of the interactions of ``train``, by the protocol that `Facts` recommend.

    Raises:
        DataError: there are too few interactions.
    """
    protocol = Facts.of(data, train).protocol()[0]
    if protocol == "temporal":
        since = moments(train, _NEWEST / 2, _NEWEST)[1]
        early, late = train.before(since), train.select(train.time >= since)
        holdout = Holdout.of_targets(early, late)
    else:
        in_order = protocol == "leave_one_out"
        parts = (
            leave_last_n(train, data.n_users) if in_order else random_holdout(train, data.n_users, by_item=filter_seen)
        )
        early, holdout = parts.train_and_validation, parts.test
    if not len(early) or not len(holdout):
        raise DataError(
            f"auto needs interactions to validate on, and of {len(train)} none can be held out: no user has three; "
            "give more data, or a validation holdout"
        )
    return early, replace(holdout, filter_seen=filter_seen)


def _tell_seen(facts: Facts, context: FitContext) -> None:
    how = "" if context.filter_seen else "; ask for them: recommend(..., filter_seen=False)"
    context.tracker.info(f"auto: {facts.seen_reason()}{how}")


def _name(recipe: Recipe) -> str:
    return "hybrid" if len(recipe.parts) > 1 else next(iter(recipe.parts))
