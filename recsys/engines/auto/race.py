"""Successive halving of trained engines: trainings are paused, the better half goes on, until the time is over.

A training is paused by its checkpoint and resumed bit for bit, so that no epoch is trained twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from recsys.engines.auto.budget import Budget
from recsys.engines.auto.recipe import PartRecipe
from recsys.engines.auto.runner import Runner
from recsys.engines.auto.trial import Bench, Trial
from recsys.json_values import JsonObject

KEPT = 2
"""Trainings that go on to the end of the time."""
_PROBING = 0.25
"""The share of the time of the race for the rounds before the last."""
_PACE = (0.25, 0.03)
"""The share of the time of the race after which the measurement of a pace ends: of the first training, which has
nothing to wait for, and of the others."""
_FIRST_EPOCHS, _PROBED_EPOCHS = 1.3, 3
"""A training takes part if there is time for so many of its epochs: for the first one in the whole race, as otherwise
the time would be left over, for the others in the probing rounds."""
_FEW_EPOCHS = 8
"""If the time is not enough for so many epochs of two trainings, one is trained."""


def race(
    trained: Mapping[str, tuple[str, JsonObject]],
    bench: Bench,
    budget: Budget,
    later_fits: float,
    cost: Callable[[Trial], float],
) -> Iterator[Trial | str]:
    """The trials of the trainings that were kept to the end; a text says why another was dropped.

    Time that is left over, for trainings stop early, goes to those that were dropped or left out, as far as it is
    enough for them.

    Args:
        trained: name -> kind and options.
        bench: data, validation users and context.
        budget: the time of the race, with that of the later fits.
        later_fits: how often the chosen recipe is trained again afterwards, in trainings on train.
        cost: the seconds that a trial costs after the race beside its later fits.
    """
    with TemporaryDirectory(prefix="recsys-auto-", ignore_cleanup_errors=True) as folder:
        alive = [
            Runner(name, PartRecipe(kind=kind, options=options), Path(folder) / name)
            for name, (kind, options) in trained.items()
        ]
        total = budget.left()
        alive, waiting, left_out = _entrants(alive, bench, total, later_fits)
        yield from left_out
        probing = _rounds(len(alive))
        for number in range(probing):
            until = budget.reserved(total * (1 - _PROBING * (number + 1) / probing))
            for index, runner in enumerate(alive):
                _slice(runner, until.left() / (len(alive) - index), bench, budget)
            yield from (runner.line(bench.metric) for runner in alive if runner.failed)
            alive, dropped = halved([runner for runner in alive if not runner.failed])
            yield from (f"{runner.name}: dropped at {bench.metric} {max(runner.value, 0):.4f}" for runner in dropped)
            waiting = [*dropped, *waiting]
        yield from _last_round(alive, waiting, bench, _Time(budget, later_fits, cost))


def _entrants(
    entering: list[Runner], bench: Bench, total: float, later_fits: float
) -> tuple[list[Runner], list[Runner], list[str]]:
    """The first trainings of ``entering`` that the time is enough for, those that wait, and why."""
    probing, taken, waiting, reasons = _PROBING * total, list[Runner](), list[Runner](), list[str]()
    for runner in entering:
        if taken and (probing <= 0 or total / (1 + later_fits) < _FEW_EPOCHS * taken[0].epoch_seconds):
            reasons.append(f"{runner.name}: left out, the time is enough for {taken[0].name} alone")
            continue
        runner.measure_pace(bench, _PACE[1 if taken else 0] * total)
        seconds = (_PROBED_EPOCHS if taken else _FIRST_EPOCHS) * runner.epoch_seconds
        if runner.failed:
            reasons.append(runner.line(bench.metric))
        elif runner.finished or 0 < seconds <= (probing if taken else total / (1 + later_fits)):
            taken.append(runner)
            probing -= seconds
        elif runner.epoch_seconds:
            waiting.append(runner)
            reasons.append(f"{runner.name}: waits, an epoch takes {runner.epoch_seconds:.1f} s")
        else:
            reasons.append(f"{runner.name}: left out, the time is too short")
    return taken, waiting, reasons


class _Time:
    """The time of the last round.

    Args:
        budget: of the race, with what comes after it.
        later_fits: how often each training is repeated after the race.
        cost: the seconds that a trial costs after the race beside its later fits.
    """

    def __init__(self, budget: Budget, later_fits: float, cost: Callable[[Trial], float]) -> None:
        self.budget, self.later_fits, self.cost = budget, later_fits, cost
        self.owed = 0.0
        """Seconds that the trials so far cost after the race."""

    def left(self) -> float:
        """What is left for trainings and their later fits."""
        return max(self.budget.left() - self.owed, 0.0)

    def enough_for(self, runner: Runner) -> bool:
        """Whether a few epochs of ``runner`` can still be trained, or all that it has."""
        epochs = min(_FEW_EPOCHS, runner.epochs or _FEW_EPOCHS)
        return runner.finished or self.left() / (1 + self.later_fits) >= epochs * runner.epoch_seconds

    def owe(self, runner: Runner, trial: Trial) -> None:
        """Keeps what ``trial`` costs after the race."""
        self.owed += self.later_fits * runner.seconds_to_best + self.cost(trial)


def _last_round(alive: list[Runner], waiting: list[Runner], bench: Bench, time: _Time) -> Iterator[Trial | str]:
    """Trains to the end of the time, of which the later fits of the same engines get their share."""
    if len(alive) > 1 and (slow := _too_slow(alive, time.left() / (1 + time.later_fits))):
        yield slow
        waiting, alive = [*alive[1:], *waiting], alive[:1]
    trained: set[str] = set()
    for index, runner in enumerate(alive):
        yield _trained(runner, time.left() / (len(alive) - index), bench, time)
        trained.add(runner.family)
    for runner in sorted(waiting, key=lambda runner: runner.family in trained):
        if time.enough_for(runner):
            bench.context.tracker.info(f"{runner.name}: goes on, {time.left():.0f} s are left over")
            yield _trained(runner, time.left(), bench, time)


def _trained(runner: Runner, seconds: float, bench: Bench, time: _Time) -> Trial | str:
    """The trial of ``runner`` trained for ``seconds``, of which its later fits get their share; a text if it failed."""
    rest = max(seconds - time.later_fits * runner.seconds, 0.0) / (1 + time.later_fits)
    if runner.ends_in(rest):
        going, spent = runner, rest
    else:
        spent = seconds / (1 + time.later_fits)
        going = runner.shortened(bench, spent)
    _slice(going, spent, bench, time.budget)
    best = going if going.value >= runner.value else runner
    if best.failed or not best.best_epoch:
        return best.line(bench.metric)
    trial = best.trial(bench)
    time.owe(best, trial)
    return trial


def _too_slow(alive: list[Runner], seconds: float) -> str:
    """Why the second and later trainings are dropped: all of them would get few epochs; empty otherwise."""
    enough = all(
        runner.finished or seconds / len(alive) >= min(_FEW_EPOCHS, runner.epochs) * runner.epoch_seconds
        for runner in alive
    )
    names = ", ".join(runner.name for runner in alive[1:])
    return "" if enough else f"{names}: dropped, the time is enough for {alive[0].name} alone"


def halved(alive: list[Runner]) -> tuple[list[Runner], list[Runner]]:
    """The better half, at least `KEPT`, best first; and the others.

    Two trainings of one family are much alike, so the best of every family goes on before a second one does.
    """
    ranked = sorted(alive, key=lambda runner: -runner.value)
    firsts = [r for i, r in enumerate(ranked) if r.family not in {other.family for other in ranked[:i]}]
    ranked = firsts + [runner for runner in ranked if runner not in firsts]
    kept = max(KEPT, (len(ranked) + 1) // 2)
    return ranked[:kept], ranked[kept:]


def _rounds(trainings: int) -> int:
    """Of probing: halvings down to `KEPT`, at least one where there is something to compare."""
    count = 0
    while trainings > KEPT:
        trainings, count = max(KEPT, (trainings + 1) // 2), count + 1
    return max(count, int(trainings > 1))


def _slice(runner: Runner, seconds: float, bench: Bench, budget: Budget) -> None:
    if runner.finished or runner.failed or seconds <= 0:
        return
    runner.run(bench, seconds, latest=1.08 * seconds)
    bench.context.tracker.info(runner.line(bench.metric))
