"""The state of a service: its models, the feedback, the experiment and the threads that answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from recsys.atomic import claim
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.errors import ArtifactError, ConfigError, RecsysError
from recsys.service.batcher import Batcher
from recsys.service.exposures import CHALLENGER, CHAMPION, ExposureLog, arm_of
from recsys.service.live_histories import FeedbackEvent
from recsys.service.logs.feedback_log import FeedbackLog
from recsys.service.logs.messages import Messages
from recsys.service.metrics import Metrics
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question
from recsys.service.shadow import Comparison, Shadow
from recsys.service.versions.source import Source
from recsys.service.versions.watcher import SHADOW, Models, Watcher

T = TypeVar("T")
FEEDBACK, EXPOSURES, SHADOWS = "feedback.jsonl", "exposures.jsonl", "shadow.jsonl"


@dataclass(frozen=True)
class Experiment:
    """Which versions answer.

    Args:
        alias: of the model that answers.
        challenger: of the model that answers a share of the users.
        share: of the users who get the challenger.
        name: another name divides the users anew.
        shadow: of the model that is asked and not shown.
        poll: seconds between two looks at the aliases, the data and the files of rules.
    """

    alias: str = CHAMPION
    challenger: str | None = None
    share: float = 0.1
    name: str = "experiment"
    shadow: str | None = None
    poll: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(f"share = {self.share}; give the share of the challenger, above 0 and below 1")
        if not self.poll > 0:
            raise ConfigError(f"poll = {self.poll}; give the seconds between two looks at the aliases, above 0")

    def aliases(self) -> dict[str, str]:
        """Slot -> alias."""
        slots = {CHAMPION: self.alias, CHALLENGER: self.challenger, SHADOW: self.shadow}
        return {slot: alias for slot, alias in slots.items() if alias is not None}


@dataclass(frozen=True)
class Shown:
    """A list, and where it is from.

    Args:
        listed: the list.
        arm: champion or challenger.
        version: of the model.
        exposure_id: of the exposure log; None without an experiment, and for anonymous users.
    """

    listed: Listed
    arm: str
    version: str
    exposure_id: str | None = None


@dataclass(frozen=True, eq=False)
class _Task:
    model: ServedModel
    question: Question
    vector: bool = False


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a service has beside its models.

    Args:
        messages: structured logs.
        kept: events that are kept of a user.
        waiting: users that may wait for an answer.
        types: what feedback events mean and weigh.
    """

    messages: Messages = field(default_factory=Messages)
    kept: int = 1000
    waiting: int = 1024
    types: EventMeanings = field(default_factory=EventMeanings)


class ServiceState:
    """Everything that a service holds; `recsys.service.http.app.create_app` puts routes before it.

    Args:
        source: where models come from.
        folder: for the feedback log, the exposure log and the shadow log; one service at a time uses it.
        experiment: which versions answer.
        around: texts, logs and limits.

    Raises:
        RecsysError: a model cannot be loaded, another service uses the folder, or the feedback log is damaged.
    """

    def __init__(
        self, source: Source, folder: Path, experiment: Experiment | None = None, around: Surroundings | None = None
    ) -> None:
        self.experiment, self.around = experiment or Experiment(), around or Surroundings()
        self.messages, self.metrics, self.draining = self.around.messages, Metrics(), False
        self._lock = _locked(folder)
        aliases = self.experiment.aliases()
        self.watcher = Watcher(source, aliases, self.experiment.poll, self.messages, self._count_change)
        self._exposures = ExposureLog(folder / EXPOSURES, self.messages) if CHALLENGER in aliases else None
        self.feedback = FeedbackLog(
            folder / FEEDBACK, self.around.kept, self.messages, self._see_feedback, self.around.types
        )
        self._shadow = (
            Shadow(folder / SHADOWS, self.feedback.live, self.metrics, self.messages) if SHADOW in aliases else None
        )
        waiting = self.around.waiting
        self._engine: Batcher[_Task, Listed | list[float]] = Batcher(self._answer, 32, waiting, "engine")
        self._side: Batcher[Callable[[], object], object] = Batcher(_called, 1, waiting, "side")
        self.watcher.start()

    @property
    def models(self) -> Models:
        return self.watcher.models

    @property
    def versions(self) -> dict[str, str]:
        """Slot -> the version that serves."""
        return {slot: model.version for slot, model in self.models.by_slot().items()}

    async def recommend(self, questions: Sequence[Question]) -> list[Shown | RecsysError]:
        """The list of each question, by the model of the user's arm; or the error of the question."""
        models = self.models
        arms = [self._arm(models, question) for question in questions]
        futures = [
            asyncio.wrap_future(self._engine.submit(_Task(model, question)))
            for (_, model), question in zip(arms, questions, strict=True)
        ]
        found = await asyncio.gather(*futures, return_exceptions=True)
        return [
            self._shown(models, question, arm, model, each)
            for (arm, model), question, each in zip(arms, questions, found, strict=True)
        ]

    async def user_vectors(self, questions: Sequence[Question]) -> tuple[str, list[object]]:
        """The version, and the vector of each question's user or the error of the question."""
        model = self.models.champion
        futures = [asyncio.wrap_future(self._engine.submit(_Task(model, each, vector=True))) for each in questions]
        found: list[object] = list(await asyncio.gather(*futures, return_exceptions=True))
        return model.version, found

    async def beside(self, work: Callable[[], T]) -> T:
        """The result of ``work``, computed in a thread of its own, beside the recommendations."""
        result: list[T] = []
        await asyncio.wrap_future(self._side.submit(lambda: result.append(work())))
        return result[0]

    async def record(self, events: Sequence[FeedbackEvent]) -> list[bool]:
        """Whether each event is new; all of them are on the disk.

        Raises:
            OSError: the disk refuses.
        """
        fresh = await asyncio.wrap_future(self.feedback.record(events))
        self.metrics.feedback.labels("new").inc(sum(fresh))
        self.metrics.feedback.labels("repeated").inc(len(fresh) - sum(fresh))
        return fresh

    def close(self) -> None:
        """Ends the threads after what they have begun, and closes the files."""
        self.draining = True
        self.watcher.close()
        for each in (self._engine, self._side, self._shadow, self.feedback, self._exposures):
            if each is not None:
                each.close()
        self._lock.release()

    def _see_feedback(self, events: list[FeedbackEvent]) -> None:
        if self._exposures is not None:
            self._exposures.feedback(events, self.around.types)

    def _count_change(self, slot: str, outcome: str) -> None:
        self.metrics.changes.labels(slot, outcome).inc()

    def _arm(self, models: Models, question: Question) -> tuple[str, ServedModel]:
        if models.challenger is None:
            return CHAMPION, models.champion
        arm = arm_of(question.user_id, self.experiment.share, self.experiment.name)
        return arm, models.challenger if arm == CHALLENGER else models.champion

    def _shown(
        self, models: Models, question: Question, arm: str, model: ServedModel, found: object
    ) -> Shown | RecsysError:
        if isinstance(found, RecsysError):
            return found
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Listed)
        self.metrics.count_list(arm, found.fallback)
        if self._shadow is not None and models.shadow is not None and models.shadow is not model:
            self._shadow.compare(Comparison(models.shadow, question, found, model.version))
        exposure = None
        if self._exposures is not None and models.challenger is not None and question.user_id is not None:
            exposure = self._exposures.shown(question.user_id, arm, model.version, found)
        return Shown(found, arm, model.version, exposure)

    def _answer(self, tasks: list[_Task]) -> list[Listed | list[float] | Exception]:
        """Answers a batch, model by model."""
        self.metrics.batch.observe(len(tasks))
        answers: dict[int, Listed | list[float] | Exception] = {}
        for key in {(id(task.model), task.vector) for task in tasks}:
            numbers = [number for number, task in enumerate(tasks) if (id(task.model), task.vector) == key]
            answers |= zip(numbers, _of_model([tasks[number] for number in numbers], self.feedback), strict=True)
        return [answers[number] for number in range(len(tasks))]


def _of_model(tasks: list[_Task], feedback: FeedbackLog) -> Sequence[Listed | list[float] | Exception]:
    """The answers of one model to questions of one kind."""
    model, questions = tasks[0].model, [task.question for task in tasks]
    try:
        if tasks[0].vector:
            return model.user_vectors(questions, feedback.live)
        return model.recommend(questions, feedback.live)
    except Exception as error:
        return [error] * len(tasks)


def _called(work: list[Callable[[], object]]) -> list[object]:
    return [each() for each in work]


def _locked(folder: Path) -> FileLock:
    claim(folder)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ArtifactError(
            f"another service writes to {folder}; end it, or give this one a folder of its own with --state"
        ) from error
    return lock
