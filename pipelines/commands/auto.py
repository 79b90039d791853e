"""`recsys auto`: from raw tables to a report, recommendations and a config, without options, within a time budget."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.commands.auto_config import AutoRun, config_text
from pipelines.config import EvaluateSection, RunConfig, read_run_config
from pipelines.config_paths import anchored
from pipelines.first_config.tables import FirstTables, GivenTables, read_first_tables
from pipelines.stages import prepare, run_stages
from pipelines.stages.pretrain import image_root
from pipelines.workspace import Workspace, tree_digest
from recsys.atomic import write_text
from recsys.config import parse, seconds_of
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.reading.remote import address
from recsys.data.splits.split import SplitConfig
from recsys.engine import FitContext
from recsys.engines.auto.auto import AutoConfig
from recsys.engines.auto.budget import Budget, BudgetTracker
from recsys.engines.auto.facts import Facts
from recsys.engines.auto.search import Later, SearchOptions, search
from recsys.errors import ArtifactError, ConfigError
from recsys.evaluation.report.report import Report
from recsys.files.addresses import nameable, without_password
from recsys.json_values import JsonObject
from recsys.tracking import SilentTracker, Tracker

CONFIG = "auto.toml"
_WRITTEN, _NEXT, _REQUESTED, _FINISHED = "auto", "auto.next", "auto.request", "auto.finished"
"""Records of the config that auto wrote, of the one that it is about to write, of the tables, the budget and the
options that the config is the answer to, and of the config whose run has ended. They stay, so that a command that is
stopped at any moment goes on, and that only a config with other bytes counts as changed by the user."""
_FITS_AFTER = 2.0
"""After the search the chosen engines are fitted on train and validation, for the report, and then on everything."""
_FIXED_SECONDS, _SECONDS_A_USER, _PER_START = 2.0, 2e-3, 0.5
"""Of the stages after the search, besides fits and scores: bootstrap intervals, plots, files; and for each second that
the command took to start and to read the tables, which tells how busy the machine is."""
_LONGEST_SHARE = 0.3
"""Of the budget, that is kept for these seconds at most."""


_TABLES = ("interactions", "users", "items")
_MOST_READING = 0.25
"""The share of the budget above which the time of reading is told."""


@dataclass(frozen=True)
class AutoRequest:
    """What the command line gives.

    Args:
        tables: the files, and what is known of them.
        budget: such as ``10m``.
        output: where everything goes; None is ``runs/NAME``.
        protocol: ``temporal``, ``leave_one_out`` or ``random``; None chooses.
        engines: kinds of engines that are tried; none tries all.
        started: when the command started, of ``time.monotonic``; None is now.
    """

    tables: GivenTables
    budget: str = "10m"
    output: Path | None = None
    protocol: str | None = None
    engines: tuple[str, ...] = ()
    started: float | None = None


def run(request: AutoRequest, tracker: Tracker) -> int:
    """Searches within the budget, writes ``auto.toml`` and runs it; the exit code of the run.

    Where the same command was stopped after its search, or has ended, its config is run on, and what was trained is
    kept.

    Raises:
        ConfigError: the budget or the protocol is none.
        DataError: the tables hold errors, or their roles cannot be told.
        ArtifactError: the output folder has an ``auto.toml`` that was changed, the finished run of another command, or
            the report of another run.
    """
    budget = Budget(seconds_of(request.budget, "--budget"), request.started)
    if request.protocol not in (None, "temporal", "leave_one_out", "random"):
        raise ConfigError(f"--protocol {request.protocol!r}: expected temporal, leave_one_out or random")
    parse(AutoConfig, {"engines": request.engines}, "--engine")
    timed = BudgetTracker(tracker, budget)
    if request.output is not None:
        _check_free(Workspace(request.output))
    first = read_first_tables(request.tables, "recsys auto")
    data = first.config.model_copy(update={"name": first.config.name or _name(first)})
    workspace = Workspace(request.output or Path("runs") / data.name)
    _check_free(workspace)
    path, key = workspace.directory / CONFIG, _key(request, data)
    if _is_recorded(workspace, _REQUESTED, key):
        timed.info(f"auto: {path} is of the same command; it goes on with what is there")
    else:
        _refuse_finished(workspace)
        draft = _searched(request, replace(first, config=data), workspace, budget, timed)
        _write_config(workspace, key, config_text(replace(draft, config=_seen_from(path.parent, draft.config))))
        timed.info(f"auto: wrote {path}")
    secret = [f"data.{key}={json.dumps(place)}" for key, place in _secret_places(data).items()]
    code = run_stages(read_run_config(path, secret), workspace, timed)
    workspace.record(_FINISHED, _with_config(workspace, {}))
    print(_summary(workspace, path, budget))
    return code


def _write_config(workspace: Workspace, key: JsonObject, text: str) -> None:
    """Writes ``auto.toml``; stopped at any moment, the file is one of those recorded."""
    workspace.record(_NEXT, {"config": text})
    workspace.record(_REQUESTED, {**key, "config": text})
    write_text(workspace.directory / CONFIG, text)
    workspace.record(_WRITTEN, {"config": text})


def _with_config(workspace: Workspace, key: JsonObject) -> JsonObject:
    """``key`` and the text of ``auto.toml``, which is None where there is none."""
    path = workspace.directory / CONFIG
    return {**key, "config": path.read_text(encoding="utf-8") if path.exists() else None}


def _is_recorded(workspace: Workspace, step: str, key: JsonObject) -> bool:
    """Whether ``step`` is recorded with ``key`` and the ``auto.toml`` that is there."""
    return workspace.is_current(step, _with_config(workspace, key), [], SilentTracker())


def _secret_places(data: DataConfig) -> dict[str, str]:
    """Key -> address, of the tables whose addresses have a password, which the config leaves out."""
    places = {key: address(path) or "" for key, path in _paths(data).items()}
    return {key: place for key, place in places.items() if without_password(place) != place}


def _paths(data: DataConfig) -> dict[str, Path]:
    return {key: path for key in _TABLES if isinstance(path := getattr(data, key), Path)}


def _seen_from(folder: Path, config: RunConfig) -> RunConfig:
    """The config with the paths of its tables as a file in ``folder`` names them; absolute ones stay."""
    paths = {key: path for key, path in _paths(config.data).items() if not path.is_absolute()}
    return _with_paths(config, {key: os.path.relpath(path, folder) for key, path in paths.items()})


def _as_read(config: RunConfig) -> RunConfig:
    """The config with the paths of its tables as a run of ``auto.toml`` has them, so that it is not prepared twice."""
    given = {key: str(path) for key, path in _paths(config.data).items()} | _secret_places(config.data)
    return _with_paths(config, anchored({"data": given}, Path())["data"])


def _with_paths(config: RunConfig, paths: Mapping[str, str]) -> RunConfig:
    data = config.data.model_copy(update={key: Path(path) for key, path in paths.items()})
    return config.model_copy(update={"data": data})


def _check_free(workspace: Workspace) -> None:
    """Refuses a folder with a config that is not byte for byte one that auto wrote, or with another run.

    Raises:
        ArtifactError: names the file and the remedy.
    """
    path = workspace.directory / CONFIG
    if not path.exists():
        if workspace.report.exists():
            raise ArtifactError(
                f"{workspace.directory} holds the run of another config ({workspace.report.name}); choose another "
                "--output"
            )
    elif not any(_is_recorded(workspace, step, {}) for step in (_WRITTEN, _NEXT)):
        raise ArtifactError(
            f"{path} is there already and may hold changes of yours: `recsys run {path}` runs it; to search again, "
            "choose another --output or move it away"
        )


def _refuse_finished(workspace: Workspace) -> None:
    """Refuses to search again where the run of another command has ended.

    Raises:
        ArtifactError: names the config and the remedy.
    """
    path = workspace.directory / CONFIG
    if path.exists() and _is_recorded(workspace, _FINISHED, {}):
        raise ArtifactError(
            f"{path} is there already, of a run of `recsys auto` with other tables, options or budget that has ended: "
            f"`recsys run {path}` runs it again; to search again, choose another --output or move it away"
        )


def _key(request: AutoRequest, data: DataConfig) -> JsonObject:
    """What a search depends on."""
    files = [path for path in (data.interactions, data.users, data.items) if path is not None]
    return {
        "data": data.model_dump(mode="json"),
        "files": {str(path): tree_digest(Path(path)) for path in files},
        "options": [request.budget, request.protocol, list(request.engines)],
    }


def _searched(
    request: AutoRequest, first: FirstTables, workspace: Workspace, budget: Budget, tracker: BudgetTracker
) -> AutoRun:
    data, read = first.config, first.ingested
    facts = Facts.of(read.data)
    read_after = budget.spent()
    protocol, reason = facts.protocol()
    if not facts.has_order:
        tracker.info(
            f"auto: {data.interactions} has no column timestamp and no column position; where it has one by another "
            "name, name it: --column time=NAME, or --column order=NAME for positions"
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
    if read_after > _MOST_READING * budget.seconds:
        tracker.info(
            f"auto: reading the tables took {read_after:.0f} of {budget.seconds:.0f} s; give a longer --budget"
        )
    workspace.check((), config.engines, local_store=False)
    with workspace.lock():
        prepare.run(_as_read(config), workspace, tracker, (read, first.issues))
        dataset, split = workspace.load_dataset(), workspace.load_split()
    users = len(split.test)
    seconds = _FIXED_SECONDS + _SECONDS_A_USER * users + _PER_START * read_after
    seconds = min(seconds, _LONGEST_SHARE * budget.seconds)
    scored = users + dataset.n_users // 2  # every engine for the report, and what was chosen for all users
    fits = _FITS_AFTER * len(split.train_and_validation) / len(split.train)
    options = SearchOptions(engines=request.engines, later=Later(fits, scored, seconds), images=image_root(config))
    found = search(dataset, split.train, split.validation, budget, FitContext(config.seed, tracker=tracker), options)
    return AutoRun(config, request.budget, facts, reason, found)


def _name(first: FirstTables) -> str:
    """The name of the interactions' file; of its folder where the file is just called interactions."""
    file = nameable(first.roles.interactions.location.file)
    stem = file.name.partition(".")[0]
    return stem if stem != "interactions" else file.absolute().parent.name or stem


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
