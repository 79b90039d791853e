"""Where a run leaves its parameters, metrics and files, and how long work tells how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")


class Tracker(Protocol):
    """A sink for what a run wants remembered; `recsys.registry` has the one that speaks to MLflow."""

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None:
        """One line for the person who watches."""
        ...

    def progress(self, message: str) -> None:
        """A line that the next one overwrites; dropped where nobody watches."""
        ...


class SilentTracker:
    """Remembers nothing and says nothing."""

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None: ...

    def progress(self, message: str) -> None: ...


class ConsoleTracker(SilentTracker):
    """Speaks on stderr; progress lines appear only where stderr is a terminal, at most ten a second."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = 0.0

    def info(self, message: str) -> None:
        print(f"\r\x1b[K{message}" if self._terminal else message, file=sys.stderr, flush=True)

    def progress(self, message: str) -> None:
        now = time.monotonic()
        if self._terminal and now - self._last > 0.1:
            self._last = now
            print(f"\r\x1b[K{message}", end="", file=sys.stderr, flush=True)


def tracked(steps: Iterable[T], total: int, what: str, tracker: Tracker) -> Iterator[T]:
    """``steps``, with a progress line that shows the count and the time left."""
    start = time.monotonic()
    for done, step in enumerate(steps, 1):
        yield step
        left = (time.monotonic() - start) / done * (total - done)
        tracker.progress(f"{what}  {done}/{total}  {left:.0f} s left")
