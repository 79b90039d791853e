"""The process that runs trials of one engine; several share a study."""

from __future__ import annotations

import json
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from pipelines.config import RunConfig
from pipelines.specs import EngineSpec, engine_spec
from pipelines.tune_section import with_options
from pipelines.workspace import Workspace, digest
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.errors import RecsysError
from recsys.experiment.remote_study import AskedTrial, Trials
from recsys.experiment.study import Search, Study, Trial, best_of, trials_since_best
from recsys.experiment.trial_tracker import OutOfTime, TrialPruned, TrialTracker
from recsys.experiment.tune import TuningData, fit_and_score
from recsys.json_values import JsonObject
from recsys.tracking import ConsoleTracker, CurveTracker, Tracker, for_people
from recsys.training.deterministic import preload

DATABASE = "study.db"
FAILED = 3
"""The exit code of a worker whose error is no failed trial."""


@dataclass(frozen=True)
class Job:
    """The search of one engine; a worker process gets it pickled.

    Args:
        config: of the run.
        directory: the output folder, with dataset, split, tables and parts.
        name: the engine.
        search: its study.
        trials: most trials; None has no limit.
        deadline: of `time.time`; None has no limit.
        jobs: number of processes; 0 takes one, or over Ray as many as the cluster has room for.
        patience: trials without a better one after which the search ends; None has no limit.
    """

    config: RunConfig
    directory: Path
    name: str
    search: Search
    trials: int | None
    deadline: float | None
    jobs: int = 1
    patience: int | None = None


class Worker:
    """Runs trials until there are none left, or the time is out.

    Args:
        job: the search.
        number: of the process.
        tracker: gets a line for each trial.
        running: False ends the trial and the worker.
        study: where the trials are kept; None opens the database in the output folder.
    """

    def __init__(
        self,
        job: Job,
        number: int = 0,
        tracker: Tracker | None = None,
        running: Callable[[], bool] = lambda: True,
        study: Trials | None = None,
    ) -> None:
        self.job, self.number = job, number
        self.tracker, self.running = tracker or ConsoleTracker(), running
        self.workspace = Workspace(job.directory)
        self.study: Trials = study or Study(job.directory / DATABASE, job.search)
        self.data = TuningData.of(self.workspace.load_dataset(), self.workspace.load_split())
        self.raw: JsonObject = job.config.engines[job.name]
        self.spec = engine_spec(job.name, self.raw, "engines")
        self.parts = load_parts(job.config, job.directory, self.spec)
        preload()  # no part of the first trial's time

    def run(self) -> None:
        """Runs trials, one after the other."""
        while self.running() and not self._is_late() and not self._stagnates():
            trial = self.study.ask(self.job.trials, self.number)
            if trial is None or not self._run_one(trial):
                return

    def _run_one(self, trial: AskedTrial) -> bool:
        """Runs a trial and records its end; False where the time was out before its end."""
        options = self.study.suggest(trial)
        result: JsonObject = {"options": options}
        try:
            raw = with_options(self.raw, options, type(self.spec.config))
            spec = engine_spec(self.job.name, raw, "trial")
        except RecsysError as error:
            self.study.tell(trial, result, None, str(error))
            return self._report(trial.number)
        if self.study.repeats(trial, digest(spec.config.model_dump(mode="json"))):
            return True
        clock = TrialTracker(trial, self.job.deadline, self.running, _Named(self.tracker, self.job.name, trial.number))
        curve = CurveTracker(clock)
        started, metric = time.monotonic(), self.job.config.tune.metric
        value, error_text = None, ""
        try:
            result |= fit_and_score(ENGINES[spec.kind](spec.config), self.data, metric, self._context(spec, curve))
            value = float(result[metric])
        except OutOfTime:
            return False
        except TrialPruned:
            pass
        except (RecsysError, ArithmeticError, RuntimeError, ValueError, MemoryError) as error:
            error_text = f"{type(error).__name__}: {error}"
        result = {"seconds": round(time.monotonic() - started, 2), **result, "curve": curve.points}
        self.study.tell(trial, result, value, error_text)
        return self._report(trial.number)

    def _context(self, spec: EngineSpec, tracker: Tracker) -> FitContext:
        tables = self.workspace.load_tables(spec.config.uses_tables())
        return FitContext(self.job.config.seed, self.data.validation, tables=tables, parts=self.parts, tracker=tracker)

    def _is_late(self) -> bool:
        return self.job.deadline is not None and time.time() >= self.job.deadline

    def _stagnates(self) -> bool:
        """Whether the last trials brought nothing better, as many as the patience allows."""
        if self.job.patience is None:
            return False
        return trials_since_best(self.study.trials(), self.job.config.tune.metric) >= self.job.patience

    def _report(self, number: int) -> bool:
        """Prints how the trial ended and how long the search of the engine will still take."""
        trials = [trial for trial in self.study.trials() if trial.finished]
        trial = next(trial for trial in trials if trial.number == number)
        left = _time_left(self.job, trials)
        self.tracker.info(f"{trial_line(self.job.name, trial, trials, self.job.config.tune.metric)}{left}")
        return True


class _Named(CurveTracker):
    """Forwards progress with the engine and the trial in front."""

    def __init__(self, inner: Tracker, name: str, number: int) -> None:
        super().__init__(inner)
        self._begin = f"{name} trial {number}"

    def progress(self, message: str) -> None:
        self.inner.progress(f"{self._begin}: {message}")


def load_parts(config: RunConfig, directory: Path, spec: EngineSpec) -> dict[str, Engine]:
    """The fitted engines that a hybrid is made of."""
    kinds = {name: engine_spec(name, config.engines[name], "engines").kind for name in spec.parts}
    return {name: ENGINES[kind].load(directory / "parts" / name) for name, kind in kinds.items()}


def trial_line(name: str, trial: Trial, trials: list[Trial], metric: str) -> str:
    """One line: the engine, which trial, how it ended, the best so far and the options."""
    options = trial.result.get("options", {})
    seconds = f"{trial.result.get('seconds', 0.0):.1f} s"
    ended = trial.error or trial.state if trial.state != "complete" else f"{metric} {trial.result[metric]:.4f}"
    best = best_of(trials, metric)
    known = "" if best is None else f" (best {best.result[metric]:.4f})"
    shown = "as given" if trial.as_given else json.dumps(options)
    return f"  {name} {len(trials)}: {ended}{known}  {seconds}  {shown}"


def _time_left(job: Job, trials: list[Trial]) -> str:
    seconds = [float(trial.result["seconds"]) for trial in trials if "seconds" in trial.result]
    left = [] if job.deadline is None else [max(job.deadline - time.time(), 0.0)]
    if job.trials is not None and seconds:
        left.append(sum(seconds) / len(seconds) * max(job.trials - len(trials), 0) / max(job.jobs, 1))
    return f"  {min(left):.0f} s left" if left else ""


def work_alone(job: Job, number: int) -> None:
    """The main function of a worker process: one thread, and the parent alone hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    try:
        Worker(job, number, running=lambda: parent is None or parent.is_alive()).run()
    except RecsysError as error:
        print(f"error: {for_people(str(error))}", file=sys.stderr, flush=True)
        sys.exit(FAILED)
    except Exception:
        traceback.print_exc()
        sys.exit(FAILED)
