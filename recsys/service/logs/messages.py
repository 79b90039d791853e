"""Messages of the service on stderr: one JSON object a line, without ids of users and without histories."""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import TextIO


class Messages:
    """Writes one JSON object a message.

    Args:
        stream: where they go; None is stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def info(self, event: str, **about: object) -> None:
        self._write("info", event, about)

    def warning(self, event: str, **about: object) -> None:
        self._write("warning", event, about)

    def error(self, event: str, error: BaseException) -> None:
        """An error that nobody expected: its type and where it was raised; its text may hold what a user sent."""
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
        self._write("error", event, {"type": type(error).__name__, "where": where})

    def _write(self, level: str, event: str, about: dict[str, object]) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        moment = time.time()
        shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
        try:
            stream.write(json.dumps({"time": shown, "level": level, "event": event, **about}, default=str) + "\n")
            stream.flush()
        except (OSError, ValueError, AttributeError):  # stderr is closed; the service goes on
            return
