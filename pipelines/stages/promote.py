"""promote: the run's candidate against the champion, on the same evaluation users, through the gate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import PromoteSection, RunConfig
from pipelines.stages.track import engine_run, track, tracking_place
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import read_json
from recsys.errors import ArtifactError, ConfigError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.report.report import Report
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.candidate import (
    Candidate,
    child_candidate,
    decision_record,
    exclude_leaked_users,
    is_current,
    load_champion,
    save_decision,
)
from recsys.registry.gate import Decision, EvaluationResult, Rule, decide
from recsys.registry.mlflow_client import check_place
from recsys.registry.store import CHAMPION, Store
from recsys.tracking import Tracker

REFUSED = 2
_CODE = (
    *ENGINE_CODE,
    "recsys/evaluation",
    "recsys/registry",
    "pipelines/stages/promote.py",
    "pipelines/stages/track.py",
)


def run(config: RunConfig, workspace: Workspace, tracker: Tracker, bundle: Path | None = None) -> int:
    """Registers the candidate, promotes it if it passes the gate, and writes ``decision.json``.

    Skipped while candidate, evaluation users, rules and registry are unchanged.

    Args:
        config: the run, with a ``[promote]`` section; without one nothing happens.
        workspace: where the bundles and the report are.
        tracker: logs the decision.
        bundle: a fine-tuned child; None takes the engine of ``[promote]``.

    Returns:
        0, or 2 if the candidate was not promoted.
    """
    if config.promote is None:
        return 0
    candidate = _run_candidate(config.promote, workspace) if bundle is None else child_candidate(bundle)
    cache_key = {
        "section": config.promote.model_dump(mode="json"),
        "bundle": version_of(candidate.bundle),
        "split": candidate.fingerprint,
        "evaluate": config.evaluate.model_dump(mode="json"),
        "code": code_version(*_CODE),
    }
    store = open_store(config, workspace)
    if not (_is_current(store, workspace) and workspace.is_current("promote", cache_key, [], tracker)):
        workspace.invalidate("promote")
        if bundle is None:
            track(config, workspace, tracker)
        decision = decide_and_register(config, config.promote, workspace, tracker, candidate)
        tracker.info(f"promote: {decision}")
        workspace.record("promote", cache_key)
    return 0 if read_json(workspace.decision)["promoted"] else REFUSED


def rollback(config: RunConfig, workspace: Workspace) -> str:
    """Moves the alias back to the previous champion and records that as a decision.

    Raises:
        PromotionError: there is none.
        ArtifactError: its bundle is damaged; then nothing is changed.
    """
    store = open_store(config, workspace)
    before, version = store.version_at(CHAMPION), store.rollback()
    rule = Rule("rollback", True, version, before, f"version {before} was rolled back by hand")
    decision = Decision(True, version, before, (rule,))
    save_decision(decision_record(store, version, decision), workspace.decision, workspace.decisions)
    return f"{store.name}: version {version} is {CHAMPION} again"


def open_store(config: RunConfig, workspace: Workspace) -> Store:
    """The registry of the run's model.

    Raises:
        ConfigError: the config has no ``[promote]`` section.
        ArtifactError: the registry in the output folder was made in another folder.
    """
    if config.promote is None:
        raise ConfigError("the config has no [promote] section, which names the registered model")
    store = Store(*tracking_place(config, workspace))
    if config.promote.tracking_uri is None:
        check_place(store.uri, store.name)
    return store


def decide_and_register(
    config: RunConfig, section: PromoteSection, workspace: Workspace, tracker: Tracker, candidate: Candidate
) -> Decision:
    """Registers a candidate that is not yet the champion; moves the alias if it passes the gate."""
    store, bundle = open_store(config, workspace), candidate.bundle
    before = store.version_at(CHAMPION)
    champion = None if before is None else load_champion(store, before)
    if before is not None and champion is not None and champion.version == version_of(bundle):
        same = Rule("same", True, before, before, "the candidate is the champion already, byte for byte")
        version, decision = before, Decision(True, before, before, (same,))
    else:
        result = None
        if champion is not None:
            candidate = exclude_leaked_users(candidate, champion, str(before))
            result = _result(config, workspace, candidate, champion, str(before))
        version = _register(config, section, store, workspace, tracker) if candidate.of_run else store.register(bundle)
        decision = decide(_result(config, workspace, candidate, bundle, version), result, section.gate)
    if decision.promoted:
        store.promote(version, decision)
    save_decision(decision_record(store, version, decision), workspace.decision, workspace.decisions)
    return decision


def _run_candidate(section: PromoteSection, workspace: Workspace) -> Candidate:
    """The engine of the run, evaluated on the run's test users."""
    split = workspace.load_split()
    bundle = workspace.bundle(section.engine)
    return Candidate(bundle, workspace.load_dataset(), split.test, split.fingerprint, of_run=True)


def _is_current(store: Store, workspace: Workspace) -> bool:
    try:
        return is_current(store, read_json(workspace.decision))
    except ArtifactError:
        return False


def _register(config: RunConfig, section: PromoteSection, store: Store, workspace: Workspace, tracker: Tracker) -> str:
    """The version registered with the MLflow run of the engine, which has parameters, metrics, data and report."""
    return store.register(workspace.bundle(section.engine), engine_run(config, workspace, tracker, section.engine))


def _result(
    config: RunConfig, workspace: Workspace, candidate: Candidate, bundle: Bundle | Path, model: str
) -> EvaluationResult:
    """The metrics of a bundle on the candidate's evaluation users: those of the report where it is current."""
    data, holdout, section = candidate.data, candidate.holdout, config.evaluate
    version = version_of(bundle) if isinstance(bundle, Path) else bundle.version
    values = _reported(config, workspace, candidate, version)
    if values is None:
        engine = (Bundle.load(bundle) if isinstance(bundle, Path) else bundle).engine
        values = evaluate(engine, data, holdout, ks=section.ks).values
    return EvaluationResult(model, data.fingerprint, candidate.fingerprint, holdout.users, values)


def _reported(
    config: RunConfig, workspace: Workspace, candidate: Candidate, version: str
) -> Mapping[str, NDArray[np.float64]] | None:
    """The values of the report, if it is of this bundle, dataset, split, users and options; else None."""
    if not candidate.of_run:
        return None
    try:
        report = Report.load(workspace.directory)
    except ArtifactError:
        return None
    content = report.content
    split, names = content["split"], content["settings"].get("bundles", {})
    same = (
        content["data"]["fingerprint"] == candidate.data.fingerprint
        and split["fingerprint"] == candidate.fingerprint
        and split["filter_seen"] == config.evaluate.filter_seen
        and all(f"recall@{k}" in content["engines"][config.baseline] for k in config.evaluate.ks)
        and np.array_equal(report.users, candidate.holdout.users)
    )
    name = next((name for name, made in names.items() if made == version), None)
    if not same or name is None:
        return None
    return report.values[name]
