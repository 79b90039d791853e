"""The feedback log: events are on the disk before they are acknowledged, and are replayed at the next start."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from recsys.data.feedback.event_meanings import EventMeanings
from recsys.errors import ArtifactError
from recsys.service.batcher import Batcher
from recsys.service.live_histories import FeedbackEvent, LiveHistories
from recsys.service.logs.json_log import JsonLog
from recsys.service.logs.messages import Messages

_SLACK = 10_000
"""So many lines more than events are kept before the file is written anew."""


class FeedbackLog:
    """Feedback events in a file and in memory; events that come together share one fsync.

    Args:
        path: of the file.
        most: events that are kept of a user.
        messages: are told of torn lines, of a compaction and of a disk that refuses.
        seen: is called with the new events once they are on the disk.
        types: what the events mean and weigh.

    Raises:
        ArtifactError: a line of the file is damaged, other than by a crash.
    """

    def __init__(
        self,
        path: Path,
        most: int = 1000,
        messages: Messages | None = None,
        seen: Callable[[list[FeedbackEvent]], None] = lambda events: None,
        types: EventMeanings | None = None,
    ) -> None:
        self.live, self.writable = LiveHistories(most, types), True
        self._messages, self._seen = messages or Messages(), seen
        self._log, self._lines = JsonLog(path), 0
        size = path.stat().st_size
        for record in self._log.replay():
            self._lines += 1
            self.live.add([_event(record, path, self._lines)])
        if torn := size - path.stat().st_size:
            self._messages.warning("feedback_healed", torn_bytes=torn)
        self._compact(slack=0)
        self._messages.info("feedback_replayed", events=len(self.live), users=self.live.n_users)
        self._writer: Batcher[Sequence[FeedbackEvent], list[bool]] = Batcher(self._write, 256, 4096, "feedback")

    def record(self, events: Sequence[FeedbackEvent]) -> Future[list[bool]]:
        """Appends events; the future says of each whether it is new, and is done when all are on the disk.

        Raises:
            OverloadError: too many events wait.
        """
        return self._writer.submit(events)

    def close(self) -> None:
        self._writer.close()
        self._log.close()

    def _write(self, batches: list[Sequence[FeedbackEvent]]) -> list[list[bool] | Exception]:
        met: set[tuple[object, str]] = set()
        answers: list[list[bool] | Exception] = []
        new: list[FeedbackEvent] = []
        for events in batches:
            fresh = []
            for event in events:
                key = (event.user_id, event.event_id)
                fresh.append(key not in met and not self.live.holds(event))
                met.add(key)
            new += [event for event, is_new in zip(events, fresh, strict=True) if is_new]
            answers.append(fresh)
        try:
            if new:
                self._log.append(event.to_json() for event in new)
        except OSError as error:
            self.writable = False
            self._messages.warning("feedback_not_written", reason=error.strerror)
            return [error] * len(batches)
        self.writable, self._lines = True, self._lines + len(new)
        self.live.add(new)
        self._seen(new)
        self._compact(_SLACK)
        return answers

    def _compact(self, slack: int) -> None:
        """Writes the file anew without the events that are no longer kept, where these are the larger part of it."""
        if self._lines <= 2 * len(self.live) + slack:
            return
        before = self._lines
        try:
            self._log.replace(event.to_json() for event in self.live.all_events())
        except OSError as error:
            self._messages.warning("feedback_not_compacted", reason=error.strerror)
            return
        self._lines = len(self.live)
        self._messages.info("feedback_compacted", lines_before=before, lines=self._lines)


_RECORD = TypeAdapter(FeedbackEvent)


def _event(record: dict[str, object], path: Path, number: int) -> FeedbackEvent:
    unknown = sorted(record.keys() - {field.name for field in fields(FeedbackEvent)})
    try:
        event = _RECORD.validate_json(json.dumps(record), strict=True)
        reason = f"it has {unknown[0]!r}" if unknown else "" if event.weight > 0 else f"its weight is {event.weight:g}"
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if reason:
        raise ArtifactError(f"line {number} of {path} is no feedback event ({reason}); take the line out")
    return event
