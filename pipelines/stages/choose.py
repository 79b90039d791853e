"""choose: the engine that represents a run, with ``promote.engine = "best"`` the best one on validation."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.config import RunConfig, engine_specs
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import write_json
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Split
from recsys.engine import Engine
from recsys.engines import ENGINES
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonObject
from recsys.registry.bundle import Bundle, version_of
from recsys.tracking import Tracker

_CODE = (*ENGINE_CODE, "pipelines/stages/choose.py")


def choose(config: RunConfig, workspace: Workspace, tracker: Tracker) -> JsonObject | None:
    """The choice of ``promote.engine = "best"``, also written to ``choice.json``; None where an engine is named.

    The test part of the split is not used. With a refit, the engines from before it are compared.

    Returns:
        ``{"engine", "metric", "validation": {NAME: value}}``.
    """
    if not config.promotes_best:
        return None
    assert config.promote is not None
    split, metric = workspace.load_split(), config.promote.gate.metric
    cache_key = {
        "metric": metric,
        "bundles": {name: version_of(workspace.bundle(name)) for name in config.engines},
        "split": split.fingerprint,
        "code": code_version(*_CODE),
    }
    if not workspace.is_current("choose", cache_key, [workspace.choice], tracker):
        workspace.invalidate("choose")
        values = on_validation(config, workspace, workspace.load_dataset(), split, config.engines, metric)
        best = max(values, key=lambda name: values[name])
        write_json(workspace.choice, {"engine": best, "metric": metric, "validation": values})
        workspace.record("choose", cache_key, [workspace.choice])
        listed = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        tracker.info(f"choose: {best} is the best by {metric} on validation ({listed})")
    return read_choice(config, workspace)


def read_choice(config: RunConfig, workspace: Workspace) -> JsonObject:
    """The choice of the run: ``engine``, ``metric`` and ``validation``, the value of each engine.

    Raises:
        ArtifactError: the run has not chosen yet, or the file was changed.
    """
    choice = read_object(workspace.choice, "engine", "metric", "validation")
    with as_written(workspace.choice):
        if choice["engine"] not in config.engines or not isinstance(choice["validation"][choice["engine"]], float):
            raise ValueError(f"{choice['engine']!r} is no engine of the run that was measured")
    return choice


def candidate_name(config: RunConfig, workspace: Workspace) -> str:
    """The engine that represents the run: the promoted one, else the one that recommends, else the last.

    Raises:
        ArtifactError: it is the best on validation, and the run has not chosen it yet.
    """
    return str(read_choice(config, workspace)["engine"]) if config.promotes_best else config.candidates[0]


def on_validation(
    config: RunConfig, workspace: Workspace, data: Dataset, split: Split, names: Iterable[str], metric: str
) -> dict[str, float]:
    """The mean of ``metric`` on the validation users of each engine whose fit did not include their targets.

    With a refit, these are the engines from before it; one that was not kept is not in the result.
    """
    values = {}
    for name in names:
        engine = _before_refit(config, workspace, name) if split.refit else Bundle.load(workspace.bundle(name)).engine
        if engine is not None:
            values[name] = evaluate(engine, data, split.validation, ks=(parse_metric(metric)[1],)).mean(metric)
    return values


def _before_refit(config: RunConfig, workspace: Workspace, name: str) -> Engine | None:
    kept = workspace.pre_refit_engine(name)
    kinds = {spec.name: spec.kind for spec in engine_specs(config)}
    return ENGINES[kinds[name]].load(kept) if kept.is_dir() else None
