"""promote: the run's candidate against the champion, on the same questions, through the gate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.candidate import Candidate, candidate_of, unanswered
from pipelines.config import PromoteSection, RunConfig
from pipelines.stages.evaluate import bundle_digest
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import read_json, write_json
from recsys.errors import ArtifactError, ConfigError, RecsysError
from recsys.evaluation.evaluate import evaluate
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.gate import Decision, EvaluationResult, Rule, decide
from recsys.registry.mlflow_client import check_place, local_uri
from recsys.registry.store import CHAMPION, Store
from recsys.registry.tracker import MlflowTracker
from recsys.tracking import Tracker

REFUSED = 2
_CODE = (
    *ENGINE_CODE,
    "recsys/evaluation",
    "recsys/registry",
    "pipelines/candidate.py",
    "pipelines/stages/evaluate.py",
    "recsys/data/merge.py",
    "pipelines/stages/promote.py",
)


def run(config: RunConfig, workspace: Workspace, tracker: Tracker, bundle: Path | None = None) -> int:
    """Registers the candidate and, when the gate agrees, gives it the alias; leaves ``decision.json``.

    Nothing is decided anew while candidate, questions and rules are the same and the registry is as it was left.

    Returns:
        0, or 2 when the gate said no.
    """
    if config.promote is None:
        return 0
    candidate = candidate_of(config.promote, workspace, bundle)
    cache_key = {
        "section": config.promote.model_dump(mode="json"),
        "bundle": bundle_digest(candidate.bundle),
        "split": candidate.fingerprint,
        "evaluate": config.evaluate.model_dump(mode="json"),
        "code": code_version(*_CODE),
    }
    if not (
        _stands(open_store(config, workspace), workspace) and workspace.is_current("promote", cache_key, [], tracker)
    ):
        workspace.invalidate("promote")
        decision = decide_and_register(config, config.promote, workspace, tracker, candidate)
        tracker.info(f"promote: {decision}")
        workspace.record("promote", cache_key)
    return 0 if read_json(workspace.decision)["promoted"] else REFUSED


def rollback(config: RunConfig, workspace: Workspace) -> str:
    """Gives the alias back to the champion before, which is a decision as well.

    Raises:
        PromotionError: there is none.
        ArtifactError: its bundle is damaged; then nothing is changed.
    """
    store = open_store(config, workspace)
    before, version = store.version_at(CHAMPION), store.rollback()
    rule = Rule("rollback", True, version, before, f"version {before} was rolled back by hand")
    _keep(workspace, store, version, Decision(True, version, before, (rule,)))
    return f"{store.name}: version {version} is {CHAMPION} again"


def open_store(config: RunConfig, workspace: Workspace) -> Store:
    """The registry of the run's model.

    Raises:
        ConfigError: the config has no ``[promote]`` section.
        ArtifactError: the registry in the output folder was made in another folder.
    """
    if config.promote is None:
        raise ConfigError("the config has no [promote] section, which names the registered model")
    name, uri = config.promote.model or config.name, config.promote.tracking_uri
    if uri is not None:
        return Store(uri, name)
    store = Store(local_uri(workspace.directory), name)
    check_place(store.uri, name)
    return store


def decide_and_register(
    config: RunConfig, section: PromoteSection, workspace: Workspace, tracker: Tracker, candidate: Candidate
) -> Decision:
    """A candidate that is not the champion already becomes a version; the alias moves when the gate agrees."""
    store, bundle = open_store(config, workspace), candidate.bundle
    before = store.version_at(CHAMPION)
    standing = None if before is None else _standing(store, before)
    if before is not None and standing is not None and standing.version == version_of(bundle):
        same = Rule("same", True, before, before, "the candidate is the champion already, byte for byte")
        version, decision = before, Decision(True, before, before, (same,))
    else:
        champion = None
        if standing is not None:
            candidate = unanswered(candidate, standing, str(before))
            champion = _measured(config, candidate, standing, str(before))
        own = candidate.own
        version = _registered(config, section, store, workspace, tracker) if own else store.register(bundle)
        decision = decide(_measured(config, candidate, Bundle.load(bundle), version), champion, section.gate)
    if decision.promoted:
        store.promote(version, decision)
    _keep(workspace, store, version, decision)
    return decision


def _standing(store: Store, version: str) -> Bundle:
    """The champion, which has to be asked before another takes its place."""
    try:
        return Bundle.load(store.download(version))
    except ArtifactError as error:
        raise ArtifactError(
            f"the champion of {store.name} cannot be asked: {error}, or give the alias back to the one before with "
            "recsys rollback, or begin without a champion under another promote.model"
        ) from error


def _stands(store: Store, workspace: Workspace) -> bool:
    """Whether the registry still is as the last decision left it."""
    try:
        last = read_json(workspace.decision)
        champion = last["version"] if last["promoted"] else last["champion"]
        kept = bundle_digest(store.download(last["version"]))
        return (kept, store.version_at(CHAMPION)) == (last["bundle"], champion)
    except (RecsysError, KeyError):
        return False


def _keep(workspace: Workspace, store: Store, version: str, decision: Decision) -> None:
    """The decision as ``decision.json``, and beside those before it."""
    record = _record(store, version, decision)
    number = 1 + max(
        (int(path.stem) for path in workspace.decisions.glob("*.json") if path.stem.isdecimal()), default=0
    )
    write_json(workspace.decisions / f"{number:04d}.json", record)
    write_json(workspace.decision, record)


def _registered(
    config: RunConfig, section: PromoteSection, store: Store, workspace: Workspace, tracker: Tracker
) -> str:
    """A tracked run with parameters, metrics, data and report, and the version that came of it."""
    data = workspace.load_dataset()
    training = read_json(workspace.training(section.engine))
    report = read_json(workspace.report)
    with MlflowTracker(store.uri, store.name, f"{config.name}/{section.engine}", tracker) as run:
        run.log_params({"seed": config.seed, "engine": section.engine, **config.engines[section.engine]})
        run.log_params({"split": report["split"]})
        run.log_data(data.name, data.fingerprint, str(workspace.dataset))
        for point in training["curve"]:
            run.log_metrics({key: value for key, value in point.items() if key != "step"}, int(point["step"]))
        run.log_metrics(_numbers(report["engines"][section.engine]))
        run.log_artifact(workspace.report)
        run.log_artifact(workspace.report.with_suffix(".html"))
        return store.register(workspace.bundle(section.engine), run.run_id)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """The value of each metric; intervals stay in the report."""
    flat = {name: value["value"] if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in flat.items() if isinstance(value, (int, float))}


def _measured(config: RunConfig, candidate: Candidate, bundle: Bundle, model: str) -> EvaluationResult:
    data, asked, section = candidate.data, candidate.questions, config.evaluate
    result = evaluate(bundle.engine, data, asked, ks=section.ks)
    return EvaluationResult(model, data.fingerprint, candidate.fingerprint, result.users, result.values)


def _record(store: Store, version: str, decision: Decision) -> dict[str, Any]:
    return {
        "schema": 1,
        "model": store.name,
        "version": version,
        "bundle": bundle_digest(store.download(version)),
        "alias": CHAMPION if decision.promoted else None,
        "tracking_uri": store.uri,
        **asdict(decision),
    }
