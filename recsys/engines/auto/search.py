"""The search: closed forms, trained engines, and a hybrid of them, on the validation users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext
from recsys.engines.auto import mixing
from recsys.engines.auto.budget import Budget
from recsys.engines.auto.closed_form import search_families
from recsys.engines.auto.ladder import READS_CONTENT, Ladder, Sizes, ladder, wanted_kinds
from recsys.engines.auto.mixing import HYBRID, Decision, decide, mixed, weights_text
from recsys.engines.auto.race import race
from recsys.engines.auto.recipe import Recipe
from recsys.engines.auto.tables import TableRecipe, table_recipes
from recsys.engines.auto.trial import Bench, Trial, machine_flops
from recsys.errors import DataError, RecsysError
from recsys.training.deterministic import preload

_HOPELESS = 0.4
"""An engine in closed form with less than this share of the best metric is dropped."""
_MOST_CLOSED_FORMS = 5
_SHORTEST_RACE = 0.5
"""Seconds below which no training is begun."""


@dataclass(frozen=True)
class Later:
    """What the budget must still pay for when the search is over.

    Args:
        fits: how often the chosen engines are fitted again, in fits on train.
        users: the number of users who are scored by every engine then.
        seconds: everything else.
    """

    fits: float = 0.0
    users: int = 0
    seconds: float = 0.0

    def cost(self, trials: Sequence[Trial], scored: int) -> float:
        """The seconds that it takes with ``trials``, each of which was scored for ``scored`` users."""
        users = self.users / max(scored, 1)
        return self.seconds + sum(self.fits * trial.seconds + users * trial.scoring for trial in trials)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found.

    Args:
        recipe: the chosen engines, options, epochs and weights.
        engine: them, fitted on train.
        trials: the best trial of each engine, best first.
        judged: name -> the metric on validation, of every trial and of the hybrid.
        tables: the embedding tables of the ladder.
        notes: what was left out or dropped, and why.
        metric: such as ``ndcg@10``.
    """

    recipe: Recipe
    engine: Engine
    trials: Sequence[Trial]
    judged: Mapping[str, float]
    tables: Mapping[str, TableRecipe]
    notes: Sequence[str]
    metric: str

    @property
    def chosen(self) -> str:
        """The name of the best: the hybrid or one engine."""
        return HYBRID if len(self.recipe.parts) > 1 else next(iter(self.recipe.parts))


@dataclass(frozen=True)
class SearchOptions:
    """Which engines are tried, and what is maximized.

    Args:
        metric: such as ``ndcg@10``.
        engines: kinds that may be tried; empty for all of the ladder.
        later: what the budget must pay for afterwards.
        images: where the paths of image columns start; None reads no images.
    """

    metric: str = "ndcg@10"
    engines: tuple[str, ...] = ()
    later: Later = Later()
    images: Path | None = None


def search(
    data: Dataset,
    train: Interactions,
    validation: Holdout,
    budget: Budget,
    context: FitContext,
    options: SearchOptions = SearchOptions(),
) -> Outcome:
    """Tries the ladder of engines within ``budget`` and chooses a hybrid of them, or one.

    The validation users choose options and epochs; the weights of a hybrid are chosen on one half of them and measured
    on the other, both ways, see `recsys.engines.auto.mixing.decide`.

    Raises:
        DataError: no engine could be fitted in the time.
    """
    context = replace(context, filter_seen=validation.filter_seen)
    notes: list[str] = []
    tables = _tables(data, train, budget, context, options, notes)
    made = {name: table for name, (_, table) in tables.items()}
    recipes = {name: recipe for name, (recipe, _) in tables.items()}
    steps = ladder(data, train, options.engines, Sizes.of(data, train, machine_flops()), recipes, context.filter_seen)
    context = replace(context, tables={**context.tables, **made}, directory=None)
    bench = Bench.of(data, train, validation, context, options.metric)
    notes += [f"{name}: left out, {reason}" for name, reason in steps.skipped.items()]
    trials = _tried(steps, bench, budget, options.later, notes)
    if not trials:
        raise DataError(
            f"no engine could be fitted in {budget.seconds:.0f} s ({'; '.join(notes) or 'none of those named'}); "
            "give a longer budget"
        )
    trials.sort(key=lambda trial: -trial.value)
    return _decided(trials, bench, steps, notes)


def _tables(
    data: Dataset,
    train: Interactions,
    budget: Budget,
    context: FitContext,
    options: SearchOptions,
    notes: list[str],
) -> dict[str, tuple[TableRecipe, EmbeddingTable]]:
    """The tables that engines of the ladder read; one that cannot be made is left out with a note."""
    if not set(READS_CONTENT) & set(wanted_kinds(options.engines)):
        return {}
    found = {}
    for name, recipe in table_recipes(data, budget.seconds, options.images).items():
        if recipe.engine is not None and "two_tower" not in wanted_kinds(options.engines):
            continue
        try:
            table = recipe.make(data, train, context, options.images)
        except RecsysError as error:
            _take(f"table {name}: left out, {error}", [], notes, context)
            continue
        if len(table.vocabulary):
            found[name] = recipe, table
        else:
            _take(f"table {name}: left out, no item has a row in it", [], notes, context)
    return found


def _tried(steps: Ladder, bench: Bench, budget: Budget, later: Later, notes: list[str]) -> list[Trial]:
    """The best trial of each engine, in closed form and trained."""
    trials: list[Trial] = []
    for found in search_families(list(steps.families), bench, budget.reserved(later.seconds)):
        _take(found, trials, notes, bench.context)
    _drop_hopeless(trials, notes, bench)
    reserve = later.cost(trials, len(bench.validation)) + mixing.seconds(trials, bench)
    if steps.trained and budget.reserved(reserve).left() > _SHORTEST_RACE:
        preload()
        after = Later(users=later.users)

        def cost(trial: Trial) -> float:
            return after.cost([trial], len(bench.validation)) + mixing.seconds([trial], bench)

        for found in race(steps.trained, bench, budget.reserved(reserve), later.fits, cost):
            _take(found, trials, notes, bench.context)
    elif steps.trained:
        _take(f"{', '.join(steps.trained)}: left out, the time is too short", trials, notes, bench.context)
    return trials


def _drop_hopeless(trials: list[Trial], notes: list[str], bench: Bench) -> None:
    """Drops what is far behind the best engine in closed form, for it costs time in everything that follows.

    Popularity stays, as the baseline that every report has.
    """
    ranked = sorted(trials, key=lambda trial: -trial.value)
    for place, trial in enumerate(ranked):
        hopeless = trial.value < _HOPELESS * ranked[0].value or place >= _MOST_CLOSED_FORMS
        if hopeless and trial.part.kind != "popularity":
            trials.remove(trial)
            _take(f"{trial.name}: dropped at {bench.metric} {trial.value:.4f}", trials, notes, bench.context)


def _take(found: Trial | str, trials: list[Trial], notes: list[str], context: FitContext) -> None:
    if isinstance(found, Trial):
        trials.append(found)
    else:
        notes.append(found)
        context.tracker.info(found)


def _decided(trials: list[Trial], bench: Bench, steps: Ladder, notes: list[str]) -> Outcome:
    decision = decide(trials, bench)
    tracker, judged = bench.context.tracker, decision.judged
    for name in sorted(judged, key=lambda name: -judged[name]):
        tracker.info(f"{name:<16} {bench.metric} {judged[name]:.4f} on validation")
    tracker.info(f"chosen: {weights_text(decision.weights)}")
    engine = mixed(decision.weights, {trial.name: trial.engine for trial in trials}, bench)
    recipe = _recipe(decision, trials, steps)
    return Outcome(recipe, engine, trials, judged, steps.tables, notes, bench.metric)


def _recipe(decision: Decision, trials: Sequence[Trial], steps: Ladder) -> Recipe:
    by_name = {trial.name: trial for trial in trials}
    used = {table for name in decision.weights for table in by_name[name].engine.config.uses_tables()}
    return Recipe(
        parts={name: by_name[name].part for name in decision.weights},
        weights=tuple(decision.weights.values()),
        tables={name: table for name, table in steps.tables.items() if name in used},
    )
