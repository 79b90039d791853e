"""Runs the workers of a search: in this process, in several of one thread each, or over a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import time

from pipelines.commands.tune_ray import run_workers_over_ray
from pipelines.commands.tune_worker import Job, Worker, work_alone
from recsys.content.processes import limited_threads
from recsys.errors import ConfigError, RecsysError
from recsys.experiment.study import Study
from recsys.tracking import Tracker

_LONGEST_WAIT = 5.0
"""Seconds that a worker may take to end by itself."""
_FEW_JOBS = 16
"""So many processes are allowed on any machine."""


def check_jobs(jobs: int) -> None:
    """Checks the number of processes of a search on this machine.

    Raises:
        ConfigError: they are many more than there are processors, of which each would take memory and no time off.
    """
    processors = os.cpu_count() or 1
    if jobs > (most := max(_FEW_JOBS, 4 * processors)):
        raise ConfigError(f"--jobs {jobs}: this machine has {processors} processors; give at most {most}")


def run_workers(job: Job, study: Study, tracker: Tracker) -> None:
    """Runs the trials of ``job``; a worker that is killed is replaced, and its trial runs again, once for each worker.

    Raises:
        RecsysError: the workers are killed again and again, or one ended with an error.
    """
    if job.config.compute.over_ray:
        run_workers_over_ray(job, tracker)
        return
    if job.jobs <= 1:
        Worker(job, 0, tracker).run()
        return
    context = multiprocessing.get_context("spawn")

    def start(number: int) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=work_alone, args=(job, number), daemon=True)
        process.start()
        return process

    killed = 0
    with limited_threads(1):
        workers = {number: start(number) for number in range(min(job.jobs, job.trials or job.jobs))}
        try:
            while workers:
                for number, process in list(workers.items()):
                    if process.is_alive():
                        continue
                    process.join()
                    del workers[number]
                    if process.exitcode:
                        killed += 1
                        _check(job, process.exitcode, killed)
                        study.release(number)
                        tracker.info(f"  a worker of {job.name} was killed; its trial runs again")
                        workers[number] = start(number)
                time.sleep(0.05)
        finally:
            for process in workers.values():
                process.terminate()
            for process in workers.values():
                process.join(_LONGEST_WAIT)


def _check(job: Job, code: int, killed: int) -> None:
    if code > 0:
        raise RecsysError(f"a worker of {job.name} ended with an error, see above; the same command goes on")
    if killed > job.jobs:
        raise RecsysError(
            f"the workers of {job.name} are killed (signal {-code}), perhaps for want of memory; give fewer --jobs, or "
            f"a smaller [tune.space.{job.name}]; the same command goes on"
        )
