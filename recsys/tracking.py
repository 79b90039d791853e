"""Experiment tracking: parameters, metrics, artifacts, messages and progress of a run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from recsys.errors import without_objects
from recsys.files.addresses import without_passwords

T = TypeVar("T")
_LOG_SECONDS = 60.0
"""Between two lines of progress in a log."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Tracker(Protocol):
    """The interface of experiment trackers; `recsys.registry` has the one for MLflow."""

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None:
        """One line for the user."""
        ...

    def progress(self, message: str) -> None:
        """A progress line that the next one overwrites in a terminal; elsewhere a tracker shows few of them."""
        ...


class SilentTracker:
    """Records nothing and prints nothing."""

    def log_params(self, params: Mapping[str, object]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_artifact(self, path: Path) -> None: ...

    def info(self, message: str) -> None: ...

    def progress(self, message: str) -> None: ...


class ConsoleTracker(SilentTracker):
    """Prints to stderr; progress lines at most ten a second in a terminal, and one a minute elsewhere, as in a log."""

    def __init__(self) -> None:
        self._terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
        self._last = 0.0 if self._terminal else time.monotonic()

    def info(self, message: str) -> None:
        message = for_people(message)
        _print(f"\r\x1b[K{message}\n" if self._terminal else f"{message}\n")

    def progress(self, message: str) -> None:
        now = time.monotonic()
        if now - self._last <= (0.1 if self._terminal else _LOG_SECONDS):
            return
        self._last, message = now, for_people(message)
        _print(f"\r\x1b[K{message}" if self._terminal else f"{message}\n")


def _print(text: str) -> None:
    """Writes to stderr; nothing where it is closed, for a run goes on without its messages."""
    if sys.stderr is None:  # print would take stdout
        return
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


class CurveTracker:
    """Records the training curve, the metrics that have a step, and forwards everything to ``inner``.

    Example:
        >>> curve = CurveTracker(SilentTracker())
        >>> curve.log_metrics({"loss": 5.2}, step=1)
        >>> curve.points
        [{'step': 1, 'loss': 5.2}]
    """

    def __init__(self, inner: Tracker) -> None:
        self.inner = inner
        self._points: dict[int, dict[str, float]] = {}

    @property
    def points(self) -> list[dict[str, float]]:
        return [{"step": step, **values} for step, values in sorted(self._points.items())]

    def log_params(self, params: Mapping[str, object]) -> None:
        self.inner.log_params(params)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is not None:
            self._points.setdefault(step, {}).update(metrics)
        self.inner.log_metrics(metrics, step)

    def log_artifact(self, path: Path) -> None:
        self.inner.log_artifact(path)

    def info(self, message: str) -> None:
        self.inner.info(message)

    def progress(self, message: str) -> None:
        self.inner.progress(message)


def tracked(steps: Iterable[T], total: int, what: str, tracker: Tracker) -> Iterator[T]:
    """Iterates over ``steps`` and reports the progress: steps done, ``total``, and an estimate of the time left.

    Args:
        steps: any iterable.
        total: the number of steps.
        what: beginning of the progress line.
        tracker: shows the line.
    """
    start = time.monotonic()
    for done, step in enumerate(steps, 1):
        yield step
        left = (time.monotonic() - start) / done * (total - done)
        tracker.progress(f"{what}  {done}/{total}  {left:.0f} s left")


def printable(text: str) -> str:
    r"""``text`` with control characters as ``\u001b``; line ends and tabs stay.

    Those are what moves the cursor, colours, retitles or clears a terminal, and what turns the direction of writing.

    Example:
        >>> printable("a\x1b[2Jb"), printable("two\nlines")
        ('a\\u001b[2Jb', 'two\nlines')
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def for_people(message: str) -> str:
    """A message as it is shown: `printable`, without passwords of addresses and addresses of objects in memory."""
    return printable(without_passwords(without_objects(message)))


def one_line(text: str) -> str:
    r"""`printable`, with line ends and tabs as blanks, for a cell of a listing.

    Example:
        >>> one_line("two\nlines")
        'two lines'
    """
    return printable(re.sub(r"[\r\n\t]+", " ", text))
