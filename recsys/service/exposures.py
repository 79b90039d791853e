"""The A/B split: which arm a user is in, and the log of what was shown and what was clicked."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from recsys.data.feedback.event_meanings import EventMeanings
from recsys.retrieval.recipients.asked import Id
from recsys.service.batcher import Batcher, OverloadError
from recsys.service.live_histories import FeedbackEvent
from recsys.service.logs.json_log import JsonLog, Record
from recsys.service.logs.messages import Messages
from recsys.service.questions import Listed

CHAMPION, CHALLENGER = "champion", "challenger"


def arm_of(user_id: Id | None, share: float, experiment: str) -> str:
    """The arm of a user: that of the challenger for a share of all users, always the same users.

    Args:
        user_id: None is an anonymous user, who is no part of the experiment and gets the champion.
        share: of the users who get the challenger.
        experiment: another name divides the users anew.

    Example:
        >>> arms = [arm_of(user, 0.1, "first") for user in range(10_000)]
        >>> arms.count("challenger"), arms[7] == arm_of(7, 0.1, "first")
        (968, True)
    """
    if user_id is None:
        return CHAMPION
    digest = sha256(f"{experiment}\0{type(user_id).__name__}\0{user_id}".encode("utf-8", "surrogatepass")).digest()
    return CHALLENGER if int.from_bytes(digest[:8], "big") < share * 2**64 else CHAMPION


class ExposureLog:
    """Lists that were shown in an experiment and the feedback that followed, for `recsys.service.arms`.

    A thread of its own writes; what a crash loses are the last milliseconds.

    Args:
        path: of the JSON lines.
        messages: are told of records that were not written.
    """

    def __init__(self, path: Path, messages: Messages | None = None) -> None:
        self._log, self._messages = JsonLog(path), messages or Messages()
        self._log.heal()
        self._writer: Batcher[Record, None] = Batcher(self._write, 1024, 100_000, "exposures")

    def shown(self, user_id: Id, arm: str, version: str, listed: Listed) -> str:
        """Logs a list; returns the id of the exposure."""
        exposure_id = token_hex(8)
        about = {"exposure_id": exposure_id, "user_id": user_id, "arm": arm, "version": version}
        self._put({"kind": "exposure", "time": int(time.time()), **about, "item_ids": listed.item_ids})
        return exposure_id

    def feedback(self, events: list[FeedbackEvent], types: EventMeanings) -> None:
        """Logs feedback events with what they mean."""
        for event in events:
            self._put({"kind": "feedback", **event.to_json(), "meaning": types.meaning(event.event, event.weight)})

    def close(self) -> None:
        self._writer.close()
        self._log.close()

    def _put(self, record: Record) -> None:
        try:
            self._writer.submit(record)
        except OverloadError:
            self._messages.warning("exposure_lost", reason="too many records wait to be written")

    def _write(self, records: list[Record]) -> list[None]:
        try:
            self._log.append(records, sync=False)
        except OSError as error:
            self._messages.warning("exposure_lost", records=len(records), reason=error.strerror)
        return [None] * len(records)
