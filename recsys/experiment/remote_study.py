"""A study that workers on other machines use by calls: one process alone opens its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from recsys.experiment.study import RunningTrial, Search, Study, Trial
from recsys.tracking import SilentTracker

Call = Callable[..., Any]
"""Calls a method of the `StudyServer`: its name, and its arguments."""


class AskedTrial(Protocol):
    """A trial that has no end yet, as a worker sees it."""

    @property
    def number(self) -> int: ...

    def report(self, value: float, step: int) -> None:
        """Records the validation metric of an epoch."""
        ...

    def should_prune(self) -> bool:
        """Whether the curve so far is below the median of the other trials."""
        ...


class Trials(Protocol):
    """What a worker needs of a `recsys.experiment.study.Study`."""

    def ask(self, trials: int | None, worker: int = 0) -> Any:
        """See `Study.ask`; an `AskedTrial`, or None."""
        ...

    def suggest(self, trial: Any) -> dict[str, object]:
        """See `Study.suggest`."""
        ...

    def repeats(self, trial: Any, config: str) -> bool:
        """See `Study.repeats`."""
        ...

    def tell(self, trial: Any, result: Mapping[str, object], value: float | None, error: str = "") -> None:
        """See `Study.tell`."""
        ...

    def trials(self) -> list[Trial]:
        """See `Study.trials`."""
        ...


class StudyServer:
    """Holds a study and its running trials, which workers name by their numbers; it keeps their lines for the user.

    Args:
        path: see `Study`.
        search: see `Study`.
    """

    def __init__(self, path: Path, search: Search) -> None:
        self._study, self._running, self._lines = Study(path, search), dict[int, RunningTrial](), list[str]()

    def release(self, worker: int) -> None:
        """Queues the trial that a worker was killed in."""
        self._study.release(worker)

    def ask(self, trials: int | None, worker: int) -> int | None:
        trial = self._study.ask(trials, worker)
        if trial is None:
            return None
        self._running[trial.number] = trial
        return int(trial.number)

    def suggest(self, number: int) -> dict[str, object]:
        return self._study.suggest(self._running[number])

    def repeats(self, number: int, config: str) -> bool:
        return self._study.repeats(self._running[number], config)

    def report(self, number: int, value: float, step: int) -> None:
        self._running[number].report(value, step)

    def should_prune(self, number: int) -> bool:
        return bool(self._running[number].should_prune())

    def tell(self, number: int, result: Mapping[str, object], value: float | None, error: str) -> None:
        self._study.tell(self._running.pop(number), result, value, error)

    def trials(self) -> list[Trial]:
        return self._study.trials()

    def info(self, line: str) -> None:
        self._lines.append(line)

    def lines(self) -> list[str]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return lines


@dataclass(frozen=True)
class RemoteTrial:
    """A running trial of a `StudyServer`."""

    number: int
    call: Call

    def report(self, value: float, step: int) -> None:
        self.call("report", self.number, value, step)

    def should_prune(self) -> bool:
        return bool(self.call("should_prune", self.number))


@dataclass(frozen=True)
class RemoteStudy:
    """The study of a `StudyServer`, for a worker."""

    call: Call

    def ask(self, trials: int | None, worker: int = 0) -> RemoteTrial | None:
        number = self.call("ask", trials, worker)
        return None if number is None else RemoteTrial(number, self.call)

    def suggest(self, trial: RemoteTrial) -> dict[str, object]:
        return dict(self.call("suggest", trial.number))

    def repeats(self, trial: RemoteTrial, config: str) -> bool:
        return bool(self.call("repeats", trial.number, config))

    def tell(self, trial: RemoteTrial, result: Mapping[str, object], value: float | None, error: str = "") -> None:
        self.call("tell", trial.number, dict(result), value, error)

    def trials(self) -> list[Trial]:
        return list(self.call("trials"))


class RemoteTracker(SilentTracker):
    """Sends the lines of a worker to where the user is."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def info(self, message: str) -> None:
        self._call("info", message)
