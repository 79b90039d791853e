"""Runs of MLflow: one for each engine of a run, with flat parameters, tags, curves and metrics to compare there."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RunConfig
from pipelines.specs import EngineSpec, engine_spec
from pipelines.workspace import Workspace
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonMapping, JsonObject
from recsys.registry.bundle import version_of
from recsys.registry.mlflow_client import local_uri
from recsys.registry.tracker import MlflowTracker, find_run
from recsys.tracking import Tracker


def tracking_place(config: RunConfig, workspace: Workspace) -> tuple[str, str]:
    """The tracking URI and the experiment of a run: those of its registered model, or else its folder and name."""
    uri = None if config.promote is None else config.promote.tracking_uri
    model = None if config.promote is None else config.promote.model
    return uri or local_uri(workspace.directory), model or config.name


def track(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Makes the MLflow run of every engine that has none yet; the report must be current."""
    for name in config.engines:
        engine_run(config, workspace, tracker, name)


def engine_run(config: RunConfig, workspace: Workspace, tracker: Tracker, name: str) -> str:
    """The id of the MLflow run of engine ``name``; made if its bundle and split have none yet.

    Its parameters are the options (``training.epochs``), its metrics those of the report by k and the training curve by
    epoch; tags are kind, engine, seed, and fingerprints of data, split and bundle.
    """
    uri, experiment = tracking_place(config, workspace)
    report = read_object(workspace.report)
    with as_written(workspace.report):
        tags = engine_tags(config, name, report["data"]["fingerprint"], report["split"]["fingerprint"])
    tags |= {"stage": "evaluate", "bundle": version_of(workspace.bundle(name))}
    found = find_run(uri, experiment, tags)
    if found is not None:
        return found
    with MlflowTracker(uri, experiment, f"{config.name}/{name}", tracker, tags) as run:
        _log_engine(run, config, workspace, name, report)
        return run.run_id


def engine_tags(config: RunConfig, name: str, data: str, split: str) -> dict[str, str]:
    """The tags by which runs of MLflow are compared: engine, kind, seed, and fingerprints of ``data`` and ``split``."""
    kind = _spec(config, name).kind
    return {"run": config.name, "engine": name, "kind": kind, "seed": str(config.seed), "data": data, "split": split}


def flat_options(config: RunConfig, name: str) -> JsonObject:
    """Every option of an engine, defaults included: ``{"training": {"epochs": 5}}``, logged as ``training.epochs``."""
    return _spec(config, name).config.model_dump(mode="json")


def _log_engine(run: MlflowTracker, config: RunConfig, workspace: Workspace, name: str, report: JsonMapping) -> None:
    training = read_object(workspace.training(name), "curve")
    run.log_params({"seed": config.seed, "engine": name, **flat_options(config, name), "split": report["split"]})
    data = report["data"]
    run.log_data(data["name"], data["fingerprint"], str(workspace.dataset))
    run.log_curve((int(p["step"]), {key: v for key, v in p.items() if key != "step"}) for p in training["curve"])
    run.log_metrics(_means(report["engines"][name]))
    for path in _artifacts(workspace):
        run.log_artifact(path)


def _artifacts(workspace: Workspace) -> list[Path]:
    return [workspace.report, workspace.report.with_suffix(".html")]


def _means(values: JsonObject) -> dict[str, float]:
    """The value of each metric; intervals stay in the report."""
    flat = {name: value["value"] if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in flat.items() if isinstance(value, (int, float))}


def _spec(config: RunConfig, name: str) -> EngineSpec:
    return engine_spec(name, config.engines[name], "engines")
