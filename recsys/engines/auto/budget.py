"""Time budgets: what is left, and a tracker that stops a training when its time is over."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from recsys.tracking import Tracker


class Budget:
    """A budget of wall time that started when the object was made, or at ``started``.

    Args:
        seconds: the time in all.
        started: a value of ``time.monotonic``; None is now.

    Example:
        >>> Budget(60).left() <= 60
        True
    """

    def __init__(self, seconds: float, started: float | None = None) -> None:
        self.seconds = seconds
        self.started = time.monotonic() if started is None else started

    def spent(self) -> float:
        return time.monotonic() - self.started

    def left(self) -> float:
        return self.seconds - self.spent()

    def reserved(self, seconds: float) -> Budget:
        """The same budget without its last ``seconds``."""
        return Budget(self.seconds - seconds, self.started)


class BudgetTracker:
    """Puts the time that is left before every message.

    Args:
        inner: shows the messages.
        budget: the time.
    """

    def __init__(self, inner: Tracker, budget: Budget) -> None:
        self.inner, self.budget = inner, budget

    def log_params(self, params: Mapping[str, object]) -> None:
        self.inner.log_params(params)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.inner.log_metrics(metrics, step)

    def log_artifact(self, path: Path) -> None:
        self.inner.log_artifact(path)

    def info(self, message: str) -> None:
        self.inner.info(f"[{max(self.budget.left(), 0):5.0f} s left] {message}")

    def progress(self, message: str) -> None:
        self.inner.progress(f"[{max(self.budget.left(), 0):5.0f} s left] {message}")


class TimeIsOverError(Exception):
    """Raised inside a fit whose time is over; the last checkpoint holds the state of the training."""


class StoppingTracker:
    """Records the validation curve and the pace of a training, and raises `TimeIsOverError` when its time is over.

    A training is stopped after an epoch, when its checkpoint has been written, if the next epoch would end later than
    ``stop``; and within an epoch at ``latest``.

    Args:
        inner: gets the progress; the metrics of the epochs are not forwarded.
        stop: the seconds after which no epoch should end.
        latest: the seconds after which the training is stopped within an epoch.
        steps: stops after so many steps, which is enough to know the pace; 0 does not.
    """

    def __init__(self, inner: Tracker, stop: float, latest: float, steps: int = 0) -> None:
        self.inner, self.steps = inner, steps
        now = time.monotonic()
        self.stop, self.latest = now + stop, now + latest
        self.points: dict[int, dict[str, float]] = {}
        self.epoch_seconds = 0.0
        """Of the last epoch with its validation, or before the first by the steps so far; 0 while unknown."""
        self.epochs = 0
        """In the whole learning-rate schedule."""
        self.epoch_steps = 0
        self._step_at, self._steps_took = now, list[float]()
        self._epoch_started: float | None = None
        self._between_epochs = False
        self._n_steps = 0

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Called after each epoch, and at once for each epoch before a resumption."""
        if step is None:
            return
        self.points.setdefault(step, {}).update(metrics)
        if self._epoch_started is not None:
            self.epoch_seconds = time.monotonic() - self._epoch_started
            self._epoch_started = time.monotonic()
            self._between_epochs = True

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None: ...

    def progress(self, message: str) -> None:
        """Called after each step.

        Raises:
            TimeIsOverError: see the class.
        """
        now = time.monotonic()
        self._count(message, now)
        if now > self.latest or (self._between_epochs and now + self.epoch_seconds > self.stop):
            raise TimeIsOverError
        if self.steps and self._n_steps > self.steps:
            raise TimeIsOverError
        self._between_epochs = False
        self.inner.progress(message)

    def _count(self, message: str, now: float) -> None:
        """The pace, from lines such as ``epoch 1/30  4/25  loss 5.2  ...``."""
        found = re.match(r"epoch \d+/(\d+)\s+\d+/(\d+)", message)
        if found is None:
            return
        self.epochs, self.epoch_steps = int(found[1]), int(found[2])
        self._n_steps += 1
        if self._epoch_started is None:
            self._epoch_started = now
        elif not self.points:
            self._steps_took.append(now - self._step_at)
            self.epoch_seconds = median(self._steps_took) * self.epoch_steps
        self._step_at = now
