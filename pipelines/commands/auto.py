"""`recsys auto`: from raw tables to a report, recommendations and a config, without options, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.commands.auto_config import AutoRun, write_config
from pipelines.commands.data import data_config
from pipelines.config import EvaluateSection, RunConfig, read_run_config
from pipelines.stages import prepare, run_stages
from pipelines.workspace import Workspace
from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import Ingested, ingest
from recsys.data.sources import resolve
from recsys.data.splits.split import SplitConfig
from recsys.engine import FitContext
from recsys.engines.auto.auto import AutoConfig
from recsys.engines.auto.budget import Budget, BudgetTracker, parse_budget
from recsys.engines.auto.facts import Facts
from recsys.engines.auto.search import Later, SearchOptions, search
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.evaluation.report.report import Report
from recsys.tracking import Tracker

CONFIG = "auto.toml"
_FITS_AFTER = 2.0
"""After the search the chosen engines are fitted on train and validation, for the report, and then on everything."""
_FIXED_SECONDS, _SECONDS_A_USER, _PER_START = 4.0, 5e-3, 0.5
"""Of the stages after the search, besides fits and scores: bootstrap intervals, plots, files; and for each second that
the command took to read the tables, which tells how busy the machine is."""
_LONGEST_SHARE = 0.3
"""Of the budget, that is kept for these seconds at most."""


@dataclass(frozen=True)
class AutoRequest:
    """What the command line gives.

    Args:
        interactions: a CSV or Parquet file.
        users: the users' table.
        items: the items' table.
        budget: such as ``10m``.
        output: where everything goes; None is ``runs/NAME``.
        protocol: ``temporal``, ``leave_one_out`` or ``random``; None chooses.
        engines: kinds of engines that are tried; none tries all.
        overrides: ``data.KEY=VALUE``, such as ``data.columns.time=when``.
        started: when the command started, of ``time.monotonic``.
    """

    interactions: Path
    users: Path | None = None
    items: Path | None = None
    budget: str = "10m"
    output: Path | None = None
    protocol: str | None = None
    engines: tuple[str, ...] = ()
    overrides: Iterable[str] = ()
    started: float | None = None


def run(request: AutoRequest, tracker: Tracker) -> int:
    """Searches within the budget, writes ``auto.toml`` and runs it; the exit code of the run.

    Raises:
        ConfigError: the budget or the protocol is none.
        DataError: the tables hold errors.
        ArtifactError: the output folder has an ``auto.toml``, or the report of another run, already.
    """
    started = time.monotonic() if request.started is None else request.started
    budget = Budget(parse_budget(request.budget), started)
    if request.protocol not in (None, "temporal", "leave_one_out", "random"):
        raise ConfigError(f"--protocol {request.protocol!r}: expected temporal, leave_one_out or random")
    parse(AutoConfig, {"engines": request.engines}, "--engine")
    data = _data(request)
    workspace = Workspace(request.output or Path("runs") / data.name)
    path = workspace.directory / CONFIG
    if path.exists():
        raise ArtifactError(
            f"{path} is there already and may hold changes of yours: `recsys run {path}` runs it; to search again, "
            "choose another --output or move it away"
        )
    if workspace.report.exists():
        raise ArtifactError(
            f"{workspace.directory} holds the run of another config ({workspace.report.name}); choose another --output"
        )
    timed = BudgetTracker(tracker, budget)
    draft = _searched(request, data, workspace, budget, timed)
    write_config(path, draft)
    timed.info(f"auto: wrote {path}")
    config = read_run_config(path)
    code = run_stages(config, workspace, timed)
    print(_summary(workspace, path, budget))
    return code


def _searched(
    request: AutoRequest, data: DataConfig, workspace: Workspace, budget: Budget, tracker: BudgetTracker
) -> AutoRun:
    data, read, issues = _read(data)
    facts, read_after = Facts.of(read.data), budget.spent()
    protocol, reason = facts.protocol()
    if not facts.has_order:
        tracker.info(
            f"auto: {data.interactions} has no column timestamp and no column position; where it has one by another "
            "name, name it: --set data.columns.time=COLUMN, or data.columns.order for positions"
        )
    if request.protocol is not None:
        protocol, reason = request.protocol, "chosen by --protocol"
    for line in (*facts.lines(), f"protocol {protocol}: {reason}", facts.seen_reason()):
        tracker.info(f"auto: {line}")
    config = RunConfig(
        name=data.name,
        data=data,
        split=SplitConfig.model_validate({"protocol": protocol, "refit": True}),
        engines={"popularity": {}},
        evaluate=EvaluateSection(filter_seen=facts.filter_seen),
    )
    workspace.check((), config.engines, local_store=False)
    with workspace.lock():
        prepare.run(config, workspace, tracker, (read, issues))
        dataset, split = workspace.load_dataset(), workspace.load_split()
    users = len(split.test)
    seconds = _FIXED_SECONDS + _SECONDS_A_USER * users + _PER_START * read_after
    seconds = min(seconds, _LONGEST_SHARE * budget.seconds)
    scored = users + dataset.n_users // 2  # every engine for the report, and what was chosen for all users
    fits = _FITS_AFTER * len(split.train_and_validation) / len(split.train)
    options = SearchOptions(engines=request.engines, later=Later(fits, scored, seconds))
    found = search(dataset, split.train, split.validation, budget, FitContext(config.seed, tracker=tracker), options)
    return AutoRun(config, request.budget, facts, reason, found)


def _data(request: AutoRequest) -> DataConfig:
    """The ``[data]`` section, with absolute paths, so that the config can be run from any folder."""
    paths = (request.interactions, request.users, request.items)
    interactions, users, items = (None if path is None else path.absolute() for path in paths)
    found = resolve(data_config(None, interactions, users, items, request.overrides))
    given = any(override.partition("=")[0].strip() == "data.name" for override in request.overrides)
    assert interactions is not None
    stem = interactions.name.partition(".")[0]
    name = stem if stem != "interactions" else interactions.parent.name or stem
    return found if given else found.model_copy(update={"name": name})


def _read(data: DataConfig) -> tuple[DataConfig, Ingested, ValidationIssues]:
    """The tables; rows that repeat user, item and time count once where they are the only error."""
    issues = ValidationIssues()
    try:
        return data, ingest(data, issues), issues
    except DataError:
        if not issues.errors or any("data.duplicates" not in issue.remedy for issue in issues.errors):
            raise
    once = data.model_copy(update={"duplicates": "first"})
    issues = ValidationIssues()
    return once, ingest(once, issues), issues


def _summary(workspace: Workspace, path: Path, budget: Budget) -> str:
    report = Report.load(workspace.directory)
    return "\n".join(
        [
            f"\n{report.table()}\n",
            f"report            {workspace.report.with_suffix('.html')}",
            f"recommendations   {workspace.recommendations}",
            f"config            {path} (yours now: change it, and recsys run {path} runs it again)",
            f"time              {budget.spent():.0f} s of {budget.seconds:.0f} s",
        ]
    )
