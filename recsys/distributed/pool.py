"""A pool of Ray actors that makes fixed partitions, each exactly once in the result, however many workers die."""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from recsys.distributed.cluster import Cluster
from recsys.errors import ConfigError, RecsysError
from recsys.registry.bundle import installed

P = TypeVar("P")
R = TypeVar("R")
Work = Callable[[P], R]
"""Makes one partition."""
Setup = Callable[[], Work[P, R]]
"""Loads what all partitions need, once for each worker; pickled, so it holds paths and no data."""

_LOSSES_IN_A_ROW = 4
"""A search for what kills workers ends after so many losses for each of them without one partition made."""
_LOSSES_OF_ONE = 4
"""Workers that one partition may lose."""
_PATIENCE_SECONDS = 30.0
"""Without an answer, before the user is told what is waited for."""


def run_partitions(setup: Setup[P, R], partitions: Sequence[P], cluster: Cluster) -> Iterator[tuple[P, R]]:
    """Each of ``partitions`` with what ``setup()(partition)`` returns, as they are ready, in any order.

    A worker gets a partition only when it is ready, and one at a time. Where its process or its node dies, the
    partition goes to another worker, and a new one is started as soon as the cluster has room. A partition may
    therefore be made twice, and its result must not depend on that; it is returned once.

    Args:
        setup: see `Setup`.
        partitions: what is made, small values that are sent to the workers.
        cluster: where.

    Raises:
        RecsysError: what a worker raised; or the workers die again and again.
        ConfigError: a node has other versions of the libraries than this process.
    """
    yield from _Pool(setup, partitions, cluster).results()


class Member(Generic[P, R]):
    """One worker: an actor.

    Args:
        setup: see `Setup`.
        threads: of its linear algebra.
        libraries: the versions that the driver has.
        on_gpu: whether it has a GPU, or a share of one; without, it sees none, for those of the node are of others.
    """

    def __init__(self, setup: Setup[P, R], threads: int, libraries: dict[str, str], on_gpu: bool = False) -> None:
        if not on_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._setup, self._threads, self._libraries = setup, threads, libraries
        self._work: Work[P, R] | None = None

    def ready(self) -> None:
        """Checks the versions of the node's libraries and does the setup."""
        import torch
        from threadpoolctl import threadpool_limits

        found = installed()
        other = [
            f"{name} {found.get(name)} and not {have}"
            for name, have in self._libraries.items()
            if found.get(name) != have
        ]
        if other:
            raise ConfigError(f"node {platform.node()} has {', '.join(other)}; install the same versions on all nodes")
        torch.set_num_threads(self._threads)
        threadpool_limits(self._threads)
        try:
            self._work = self._setup()
        except RecsysError as error:
            raise type(error)(f"on node {platform.node()} of the cluster: {error}") from error

    def make(self, partition: P) -> R:
        assert self._work is not None, "ready was called first"
        return self._work(partition)


class _Pool(Generic[P, R]):
    def __init__(self, setup: Setup[P, R], partitions: Sequence[P], cluster: Cluster) -> None:
        import ray

        self._ray, self._cluster, self._partitions = ray, cluster, partitions
        self._todo, self._left = deque(range(len(partitions))), len(partitions)
        self._calls: dict[Any, tuple[Any, int | None]] = {}
        """Reference of a call -> the actor, and which partition it makes; None while it becomes ready."""
        self._setup = ray.put(setup)  # sent to each node once
        self._actor = ray.remote(Member)
        self._losses, self._in_a_row = [0] * len(partitions), 0

    def results(self) -> Iterator[tuple[P, R]]:
        try:
            for _ in range(min(self._cluster.workers, len(self._partitions))):
                self._start()
            while self._left:
                for call in self._ended():
                    actor, place = self._calls.pop(call)
                    try:
                        value = self._ray.get(call)
                    except self._ray.exceptions.RayTaskError as error:
                        if isinstance(error.cause, RecsysError):
                            raise error.cause from error
                        raise
                    except self._ray.exceptions.RayError as error:
                        self._lose(actor, place, error)
                        continue
                    if place is not None:
                        self._left, self._in_a_row = self._left - 1, 0
                        yield self._partitions[place], value
                    self._give(actor)
        finally:
            for actor, _ in self._calls.values():
                self._ray.kill(actor)

    def _start(self) -> None:
        threads, gpus = self._cluster.threads, self._cluster.gpus
        options = {"num_cpus": threads, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        actor = self._actor.options(**options).remote(self._setup, threads, installed(), gpus > 0)
        self._calls[actor.ready.remote()] = actor, None

    def _give(self, actor: Any) -> None:
        """Gives the next partition to a worker that is idle; without one it ends, and its CPUs are free."""
        if not self._todo:
            self._ray.kill(actor)
            return
        place = self._todo.popleft()
        self._calls[actor.make.remote(self._partitions[place])] = actor, place

    def _ended(self) -> list[Any]:
        ended: list[Any] = []
        told = False
        while not ended:
            ended, _ = self._ray.wait(list(self._calls), timeout=_PATIENCE_SECONDS)
            waits = all(place is None for _, place in self._calls.values())
            if not ended and waits and not told:
                self._cluster.tracker.info("  ray: waiting for a node with room for a worker")
                told = True
        return ended

    def _lose(self, actor: Any, place: int | None, error: Exception) -> None:
        """A worker is lost: its partition goes first in the queue, and a new worker is started.

        Raises:
            RecsysError: it was one too many.
        """
        self._ray.kill(actor)
        self._in_a_row += 1
        if place is not None:
            self._losses[place] += 1
            self._todo.appendleft(place)
        one = place is not None and self._losses[place] > _LOSSES_OF_ONE
        if one or self._in_a_row > _LOSSES_IN_A_ROW * self._cluster.workers:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RecsysError(
                f"the workers of the Ray cluster are killed again and again ({reason}), perhaps for want of memory; "
                "set fewer compute.workers, or smaller partitions; the same command goes on with what is missing"
            ) from error
        self._cluster.tracker.info("  ray: a worker was lost; what it was making is made again")
        self._start()
