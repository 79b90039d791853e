"""A tracker that ends a trial of tuning early: by its validation curve, or because the time is out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from recsys.tracking import SilentTracker, Tracker


class Reports(Protocol):
    """What a tracker needs of a trial of Optuna."""

    def report(self, value: float, step: int) -> None:
        """Records the validation metric of an epoch."""
        ...

    def should_prune(self) -> bool:
        """Whether the curve so far is below the median of the other trials."""
        ...


class TrialEnded(Exception):  # noqa: N818 - an outcome, no error
    """A trial was ended before its last epoch."""


class TrialPruned(TrialEnded):
    """Its validation curve is below the median of the others."""


class OutOfTime(TrialEnded):
    """The time of the search is out."""


class TrialTracker:
    """Reports the validation metric of every epoch to a trial and ends it where the trial or the clock says so.

    Args:
        trial: of the study.
        deadline: of `time.time`; None sets none.
        running: called now and then; False ends the trial like a deadline.
        inner: gets the progress.

    Example:
        >>> TrialTracker(None, deadline=0.0).progress("epoch 1")
        Traceback (most recent call last):
        ...
        recsys.experiment.trial_tracker.OutOfTime
    """

    def __init__(
        self,
        trial: Reports | None,
        deadline: float | None = None,
        running: Callable[[], bool] = lambda: True,
        inner: Tracker | None = None,
    ) -> None:
        self._trial, self._deadline, self._running = trial, deadline, running
        self._inner = inner or SilentTracker()

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._trial is not None and step is not None and "metric" in metrics:
            self._trial.report(float(metrics["metric"]), step)
            if self._trial.should_prune():
                raise TrialPruned
        self._check_time()

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None: ...

    def progress(self, message: str) -> None:
        self._check_time()
        self._inner.progress(message)

    def _check_time(self) -> None:
        if not self._running() or (self._deadline is not None and time.time() >= self._deadline):
            raise OutOfTime
