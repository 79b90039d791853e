"""One training of the race: paused by its checkpoint, resumed bit for bit, shortened to what the time is enough for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from recsys.engine import FitContext
from recsys.engines.auto.budget import StoppingTracker, TimeIsOverError
from recsys.engines.auto.recipe import PartRecipe
from recsys.engines.auto.trial import Bench, Trial, options_text
from recsys.errors import RecsysError
from recsys.json_values import JsonObject

_PACE_STEPS = 5
"""Steps that measure the pace of a training."""
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
        self.run(bench, seconds, seconds, _PACE_STEPS)

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


def _with(part: PartRecipe, options: JsonObject) -> PartRecipe:
    return part.model_copy(update={"options": options})
