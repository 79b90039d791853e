"""Blocks of rows computed in several processes of this machine, with the bytes of one process."""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import torch

from recsys.content.cache import BlockMap, in_turn
from recsys.data.vocabulary import Rows
from recsys.errors import RecsysError
from recsys.tracking import SilentTracker, Tracker, tracked

R = TypeVar("R")

_MOST = 8
"""Processes where no number is given: each holds the libraries and the network in memory."""
_WORTH_SECONDS = 30.0
"""What is left to do takes at least so long where processes are started unasked, which takes some seconds itself."""
_LOSSES_OF_ONE = 3
"""Processes that one block may lose."""
_LAST_SECONDS = 5.0
"""For a process whose pipe has ended, to end by itself."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
"""Of linear algebra, and of tokenizers."""


@dataclass(frozen=True)
class Processes:
    """A `recsys.content.cache.BlockMap` over processes of this machine, which begin as new Pythons.

    A process that is killed, as for want of memory, is replaced, and its block computed again. A script that uses it
    needs the guard ``if __name__ == "__main__"``, as for `multiprocessing`.

    Args:
        count: of the processes, 1 for this one alone. None takes at most 8, as many as there are CPUs for, and stays in
            this one where, judged by the first block, the others take less than half a minute.
        threads: of each. None shares the CPUs among the ``count``, and takes at most as many as this process has; where
            no ``count`` is given either, a network keeps those of this process (`blocks_of_network`).
        tracker: reports the progress.

    Example::

        context = EmbedderContext(blocks=Processes(4))
        table = SentenceEmbedder(columns=["title"]).fit_transform(data.items, context)
    """

    count: int | None = None
    threads: int | None = None
    tracker: Tracker = field(default_factory=SilentTracker)

    def __call__(self, make: Callable[[Rows], R], blocks: Sequence[Rows]) -> Iterator[tuple[int, R]]:
        threads = self._threads_of(self.count) if self.count else self.threads
        count = min(self.count or min(max(_cpus() // (threads or 1), 1), _MOST), len(blocks))
        if count <= 1:
            yield from in_turn(partial(_made, make, threads), blocks)
            return
        packed, numbers = pickle.dumps(make), range(len(blocks))  # before this process has loaded a network itself
        if self.count is None:
            begun = time.monotonic()
            first = _made(make, threads, blocks[0])
            seconds, numbers = time.monotonic() - begun, range(1, len(blocks))
            yield 0, first
            if seconds * len(numbers) < _WORTH_SECONDS:
                yield from ((number, _made(make, threads, blocks[number])) for number in numbers)
                return
        threads, count = threads or self._threads_of(count), min(count, len(numbers))
        self.tracker.info(f"  {count} processes, threads of each {threads}")
        pool = _Pool[R](packed, {number: blocks[number] for number in numbers}, threads, self.tracker)
        yield from tracked(pool.results(count), len(numbers), "blocks", self.tracker)

    def _threads_of(self, count: int) -> int:
        return self.threads or min(torch.get_num_threads(), max(_cpus() // count, 1))


def _made(make: Callable[[Rows], R], threads: int | None, rows: Rows) -> R:
    """What ``make`` gives in this process with the threads of the others, of which last bits depend."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        return make(rows)
    torch.set_num_threads(threads)
    try:
        return make(rows)
    finally:
        torch.set_num_threads(before)


def blocks_of_network(blocks: BlockMap, device: str | None) -> BlockMap:
    """Where a network encodes.

    Processes that nobody asked for leave a GPU to this one, and have as many threads as this one has, for the last bits
    of its vectors depend on them.

    Args:
        blocks: of the context.
        device: of the network, as its option says; see `chosen_device`.
    """
    if not isinstance(blocks, Processes) or blocks.count is not None:
        return blocks
    if chosen_device(device).type != "cpu":
        return in_turn
    return replace(blocks, threads=blocks.threads or torch.get_num_threads())


def chosen_device(device: str | None) -> torch.device:
    """The device of an option; ``auto`` and None take CUDA where there is one."""
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(str(device))


def _cpus() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Failure:
    """An exception of a worker."""

    error: Exception


class _Pool(Generic[R]):
    """Workers, each with one block at a time.

    Args:
        packed: the pickled function of a block.
        blocks: by number.
        threads: of each worker.
        tracker: gets a line when a worker was lost.
    """

    def __init__(self, packed: bytes, blocks: dict[int, Rows], threads: int, tracker: Tracker) -> None:
        self._packed, self._blocks, self._threads, self._tracker = packed, blocks, threads, tracker
        self._todo, self._losses = deque(blocks), dict.fromkeys(blocks, 0)
        self._workers = dict[Connection, tuple[BaseProcess, int]]()
        """The end of the pipe of each worker that computes, and which block that is."""

    def results(self, count: int) -> Iterator[tuple[int, R]]:
        """What ``count`` workers make of the blocks, as it is ready.

        Raises:
            RecsysError: workers are killed again and again.
            Exception: what one raised.
        """
        try:
            for _ in range(count):
                self._start()
            while self._workers:
                for pipe in wait(list(self._workers)):
                    assert isinstance(pipe, Connection)
                    process, number = self._workers.pop(pipe)
                    try:
                        found = pipe.recv()
                    except (EOFError, OSError):
                        self._lose(pipe, process, number)
                        continue
                    if isinstance(found, _Failure):
                        _end(pipe, process)
                        raise found.error
                    self._give(pipe, process)
                    yield number, found
        finally:
            for pipe, (process, _) in self._workers.items():
                _end(pipe, process)

    def _start(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._packed), daemon=True, name="recsys blocks")
        with limited_threads(self._threads):
            process.start()
        theirs.close()  # so that the pipe ends with the worker
        self._give(ours, process)

    def _give(self, pipe: Connection, process: BaseProcess) -> None:
        if not self._todo:
            _end(pipe, process)
            return
        number = self._todo.popleft()
        self._workers[pipe] = process, number
        with suppress(OSError):  # it was killed, which the end of the pipe tells
            pipe.send(self._blocks[number])

    def _lose(self, pipe: Connection, process: BaseProcess, number: int) -> None:
        process.join(_LAST_SECONDS)
        _end(pipe, process)
        if process.exitcode and process.exitcode > 0:
            raise RecsysError(
                f"a process that embeds ended with exit code {process.exitcode}, see above; a script that starts "
                'processes needs the guard `if __name__ == "__main__":`'
            )
        self._losses[number] += 1
        if self._losses[number] > _LOSSES_OF_ONE:
            raise RecsysError(
                f"the processes that embed end again and again (exit code {process.exitcode}), perhaps for want of "
                "memory; set fewer compute.workers; the same command goes on with what is missing"
            )
        self._tracker.info("  a process that embeds was killed; what it was making is made again")
        self._todo.appendleft(number)
        self._start()


def _end(pipe: Connection, process: BaseProcess) -> None:
    process.kill()
    process.join()
    pipe.close()


def _work(pipe: Connection, packed: bytes) -> None:
    """The main function of a worker, which ends with the process that started it; that one alone hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    make: Callable[[Rows], object] | None = None
    with suppress(EOFError, OSError):
        while True:
            rows = pipe.recv()
            try:
                make = make or pickle.loads(packed)
                made = pickle.dumps(make(rows))
            except Exception as error:
                error.add_note(traceback.format_exc())
                made = _packed_failure(error)
            pipe.send_bytes(made)


def _packed_failure(error: Exception) -> bytes:
    """The pickled `_Failure`; an exception that is not read again as it was is told as a `RecsysError`."""
    try:
        packed = pickle.dumps(_Failure(error))
        pickle.loads(packed)
        return packed
    except Exception:
        told = RecsysError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            told.add_note(note)
        return pickle.dumps(_Failure(told))


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Context manager: processes that are started inside have ``count`` threads each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
