"""tune: the options of every engine are searched on validation alone, each engine with the same budget.

The test part of the split is not an input of any trial. A search that is stopped goes on with the same command:
finished trials of the same data, split, options, space and code are kept, one that was killed runs again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.commands.tune_outputs import PAGE, TABLE, TRIALS, TUNED, best_options, write_outputs
from pipelines.commands.tune_processes import check_jobs, run_workers
from pipelines.commands.tune_worker import DATABASE, Job, load_parts
from pipelines.config import RunConfig
from pipelines.config_checks import check_engine, check_split
from pipelines.output_folder import check_output_folder, claim_output_folder
from pipelines.specs import EngineSpec, engine_spec
from pipelines.stages import prepare, pretrain
from pipelines.stages.names_check import check_names
from pipelines.tune_section import DEFAULT_TRIALS, space_of, with_options
from pipelines.workspace import ENGINE_CODE, Workspace, code_version, digest
from recsys.atomic import atomic_path
from recsys.config import seconds_of
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.experiment.search_spaces import Range, Space
from recsys.experiment.study import Search, Study, best_of
from recsys.json_values import JsonObject
from recsys.tracking import Tracker
from recsys.training.deterministic import deterministic

FILES = (DATABASE, "study.lock", TRIALS, TABLE, TUNED, PAGE)
_CODE = (*ENGINE_CODE, "recsys/evaluation", "pipelines/commands/tune_worker.py", "pipelines/tune_section.py")


@dataclass(frozen=True)
class TuneOptions:
    """What the command line says of a search; what is None is as in ``[tune]``.

    Args:
        engines: names of ``[engines]``; none takes those of ``[tune]``, or all.
        trials: of each engine.
        budget: time of the whole command, such as ``10m``.
        jobs: processes; with several, each has one thread; 0 takes one, or over Ray all that the cluster has room for.
        mlflow: whether every trial becomes a run of MLflow.
        patience: trials of an engine without a better one, after which its search ends.
        started: when the command started, of ``time.monotonic``; None is now.
    """

    engines: tuple[str, ...] = ()
    trials: int | None = None
    budget: str | None = None
    jobs: int = 0
    mlflow: bool = False
    patience: int | None = None
    started: float | None = None


def tune(config: RunConfig, workspace: Workspace, tracker: Tracker, options: TuneOptions) -> str:
    """Searches, and writes ``tuned.toml``, ``trials.json``, ``trials.csv`` and ``tuning.html``.

    Args:
        config: of the run; ``[tune]`` gives spaces and budget.
        workspace: the output folder, which keeps dataset, split, tables and the store of trials.
        tracker: gets a line for each trial.
        options: what the command line says.

    Returns:
        What the search came to: a line for each engine, and where the files are.

    Raises:
        ConfigError: an engine is none of the run, or the budget is no length of time.
        ArtifactError: a file of the user would be overwritten.
    """
    check_split(config, "recsys tune")
    if not config.compute.over_ray:
        check_jobs(options.jobs)
    started = time.monotonic() if options.started is None else options.started
    for name in options.engines:
        check_engine(config, "--engine", name)
    chosen = options.engines or config.tune.engines
    names = [name for name in config.engines if not chosen or name in chosen]
    section = config.tune
    budget = options.budget or (section.budget if options.trials is None else None)
    seconds = None if budget is None else seconds_of(budget, "--budget" if options.budget else "tune.budget")
    trials = options.trials or section.trials or (None if seconds else DEFAULT_TRIALS)
    workspace.check(config.pretrain, (), local_store=options.mlflow)
    check_output_folder(workspace.directory, FILES)
    with workspace.lock():
        claim_output_folder(workspace.directory, FILES)
        prepare.run(config, workspace, tracker)
        check_names(config, workspace)
        used = _tables(config, names)
        pretrained = {name: table for name, table in config.pretrain.items() if name in used}
        pretrain.run(config.model_copy(update={"pretrain": pretrained}), workspace, tracker)
        searched = _Searched(config, workspace, tracker, options)
        try:
            searched.preparation = (time.monotonic() - started) / len(names)
            searched.run(names, trials, None if seconds is None else seconds / len(names))
        except KeyboardInterrupt:
            tracker.info(
                f"stopped; {workspace.directory / TUNED} has the best options so far, and the same command goes on "
                "with the trial that was stopped"
            )
            raise
        finally:
            searched.write()
    return searched.summary()


class _Searched:
    """The studies of a search; the config follows what they have found, for hybrids are made of the best parts."""

    def __init__(self, config: RunConfig, workspace: Workspace, tracker: Tracker, options: TuneOptions) -> None:
        self.given, self.config = config, config
        self.workspace, self.tracker, self.options = workspace, tracker, options
        self.studies: dict[str, Study] = {}
        self.preparation = 0.0
        """Seconds before the search, the share of each engine in them."""
        data, split = workspace.load_dataset(), workspace.load_split()
        self._facts = {"data": data.fingerprint, "split": split.fingerprint, "seed": config.seed}
        self._facts |= {"metric": config.tune.metric, "code": code_version(*_CODE)}

    def run(self, names: list[str], trials: int | None, seconds: float | None) -> None:
        """Each of ``names`` has ``trials`` or ``seconds``; other engines have what earlier commands found."""
        for name in self.config.engines:
            spec = engine_spec(name, self.config.engines[name], "engines")
            search = self._search(name, spec)
            study = self.studies[name] = Study(self.workspace.directory / DATABASE, search)
            if name in names:
                place = f"{names.index(name) + 1} of {len(names)}"
                self._search_one(name, spec, study, trials, seconds, place)
            best = best_of(study.trials(), self.config.tune.metric)
            options = best_options(self.config, name, best)
            self.config = self.config.model_copy(update={"engines": {**self.config.engines, name: options}})

    def write(self) -> None:
        """Writes the files; those of a search that was stopped hold what there is."""
        studies = {name: study for name, study in self.studies.items() if study.trials()}
        write_outputs(self.workspace.directory, self.given, studies)
        if self.options.mlflow:
            from pipelines.commands.tune_mlflow import log_trials

            log_trials(self.given, self.workspace, studies, self.tracker)

    def summary(self) -> str:
        """A line for each engine, and where the files are."""
        metric, lines = self.config.tune.metric, []
        width = max(map(len, self.studies))
        for name, study in self.studies.items():
            trials = [trial for trial in study.trials() if trial.finished]
            best = best_of(trials, metric)
            if trials:
                given = next((t for t in trials if t.as_given and t.state == "complete"), None)
                before = "" if given is None else f", as given {given.result[metric]:.4f}"
                found = "no result" if best is None else f"{metric} {best.result[metric]:.4f}{before}"
                lines.append(f"{name:<{width}}  {found}  {len(trials)} trials")
        directory = self.workspace.directory
        return "\n".join([*lines, "", f"config  {directory / TUNED}", f"trials  {directory / TABLE}", *self._page()])

    def _page(self) -> list[str]:
        return [f"page    {self.workspace.directory / PAGE}"]

    def _search_one(
        self, name: str, spec: EngineSpec, study: Study, trials: int | None, seconds: float | None, place: str
    ) -> None:
        study.add_seconds(self.preparation)
        left = None if seconds is None else seconds - study.seconds
        budget = " and ".join(
            [*([f"{trials} trials"] if trials else []), *([f"{seconds:.0f} s"] if seconds is not None else [])]
        )
        self.tracker.info(f"tune/{name} ({place}), {budget}")
        if left is not None and left <= 0:
            self.tracker.info(f"tune/{name}: its time is over; a longer --budget gives it more")
            return
        started = time.time()
        for part in spec.parts:
            self._fit_part(part)
        study.prepare(trials)
        deadline, patience = None if left is None else started + left, self.options.patience
        patience = patience or self.config.tune.patience
        job = Job(
            self.config, self.workspace.directory, name, study.search, trials, deadline, self.options.jobs, patience
        )
        try:
            run_workers(job, study, self.tracker)
        finally:
            study.add_seconds(time.time() - started)

    def _search(self, name: str, spec: EngineSpec) -> Search:
        """The study of an engine; another one where anything that its trials depend on has changed."""
        space = space_of(name, self.config.engines[name], self.config.tune)
        tables = _used_tables(name, self.config.engines[name], space)
        key = {
            **self._facts,
            "kind": spec.kind,
            "options": spec.config.model_dump(mode="json"),
            "space": _plain(space),
            "tables": {t: self.workspace.table_digest(t) for t in sorted(tables) if self.workspace.table(t).is_dir()},
            "parts": {part: self.config.engines[part] for part in spec.parts},
        }
        tune = self.config.tune
        return Search(f"{name}/{digest(key)}", space, self.config.seed, name, tune.prune_after)

    def _fit_part(self, name: str) -> None:
        """Fits a part of a hybrid with its best options on train, once, into ``parts/NAME``."""
        workspace, config = self.workspace, self.config
        spec = engine_spec(name, config.engines[name], "engines")
        for part in spec.parts:
            self._fit_part(part)
        path = workspace.directory / "parts" / name
        options = {part: config.engines[part] for part in (name, *spec.parts)}
        if workspace.is_current(f"parts/{name}", {**self._facts, "options": options}, [path], self.tracker):
            return
        workspace.invalidate(f"parts/{name}")
        data, split = workspace.load_dataset(), workspace.load_split()
        context = FitContext(
            config.seed,
            split.validation,
            tables=workspace.load_tables(spec.config.uses_tables()),
            parts=load_parts(config, workspace.directory, spec),
            tracker=self.tracker,
        )
        with deterministic():
            engine = ENGINES[spec.kind](spec.config).fit(data, split.train, context=context)
        with atomic_path(path) as beside:
            engine.save(beside)
        workspace.record(f"parts/{name}", {**self._facts, "options": options}, [path])


def _tables(config: RunConfig, names: Iterable[str]) -> set[str]:
    """The pretrained tables that the engines ``names`` and their parts use."""
    found: set[str] = set()
    for name in names:
        raw = config.engines[name]
        found |= _used_tables(name, raw, space_of(name, raw, config.tune))
        found |= _tables(config, engine_spec(name, raw, "engines").parts)
    return found


def _used_tables(name: str, raw: JsonObject, space: Space) -> set[str]:
    """The tables that an engine reads with some options of its search space."""
    given = engine_spec(name, raw, "engines").config
    found = set(given.uses_tables())
    for option, values in space.items():
        if not isinstance(values, Range) and option in ("table", "tables"):
            for value in values:
                changed = with_options(raw, {option: value}, type(given))
                found |= set(engine_spec(name, changed, "space").config.uses_tables())
    return found


def _plain(space: Space) -> JsonObject:
    return {key: values.model_dump() if isinstance(values, Range) else values for key, values in space.items()}
