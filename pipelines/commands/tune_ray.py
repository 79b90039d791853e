"""Runs the workers of a search over a Ray cluster; the study stays in one process beside the command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from pipelines.commands.tune_worker import DATABASE, Job, Worker
from recsys.distributed.cluster import connected, shared
from recsys.distributed.pool import run_partitions
from recsys.distributed.served import Served, served
from recsys.experiment.remote_study import RemoteStudy, RemoteTracker, StudyServer
from recsys.tracking import Tracker

_SECONDS_BETWEEN_LINES = 0.5


@dataclass(frozen=True)
class TrialRunner:
    """The setup of a worker: runs the trials of one number after the other, until there are none left.

    Args:
        job: the search; its folder is on storage that all nodes mount at the same place.
        study: the `StudyServer`.
    """

    job: Job
    study: Served

    def __call__(self) -> Callable[[int], None]:
        return self._run

    def _run(self, number: int) -> None:
        self.study("release", number)  # the trial in which an earlier worker of this number died
        Worker(self.job, number, RemoteTracker(self.study), study=RemoteStudy(self.study)).run()


def run_workers_over_ray(job: Job, tracker: Tracker) -> None:
    """Runs the trials of ``job``; the trial of a worker that dies runs again in another one.

    Args:
        job: the search; ``jobs`` is the most workers at a time, 0 as many as the cluster has room for.
        tracker: gets the lines of all workers.

    Raises:
        ConfigError: there is no cluster, or a node has other libraries.
        RecsysError: the workers die again and again, or one ended with an error.
    """
    directory = shared(job.directory)
    with (
        connected(job.config.compute, tracker) as cluster,
        served(partial(StudyServer, directory / DATABASE, job.search)) as study,
        _shown(study, tracker),
    ):
        jobs = min(cluster.workers, job.jobs or cluster.workers)
        runner = TrialRunner(replace(job, directory=directory, jobs=jobs), study)
        for _ in run_partitions(runner, range(jobs), cluster):
            pass


@contextmanager
def _shown(study: Served, tracker: Tracker) -> Iterator[None]:
    """Shows the lines of the workers as they come."""
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LINES):
            _show(study, tracker)

    thread = threading.Thread(target=show, daemon=True, name="lines of trials")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _show(study, tracker)


def _show(study: Served, tracker: Tracker) -> None:
    for line in study("lines"):
        tracker.info(line)
