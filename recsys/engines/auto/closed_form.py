"""Search of the options of engines in closed form: one option after another, within a share of the budget."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.engines.auto.budget import Budget
from recsys.engines.auto.ladder import Family
from recsys.engines.auto.recipe import PartRecipe
from recsys.engines.auto.trial import Bench, Trial
from recsys.errors import RecsysError
from recsys.json_values import JsonObject

SHARE = 0.25
"""Of the budget, for all engines in closed form together."""
_ONE_FIT = 0.15
"""The largest share of the budget that one fit may be expected to take."""
_NOT_SEARCHED = 0.2
"""The share of the best metric below which the options of a family are not searched."""
_AT_ONCE = 0.01
"""A fit that takes less of the budget is always tried: reading large tables may have used up a short budget."""
_MEASURABLE = 0.2
"""Seconds of an expectation from which on a fit tells how fast the machine is; shorter ones are mostly imports."""
_FIRST = 0.6
"""The share of the time for closed forms in which every family has its first fit before options are searched."""


def search_families(families: list[Family], bench: Bench, budget: Budget) -> Iterator[Trial | str]:
    """The best trial of each family, as far as the time goes; a text says why a family was dropped.

    All families are fitted with their first options, the cheap ones first. Then the options of each are searched by
    coordinate ascent, families in the order of their first value. A fit is started only if it is expected to end in
    time: the seconds of the first fit of the family predict those of the next. The cheapest one is always fitted, and
    those that take next to no time, so that there is something where the time is over before it began.
    """
    share = max(min(budget.left(), SHARE * budget.seconds), 0.0)
    phase = Budget(budget.spent() + share, budget.started)
    first: list[tuple[Family, Trial]] = []
    for family in sorted(families, key=lambda family: family.seconds):
        expected = _calibrated(family, first)
        latest = max(_FIRST * phase.left(), _AT_ONCE * budget.seconds)
        if first and expected > min(_ONE_FIT * budget.seconds, latest):
            yield f"{family.name}: left out, a fit would take about {expected:.1f} s"
            continue
        try:
            trial = Trial.run(bench, family.name, PartRecipe(kind=family.kind, options=family.start))
        except (RecsysError, MemoryError) as error:
            yield f"{family.name}: left out, {error}"
            continue
        bench.context.tracker.info(trial.line(bench.metric))
        first.append((family, trial))
    best = max((trial.value for _, trial in first), default=0.0)
    for family, trial in sorted(first, key=lambda pair: -pair[1].value):
        yield trial if trial.value < _NOT_SEARCHED * best else _searched(family, trial, bench, phase)


def _calibrated(family: Family, done: list[tuple[Family, Trial]]) -> float:
    """The expected seconds, times how much longer the dearest fit so far took than it was expected to."""
    measured = [(other.seconds, trial.seconds) for other, trial in done if other.seconds >= _MEASURABLE]
    if not measured:
        return family.seconds
    expected, took = max(measured)
    return family.seconds * min(max(took / expected, 1.0), 10.0)


def _searched(family: Family, best: Trial, bench: Bench, phase: Budget) -> Trial:
    cost = best.seconds + best.scoring
    for step in family.steps:
        for change in step:
            if phase.left() < 2 * cost:
                return best
            options: JsonObject = {**best.part.options, **change}
            if options == best.part.options:
                continue
            try:
                trial = Trial.run(bench, family.name, PartRecipe(kind=family.kind, options=options))
            except RecsysError:
                continue
            cost = max(cost, trial.seconds + trial.scoring)
            bench.context.tracker.progress(trial.line(bench.metric))
            if trial.value > best.value:
                best = trial
            elif "decay" in change and change["decay"] < best.part.options.get("decay", 1.0):
                break
    if best.part.options != family.start:
        bench.context.tracker.info(f"{best.line(bench.metric)} (best of the search)")
    return best
