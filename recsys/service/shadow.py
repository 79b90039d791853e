"""A model in shadow: asked what the champion is asked; its lists are logged and not shown."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from recsys.service.batcher import Batcher, OverloadError
from recsys.service.live_histories import LiveHistories
from recsys.service.logs.json_log import JsonLog
from recsys.service.logs.messages import Messages
from recsys.service.metrics import Metrics
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was asked and shown."""

    shadow: ServedModel
    question: Question
    shown: Listed
    version: str


class Shadow:
    """Scores in the background and logs how much of each shown list the shadow lists too.

    A line holds both versions, k, the overlap, whether the first item is the same, and the milliseconds of a list; no
    user. Lists that would have to wait are left out and counted.

    Args:
        path: of the JSON lines.
        live: the histories' events.
        metrics: see the overlap and the lists that were left out.
        messages: are told of a disk that refuses.
    """

    def __init__(self, path: Path, live: LiveHistories, metrics: Metrics, messages: Messages) -> None:
        self._live, self._metrics, self._messages = live, metrics, messages
        self._log = JsonLog(path)
        self._log.heal()
        self._scorer: Batcher[Comparison, None] = Batcher(self._score, 16, 256, "shadow")

    def compare(self, comparison: Comparison) -> None:
        try:
            self._scorer.submit(comparison)
        except OverloadError:
            self._metrics.shadow_lost.inc()

    def close(self) -> None:
        self._scorer.close()
        self._log.close()

    def _score(self, asked: list[Comparison]) -> list[None]:
        records: list[dict[str, object]] = []
        for model in {id(each.shadow): each.shadow for each in asked}.values():
            mine = [each for each in asked if each.shadow is model]
            started = time.perf_counter()
            lists = model.recommend([each.question for each in mine], self._live)
            took = 1000 * (time.perf_counter() - started) / len(mine)
            for each, listed in zip(mine, lists, strict=True):
                if isinstance(listed, Listed):
                    records.append(self._record(each, listed, took))
        try:
            self._log.append(records, sync=False)
        except OSError as error:
            self._messages.warning("shadow_not_written", reason=error.strerror)
        return [None] * len(asked)

    def _record(self, each: Comparison, listed: Listed, took: float) -> dict[str, object]:
        shown = set(each.shown.item_ids)
        overlap = len(shown & set(listed.item_ids)) / max(len(shown), 1)
        self._metrics.shadow.observe(overlap)
        about = {"time": int(time.time()), "shown": each.version, "shadow": each.shadow.version, "k": each.question.k}
        same = each.shown.item_ids[:1] == listed.item_ids[:1]
        return {**about, "overlap": round(overlap, 4), "same_first": same, "milliseconds": round(took, 2)}
