"""Micro-batches: what waits while a thread works is answered together, and nothing waits for company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class OverloadError(Exception):
    """So many questions wait that a new one would be answered too late."""


class Batcher(Generic[Q, A]):
    """One thread that answers questions from a queue, as many together as wait, up to a limit.

    A question that comes while the thread is idle is answered at once and alone.

    Args:
        answer: the answers of a batch, in order; an exception as an answer is raised where it was asked.
        most: questions of one batch.
        waiting: questions that may wait.
        name: of the thread.

    Example:
        >>> with Batcher(lambda numbers: [2 * n for n in numbers], name="double") as double:
        ...     double.submit(21).result()
        42
    """

    def __init__(
        self, answer: Callable[[list[Q]], Sequence[A | Exception]], most: int = 32, waiting: int = 1024, name: str = ""
    ) -> None:
        self._answer, self._most, self._waiting = answer, most, waiting
        self._queue: SimpleQueue[tuple[Q, Future[A]] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> Batcher[Q, A]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def submit(self, question: Q) -> Future[A]:
        """The future answer.

        Raises:
            OverloadError: too many questions wait.
        """
        if self._queue.qsize() >= self._waiting:
            raise OverloadError
        future: Future[A] = Future()
        self._queue.put((question, future))
        return future

    def close(self) -> None:
        """Answers what waits and ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            with suppress(Empty):
                while len(batch) < self._most:
                    batch.append(self._queue.get_nowait())
            open_ = None not in batch
            # a question whose asker has gone is not worked on
            asked = [each for each in batch if each is not None and each[1].set_running_or_notify_cancel()]
            if asked:
                self._answer_all(asked)

    def _answer_all(self, asked: list[tuple[Q, Future[A]]]) -> None:
        answers: Sequence[A | Exception]
        try:
            answers = self._answer([question for question, _ in asked])
        except Exception as error:  # the thread goes on, and who asked is told
            answers = [error] * len(asked)
        for (_, future), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
