"""promote: the run's candidate against the champion, on the same evaluation users, through the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipelines.config import PromoteSection, RunConfig
from pipelines.report_page import write_page
from pipelines.served_as import served_as
from pipelines.signals import complete
from pipelines.stages.choose import candidate_name, read_choice
from pipelines.stages.final import served_bundle
from pipelines.stages.judge import Judge
from pipelines.stages.track import engine_run, track, tracking_place
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import write_json
from recsys.errors import ArtifactError, ConfigError, RecsysError
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonMapping
from recsys.registry.bundle import MANIFEST, version_of
from recsys.registry.candidate import (
    Candidate,
    child_candidate,
    compared_bundle,
    compared_users,
    decision_record,
    exclude_leaked_users,
    is_current,
    is_kept,
    keep_decision,
    load_champion,
    measured_version,
)
from recsys.registry.database import registry_lock, require_database
from recsys.registry.gate import Decision, Rule
from recsys.registry.mlflow_client import relocate
from recsys.registry.store import CHAMPION, Store
from recsys.tracking import SilentTracker, Tracker

REFUSED = 2
_ROLLBACK = "rollback"
_NO_SECTION = "the config has no [promote] section, which names the registered model"
_SAME_RECIPE = "the candidate is what was measured as the champion; what ships of it was fitted anew"
_SAME_BUT_LISTS = "the candidate is the champion already; a new version has what the config says of lists now"
_CODE = (
    *ENGINE_CODE,
    "recsys/evaluation",
    "recsys/registry",
    "pipelines/stages/promote.py",
    "pipelines/stages/judge.py",
    "pipelines/stages/track.py",
    "pipelines/served_as.py",
)


def run(config: RunConfig, workspace: Workspace, tracker: Tracker, bundle: Path | None = None) -> int:
    """Registers the candidate, promotes it if it passes the gate, and writes ``decision.json``.

    Skipped while candidate, evaluation users, rules and registry are unchanged.

    Args:
        config: the run, with a ``[promote]`` section; without one nothing happens.
        workspace: where the bundles and the report are.
        tracker: logs the decision.
        bundle: a fine-tuned child, which ships as it is; None takes the engine of ``[promote]``.

    Returns:
        0, or 2 if the candidate was not promoted.
    """
    if config.promote is None:
        return 0
    candidate = _run_candidate(config, workspace) if bundle is None else child_candidate(bundle)
    cache_key = {
        "section": config.promote.model_dump(mode="json"),
        "served_as": served_as(config).digest,
        "bundle": version_of(candidate.bundle),
        "ships": version_of(candidate.ships),
        "others": _others(config, workspace),
        "split": candidate.fingerprint,
        "evaluate": config.evaluate.model_dump(mode="json"),
        "code": code_version(*_CODE),
    }
    store = open_store(config, workspace)
    current = _is_current(store, workspace)
    if current:
        keep_decision(workspace.decision, workspace.decisions)  # that of a rollback that was stopped
    if not (current and workspace.is_current("promote", cache_key, [], tracker)):
        workspace.invalidate("promote")
        if bundle is None:
            track(config, workspace, tracker)
        decision = decide_and_register(config, config.promote, workspace, tracker, candidate, cache_key)
        tracker.info(f"promote: {decision}")
    keep_decision(workspace.decision, workspace.decisions)
    write_page(config, workspace)
    return 0 if read_object(workspace.decision, "promoted")["promoted"] else REFUSED


def rollback(config: RunConfig, workspace: Workspace) -> str:
    """Moves the alias back to the previous champion and records that as a decision.

    As in a promotion the decision is recorded before the alias moves, and kept in ``decisions/`` when all is done: a
    rerun after a stop finishes that rollback and does not roll back one further.

    Raises:
        PromotionError: there is none.
        ArtifactError: its bundle is damaged; then nothing is changed.
    """
    require_registry(config, workspace)
    store = open_store(config, workspace)
    with registry_lock(store.uri, SilentTracker()):
        if not _rollback_was_stopped(store, workspace):
            _decide_rollback(store, workspace)
        record = read_object(workspace.decision)
        store.rollback(record["version"], record["champion"])
        complete()
        keep_decision(workspace.decision, workspace.decisions)
        write_page(config, workspace)
    return f"{store.name}: version {record['version']} is {CHAMPION} again"


def _decide_rollback(store: Store, workspace: Workspace) -> None:
    if _is_current(store, workspace):
        keep_decision(workspace.decision, workspace.decisions)  # that of a promotion that was stopped
    before, version = store.version_at(CHAMPION), store.rollback_target()
    rule = Rule(_ROLLBACK, True, version, before, f"version {before} was rolled back by hand")
    write_json(workspace.decision, decision_record(store, version, Decision(True, version, before, (rule,))))


def _rollback_was_stopped(store: Store, workspace: Workspace) -> bool:
    """Whether the latest decision is a rollback whose alias has moved and which was not kept."""
    if not _is_current(store, workspace) or is_kept(workspace.decision, workspace.decisions):
        return False
    with as_written(workspace.decision):
        return _ROLLBACK in [rule["name"] for rule in read_object(workspace.decision, "rules")["rules"]]


def open_store(config: RunConfig, workspace: Workspace) -> Store:
    """The registry of the run's model; one that was moved or copied with the output folder is used where it is now.

    Raises:
        ConfigError: the config has no ``[promote]`` section.
        ArtifactError: the registry in the output folder was moved there without its artifacts.
    """
    if config.promote is None:
        raise ConfigError(_NO_SECTION)
    store = Store(*tracking_place(config, workspace))
    if config.promote.tracking_uri is None:
        relocate(store.uri, store.name)
    return store


def require_registry(config: RunConfig, workspace: Workspace) -> None:
    """Checks that the registry of a command that only reads it exists, before anything is made.

    Raises:
        ConfigError: the config has no ``[promote]`` section.
        PromotionError: it is a local database that no promotion has made yet.
    """
    if config.promote is None:
        raise ConfigError(_NO_SECTION)
    require_database(*tracking_place(config, workspace))


def decide_and_register(
    config: RunConfig,
    section: PromoteSection,
    workspace: Workspace,
    tracker: Tracker,
    candidate: Candidate,
    cache_key: JsonMapping,
) -> Decision:
    """Registers a candidate that is not yet the champion; moves the alias if it passes the gate.

    The decision is recorded before the alias moves: until then the registry contradicts the record, so that a rerun
    after a stop decides again, and afterwards the rerun finds what was decided, not a candidate that is the champion.
    """
    store = open_store(config, workspace)
    with registry_lock(store.uri, tracker):
        version, decision = _decide_and_register(config, section, workspace, tracker, candidate, store)
        workspace.record("promote", cache_key)
        if decision.promoted:
            try:
                store.promote(version, decision)
            except RecsysError:
                workspace.invalidate("promote")
                workspace.decision.unlink()
                raise
    return decision


def _decide_and_register(
    config: RunConfig,
    section: PromoteSection,
    workspace: Workspace,
    tracker: Tracker,
    candidate: Candidate,
    store: Store,
) -> tuple[str, Decision]:
    """The same but for the alias, while the registry is locked: the champion that is compared is the one replaced."""
    judge, before = Judge(config, workspace), store.version_at(CHAMPION)
    champion = None if before is None else load_champion(store, before)
    same_bytes = champion is not None and champion.version == version_of(candidate.ships)
    if before is not None and same_bytes and store.serves_as(before, served_as(config)):
        same = Rule("same", True, before, before, "the candidate is the champion already, byte for byte")
        version, decision = before, Decision(True, before, before, (same,))
    elif before is not None and champion is not None and measured_version(champion) == version_of(candidate.bundle):
        version = _register(config, store, workspace, tracker, candidate)
        reason = _SAME_BUT_LISTS if same_bytes else _SAME_RECIPE
        decision = Decision(True, version, before, (Rule("same", True, version, before, reason),))
    else:
        result, asked = None, candidate
        if before is not None and champion is not None:
            bundle = compared_bundle(candidate, champion, store, before)
            candidate = exclude_leaked_users(candidate, bundle, before)
            result = judge.result(candidate, bundle, before)
        version = _register(config, store, workspace, tracker, candidate)
        compared = compared_users(asked, candidate, judge.earlier(asked))
        decision = replace(judge.decide(candidate, version, result, section.gate), compared=compared)
    about: dict[str, object] = {"engine": candidate.bundle.name}
    if candidate.of_run and config.promotes_best:
        about["chosen"] = read_choice(config, workspace)
    write_json(workspace.decision, decision_record(store, version, decision, about))
    store.settle(version)
    return version, decision


def _run_candidate(config: RunConfig, workspace: Workspace) -> Candidate:
    """The engine of the run, evaluated on the run's test users; what ships is its fit on all interactions."""
    split, name = workspace.load_split(), candidate_name(config, workspace)
    bundle, served = workspace.bundle(name), served_bundle(config, workspace, name)
    final = None if served == bundle else served
    return Candidate(bundle, workspace.load_dataset(), split.test, split.fingerprint, of_run=True, final=final)


def _others(config: RunConfig, workspace: Workspace) -> dict[str, str]:
    """The bundles of the other engines, with which a candidate without a champion is compared."""
    folders = {name: workspace.bundle(name) for name in config.engines}
    return {name: version_of(folder) for name, folder in folders.items() if (folder / MANIFEST).is_file()}


def _is_current(store: Store, workspace: Workspace) -> bool:
    try:
        with as_written(workspace.decision):
            return is_current(store, read_object(workspace.decision))
    except ArtifactError:
        return False


def _register(config: RunConfig, store: Store, workspace: Workspace, tracker: Tracker, candidate: Candidate) -> str:
    """Registers the candidate, that of a run with the MLflow run of its engine."""
    lists = served_as(config)
    if lists.not_followed:
        keys = ", ".join(f"recommend.{key}" for key in lists.not_followed)
        tracker.info(f"  promote: lists of the registered model do not follow {keys}, which those of recommend do")
    if not candidate.of_run:
        return store.register(candidate.ships, resume=True, served_as=lists)
    run_id = engine_run(config, workspace, tracker, candidate.bundle.name)
    measured = None if candidate.final is None else candidate.bundle
    return store.register(candidate.ships, run_id, measured, resume=True, served_as=lists)
