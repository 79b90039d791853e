"""Successive halving of trained engines: trainings are paused, the better half goes on, until the time is over.

A training is paused by its checkpoint and resumed bit for bit, so that no epoch is trained twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from recsys.engine import FitContext
from recsys.engines.auto.budget import Budget, StoppingTracker, TimeIsOverError
from recsys.engines.auto.recipe import PartRecipe
from recsys.engines.auto.trial import Bench, Trial, options_text
from recsys.errors import RecsysError
from recsys.json_values import JsonObject

KEPT = 2
"""Trainings that go on to the end of the time."""
_PROBING = 0.25
"""The share of the time of the race for the rounds before the last."""
_PACE = (5, 0.25, 0.03)
"""Steps that measure the pace of a training, and the share of the time of the race after which they end: of the first
training, which has nothing to wait for, and of the others."""
_FIRST_EPOCHS, _PROBED_EPOCHS = 1.3, 3
"""A training takes part if there is time for so many of its epochs: for the first one in the whole race, as otherwise
the time would be left over, for the others in the probing rounds."""
_FEW_EPOCHS = 8
"""If the time is not enough for so many epochs of two trainings, one is trained."""
_FEW_STEPS = 1000
"""A schedule that was shortened has at least so many steps where batches can be made smaller."""
_SMALL_BATCH = 512
_SLACK = 0.92
"""The share of the time that a schedule is planned for; machines are not evenly fast."""


@dataclass
class Runner:
    """One training of the race.

    Args:
        name: of the engine in a config.
        part: its kind and options.
        directory: of its checkpoint.
        points: epoch -> loss and validation metric.
        seconds: trained so far.
        epoch_seconds: of the last epoch.
        epochs: of the whole learning-rate schedule.
        epoch_steps: steps of an epoch.
        finished: whether early stopping or the last epoch ended it.
        failed: the reason why it cannot be trained; empty otherwise.
    """

    name: str
    part: PartRecipe
    directory: Path
    points: dict[int, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    epochs: int = 0
    epoch_steps: int = 0
    finished: bool = False
    failed: str = ""

    @property
    def family(self) -> str:
        """The kind of engine; a recurrent network is a sequence model."""
        return "sequence" if self.part.kind == "gru4rec" else self.part.kind

    @property
    def best_epoch(self) -> int:
        """The epoch with the best metric on validation; 0 before the first."""
        measured = {step: point["metric"] for step, point in self.points.items() if "metric" in point}
        return max(measured, key=lambda step: measured[step]) if measured else 0

    @property
    def value(self) -> float:
        """The best metric so far."""
        return self.points[self.best_epoch]["metric"] if self.best_epoch else -1.0

    @property
    def seconds_to_best(self) -> float:
        """What training up to the best epoch takes."""
        return self.seconds * self.best_epoch / max(len(self.points), 1)

    def measure_pace(self, bench: Bench, seconds: float) -> None:
        """Takes a few steps, from which `epoch_seconds` follow; they are forgotten."""
        steps = _PACE[0]
        self.run(bench, seconds, seconds, steps)

    def run(self, bench: Bench, seconds: float, latest: float, steps: int = 0) -> None:
        """Trains for about ``seconds`` more, never longer than ``latest``, nor for more than ``steps`` if given."""
        tracker = StoppingTracker(bench.context.tracker, seconds, latest, steps)
        tracker.epoch_seconds = self.epoch_seconds
        started = time.monotonic()
        try:
            bench.fit(self.part, self._context(bench, tracker))
            self.finished = True
        except TimeIsOverError:
            pass
        except RecsysError as error:
            self.failed = str(error)
        self.points |= tracker.points
        self.seconds += time.monotonic() - started if tracker.points else 0.0
        self.epoch_seconds = tracker.epoch_seconds or self.epoch_seconds
        self.epochs, self.epoch_steps = tracker.epochs or self.epochs, tracker.epoch_steps or self.epoch_steps

    def ends_in(self, seconds: float) -> bool:
        """Whether the rest of the schedule takes at most ``seconds``."""
        return self.finished or (self.epochs - len(self.points)) * self.epoch_seconds <= seconds

    def shortened(self, bench: Bench, seconds: float) -> Runner:
        """A new training whose schedule ends in ``seconds``, in smaller batches where its steps would be few.

        The learning rate falls along the schedule, so a short schedule to its end beats the beginning of a long one.
        """
        possible = _SLACK * seconds / self.epoch_seconds if self.epoch_seconds else 0.0
        if possible < 1:
            return self
        options = {**self.part.options, "epochs": int(possible)}
        tokens = getattr(self.part.engine().config, "max_tokens", None)
        if isinstance(tokens, int) and self.epoch_steps * possible < _FEW_STEPS:
            options["max_tokens"] = max(_SMALL_BATCH, int(tokens * self.epoch_steps * possible / _FEW_STEPS))
            trial = Runner(self.name, _with(self.part, options), self.directory.with_name(f"{self.name}-pace"))
            started = time.monotonic()
            trial.measure_pace(bench, 0.1 * seconds)
            possible = _SLACK * (seconds - (time.monotonic() - started)) / (trial.epoch_seconds or self.epoch_seconds)
            options["epochs"] = max(int(possible), 1)
        directory = self.directory.with_name(f"{self.name}-{options['epochs']}")
        return Runner(self.name, _with(self.part, options), directory, epoch_seconds=seconds / possible)

    def trial(self, bench: Bench) -> Trial:
        """The engine with the weights of its best epoch, from the checkpoint, without training."""
        context = replace(self._context(bench), epochs=self.best_epoch)
        engine = bench.fit(self.part, context)
        chosen: JsonObject = {"stop_epoch": self.best_epoch}
        for option in ("popularity_weight", "graph_weight", "graph_rank"):
            if (value := getattr(engine.chosen_config(), option, None)) is not None:
                chosen[option] = value
        part = self.part.model_copy(update={"options": {**self.part.options, **chosen}})
        started = time.monotonic()
        value = bench.score(engine)
        return Trial(self.name, part, value, self.seconds_to_best, time.monotonic() - started, engine)

    def line(self, metric: str) -> str:
        """What is told to the user."""
        if self.failed:
            return f"{self.name}: left out, {self.failed}"
        if not self.best_epoch:
            return f"{self.name:<16} no epoch ended in {self.seconds:.0f} s"
        state = "finished" if self.finished else "paused"
        epochs = f"epoch {max(self.points)}, best {self.best_epoch}, {state}"
        options = options_text(self.part.options)
        return f"{self.name:<16} {metric} {self.value:.4f}  {self.seconds:6.1f} s  {epochs}  {options}"

    def _context(self, bench: Bench, tracker: StoppingTracker | None = None) -> FitContext:
        return replace(bench.context, directory=self.directory, tracker=tracker or bench.context.tracker)


def race(
    trained: Mapping[str, tuple[str, JsonObject]], bench: Bench, budget: Budget, later_fits: float
) -> Iterator[Trial | str]:
    """The trials of the trainings that were kept to the end; a text says why another was dropped.

    Args:
        trained: name -> kind and options.
        bench: data, halves of validation and context.
        budget: the time of the race, with that of the later fits.
        later_fits: how often the chosen recipe is trained again afterwards, in trainings on train.
    """
    with TemporaryDirectory(prefix="recsys-auto-", ignore_cleanup_errors=True) as folder:
        alive = [
            Runner(name, PartRecipe(kind=kind, options=options), Path(folder) / name)
            for name, (kind, options) in trained.items()
        ]
        total = budget.left()
        alive, left_out = _entrants(alive, bench, total, later_fits)
        yield from left_out
        probing = _rounds(len(alive))
        for number in range(probing):
            until = budget.reserved(total * (1 - _PROBING * (number + 1) / probing))
            for index, runner in enumerate(alive):
                _slice(runner, until.left() / (len(alive) - index), bench, budget)
            yield from (runner.line(bench.metric) for runner in alive if runner.failed)
            alive, dropped = halved([runner for runner in alive if not runner.failed])
            yield from (f"{runner.name}: dropped at {bench.metric} {max(runner.value, 0):.4f}" for runner in dropped)
        yield from _last_round(alive, bench, budget, later_fits)


def _entrants(waiting: list[Runner], bench: Bench, total: float, later_fits: float) -> tuple[list[Runner], list[str]]:
    """The first trainings of ``waiting`` that the time is enough for, and why others are left out."""
    probing, taken, left_out = _PROBING * total, list[Runner](), list[str]()
    for runner in waiting:
        if taken and (probing <= 0 or total / (1 + later_fits) < _FEW_EPOCHS * taken[0].epoch_seconds):
            left_out.append(f"{runner.name}: left out, the time is enough for {taken[0].name} alone")
            continue
        runner.measure_pace(bench, _PACE[2 if taken else 1] * total)
        seconds = (_PROBED_EPOCHS if taken else _FIRST_EPOCHS) * runner.epoch_seconds
        if runner.failed:
            left_out.append(runner.line(bench.metric))
        elif runner.finished or 0 < seconds <= (probing if taken else total / (1 + later_fits)):
            taken.append(runner)
            probing -= seconds
        else:
            took = f"an epoch takes {runner.epoch_seconds:.1f} s" if runner.epoch_seconds else "the time is too short"
            left_out.append(f"{runner.name}: left out, {took}")
    return taken, left_out


def _last_round(alive: list[Runner], bench: Bench, budget: Budget, later_fits: float) -> Iterator[Trial | str]:
    """Trains to the end of the time, of which the later fits of the same engines get their share."""
    if len(alive) > 1 and (slow := _too_slow(alive, budget.left() / (1 + later_fits))):
        yield slow
        alive = alive[:1]
    owed = 0.0
    for index, runner in enumerate(alive):
        each = max(budget.left() - owed, 0.0) / (len(alive) - index)
        rest = max(each - later_fits * runner.seconds, 0.0) / (1 + later_fits)
        if runner.ends_in(rest):
            going, seconds = runner, rest
        else:
            seconds = each / (1 + later_fits)
            going = runner.shortened(bench, seconds)
        _slice(going, seconds, bench, budget)
        best = going if going.value >= runner.value else runner
        if best.failed or not best.best_epoch:
            yield best.line(bench.metric)
            continue
        owed += later_fits * best.seconds_to_best
        yield best.trial(bench)


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


def _with(part: PartRecipe, options: JsonObject) -> PartRecipe:
    return part.model_copy(update={"options": options})


def _slice(runner: Runner, seconds: float, bench: Bench, budget: Budget) -> None:
    if runner.finished or runner.failed or seconds <= 0:
        return
    runner.run(bench, seconds, latest=1.08 * seconds)
    bench.context.tracker.info(runner.line(bench.metric))
