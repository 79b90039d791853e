"""The trials of one engine as a study of Optuna in an SQLite file that several processes share."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from recsys.digest import short_digest
from recsys.errors import ArtifactError
from recsys.experiment.search_spaces import Range, Space, combinations, n_combinations, rounded
from recsys.json_values import JsonObject
from recsys.seeding import stream, stream_seed

RunningTrial: TypeAlias = optuna.Trial
"""A trial that has no end yet."""
AS_GIVEN, ERROR, REPEATS, RESULT, CONFIG, WORKER = "as_given", "error", "repeats", "result", "config", "worker"
"""Attributes of a trial: it has the options of the config; why it failed; which earlier trial has the same options; its
metrics, options and curve; the digest of its options; the number of the process that runs it."""
DIGEST = "result_digest"
"""Attribute of a trial: the digest of its result, against which what is read is held."""
_RESTORE = "restore it, or move it away to search anew"
_UNCOUNTED = ("waiting", "interrupted")
_STARTUP = 4
"""Finished trials before one is pruned: a median of fewer says little."""
_FEW = 6
"""Finished trials before importances are estimated."""


@dataclass(frozen=True)
class Search:
    """What the trials of one engine have in common.

    Args:
        name: of the study: the engine, and a digest of data, split, options, space and code.
        space: the options to search.
        seed: of the sampler.
        stream: the name of the sampler's random stream: the name of the engine.
        prune_after: epochs before a trial whose validation curve is below the median of the others is stopped.
    """

    name: str
    space: Space
    seed: int
    stream: str
    prune_after: int = 3


@dataclass(frozen=True)
class Trial:
    """One trial as it stands in the store.

    Args:
        number: counts from 0.
        state: ``complete``, ``pruned``, ``failed``, ``interrupted`` or ``running``.
        as_given: whether it has the options of the config.
        result: ``options``, ``seconds``, metrics and ``curve``, as far as it came.
        error: why it failed.
    """

    number: int
    state: str
    as_given: bool
    result: JsonObject
    error: str | None = None

    @property
    def finished(self) -> bool:
        return self.state in ("complete", "pruned", "failed")


class Study:
    """The trials of one search: proposed by a tree-structured Parzen estimator, pruned below the median.

    The sampler of each trial is seeded by its number, so that a search that was interrupted continues with the options
    that it would have tried. Where lists alone are searched and they have no more combinations than trials, all are
    tried.

    Args:
        path: the SQLite file; made if missing.
        search: what is searched.
    """

    def __init__(self, path: Path, search: Search) -> None:
        self.search, self._path = search, path
        self._lock = FileLock(path.with_suffix(".lock"))
        with self._lock, self._store():
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            options = {"connect_args": {"timeout": 120}}
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}", engine_kwargs=options)
            self._study = optuna.create_study(
                storage=storage,
                study_name=search.name,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(_STARTUP, search.prune_after),
            )

    @contextmanager
    def _store(self) -> Iterator[None]:
        """Context manager for calls of Optuna, without its warnings of experimental parts and those of SQLAlchemy.

        Raises:
            ArtifactError: the file is no store of trials, or is damaged.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ValueError) as error:
            reason = " ".join(str(error.__cause__ or error).split())[:200]
            raise ArtifactError(f"the store of trials {self._path} cannot be used ({reason}); {_RESTORE}") from error

    def prepare(self, trials: int | None) -> None:
        """Queues the options as given, all combinations where ``trials`` suffice, and what was interrupted before.

        Called once before the first process asks: then no trial can be running.
        """
        with self._lock, self._store():
            known = self._study.get_trials(deepcopy=False)
            if not known:
                self._study.enqueue_trial({}, user_attrs={AS_GIVEN: True})
            self._requeue_running(known)
            count = n_combinations(self.search.space)
            if self.search.space and count is not None and count <= (64 if trials is None else trials):
                drawn = list(combinations(self.search.space))
                for row in stream(self.search.seed, "tune", self.search.stream).permutation(count):
                    self._study.enqueue_trial(_stored(drawn[row]), skip_if_exists=True)

    def release(self, worker: int) -> None:
        """Queues the trial that a worker process was killed in."""
        with self._lock, self._store():
            known = self._study.get_trials(deepcopy=False)
            self._requeue_running([trial for trial in known if trial.user_attrs.get(WORKER) == worker])

    def ask(self, trials: int | None, worker: int = 0) -> RunningTrial | None:
        """The next trial; None when ``trials`` are finished or running, or all combinations are."""
        with self._lock, self._store():
            known = self._study.get_trials(deepcopy=False)
            if self._is_exhausted(known, trials):
                return None
            names = (self.search.stream, sum(_state(trial) not in _UNCOUNTED for trial in known), worker)
            seed = stream_seed(self.search.seed, "tune", *names) % 2**32
            self._study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = self._study.ask()
            trial.set_user_attr(WORKER, worker)
            return trial

    def suggest(self, trial: RunningTrial) -> dict[str, object]:
        """Option -> value of the trial; empty where it has the options of the config."""
        if trial.user_attrs.get(AS_GIVEN):
            return {}
        with self._store():
            return {option: _suggested(trial, option, values) for option, values in self.search.space.items()}

    def repeats(self, trial: RunningTrial, config: str) -> bool:
        """Whether an earlier trial has the options whose digest is ``config``; then this one gets its result."""
        with self._lock, self._store():
            trial.set_user_attr(CONFIG, config)
            for earlier in self._study.get_trials(deepcopy=False):
                same = earlier.number < trial.number and earlier.user_attrs.get(CONFIG) == config
                if same and earlier.state.is_finished() and _state(earlier) != "interrupted":
                    trial.set_user_attr(REPEATS, earlier.number)
                    self._study.tell(trial, earlier.value if earlier.values else None, earlier.state)
                    return True
        return False

    def tell(self, trial: RunningTrial, result: Mapping[str, object], value: float | None, error: str = "") -> None:
        """Records the end of a trial: its ``value``, or None where it was pruned or has an ``error``."""
        with self._lock, self._store():
            trial.set_user_attr(RESULT, dict(result))
            trial.set_user_attr(DIGEST, _digest(dict(result)))
            if error:
                trial.set_user_attr(ERROR, error[:2000])
            state = TrialState.FAIL if error else TrialState.PRUNED if value is None else TrialState.COMPLETE
            self._study.tell(trial, value if state == TrialState.COMPLETE else None, state)

    def trials(self) -> list[Trial]:
        """All trials but those that repeat an earlier one, in order."""
        with self._store():
            known = self._study.get_trials(deepcopy=False)
        return [
            Trial(
                found.number,
                _state(found),
                bool(found.user_attrs.get(AS_GIVEN)),
                self._result(found),
                found.user_attrs.get(ERROR),
            )
            for found in known
            if REPEATS not in found.user_attrs and _state(found) != "waiting"
        ]

    def _result(self, trial: FrozenTrial) -> JsonObject:
        result: JsonObject = trial.user_attrs.get(RESULT, {})
        if DIGEST in trial.user_attrs and trial.user_attrs[DIGEST] != _digest(result):
            raise ArtifactError(f"trial {trial.number} in {self._path} has changed since it was written; {_RESTORE}")
        return result

    def add_seconds(self, seconds: float) -> None:
        """Adds to the time that the search has taken."""
        with self._lock, self._store():
            self._study.set_user_attr("seconds", self.seconds + seconds)

    @property
    def seconds(self) -> float:
        """The time that the search has taken, earlier commands included."""
        return float(self._study.user_attrs.get("seconds", 0.0))

    def importances(self) -> dict[str, float]:
        """Option -> its share in the variance of the metric (PED-ANOVA, Watanabe et al., IJCAI 2023), largest first.

        Empty where fewer than six trials have ended, or all alike.
        """
        with self._store():
            known = self._study.get_trials(deepcopy=True, states=(TrialState.COMPLETE,))
            done = [trial for trial in known if trial.params]
            if len(done) < _FEW or len({trial.value for trial in done}) < 2:
                return {}
            copy = optuna.create_study(direction="maximize")
            copy.add_trials(done)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            found = optuna.importance.get_param_importances(copy, evaluator=evaluator)
        return {name: float(value) for name, value in found.items() if math.isfinite(value)}

    def _is_exhausted(self, known: Sequence[FrozenTrial], trials: int | None) -> bool:
        """Whether ``trials`` are finished or running, or all combinations are, or new ones are hard to find."""
        counted = sum(_counts(trial) for trial in known)
        count = n_combinations(self.search.space)
        if not self.search.space:
            return counted > 0
        if count is not None:
            begun = {json.dumps(t.params, sort_keys=True) for t in known if t.params and _state(t) not in _UNCOUNTED}
            if len(begun) >= count:
                return True
            trials = count + 1 if trials is not None and count <= trials else trials
        repeats = sum(REPEATS in trial.user_attrs for trial in known)
        return repeats > 50 + 2 * counted or (trials is not None and counted >= trials)

    def _requeue_running(self, known: Sequence[FrozenTrial]) -> None:
        for trial in known:
            if _state(trial) == "running":
                self._study.tell(trial.number, state=TrialState.FAIL)
                marked = {AS_GIVEN: True} if trial.user_attrs.get(AS_GIVEN) else None
                whole = len(trial.params) == len(self.search.space)  # else the rest would be drawn as its first
                given = trial.params if whole else trial.system_attrs.get("fixed_params", {})
                self._study.enqueue_trial(given, user_attrs=marked)


def best_of(trials: Sequence[Trial], metric: str) -> Trial | None:
    """The complete trial of the highest ``metric``, the first of equals; None where none is complete."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: (float(trial.result[metric]), -trial.number), default=None)


def trials_since_best(trials: Sequence[Trial], metric: str) -> int:
    """How many trials were finished after the best one; 0 where none is complete."""
    best = best_of(trials, metric)
    return 0 if best is None else sum(trial.finished and trial.number > best.number for trial in trials)


def _suggested(trial: RunningTrial, option: str, values: Range | list[object]) -> object:
    if not isinstance(values, Range):
        return json.loads(trial.suggest_categorical(option, [json.dumps(value) for value in values]))
    if values.integer:
        return trial.suggest_int(option, int(values.low), int(values.high), log=values.log)
    value = rounded(trial.suggest_float(option, values.low, values.high, log=values.log))
    return min(max(value, values.low), values.high)


def _stored(options: Mapping[str, object]) -> dict[str, str]:
    return {option: json.dumps(value) for option, value in options.items()}


def _state(trial: FrozenTrial) -> str:
    """The state of a trial in words; a trial that was killed has failed without an error."""
    if trial.state.name == "FAIL":
        return "failed" if ERROR in trial.user_attrs or REPEATS in trial.user_attrs else "interrupted"
    return str(trial.state.name).lower()


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that a search is given."""
    return REPEATS not in trial.user_attrs and _state(trial) not in _UNCOUNTED


def _digest(result: Mapping[str, object]) -> str:
    return short_digest([json.dumps(result, sort_keys=True, default=str)])
