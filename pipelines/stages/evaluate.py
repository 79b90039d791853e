"""evaluate: every engine of the run answers the test questions; one report holds and compares them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.commands.attribution import measure, trained_on
from pipelines.config import RunConfig
from pipelines.table_quality import quality_table, table_quality
from pipelines.workspace import ENGINE_CODE, Workspace, code_version, file_digest
from recsys.atomic import read_json
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Split
from recsys.errors import ArtifactError
from recsys.evaluation.attribution import attribution_table
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.report.build import DataSummary, RunDetails, build_report
from recsys.registry.bundle import MANIFEST
from recsys.tracking import Tracker

_CODE = (
    *ENGINE_CODE,
    "recsys/evaluation",
    "pipelines/stages/evaluate.py",
    "pipelines/commands/attribution.py",
    "pipelines/table_quality.py",
)


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Leaves ``report.json`` and ``report.html``.

    Raises:
        ArtifactError: an engine was trained on another split than is prepared now.
    """
    data, split = workspace.load_dataset(), workspace.load_split()
    cache_key = {
        "section": config.evaluate.model_dump(mode="json"),
        "baseline": config.baseline,
        "split": split.fingerprint,
        "bundles": {name: bundle_digest(workspace.bundle(name)) for name in config.engines},
        "tables": {name: workspace.table_digest(name) for name in config.pretrain},
        "pretrain": {name: section.model_dump(mode="json") for name, section in config.pretrain.items()},
        "seed": config.seed,
        "attribution": None if config.attribution is None else config.attribution.model_dump(mode="json"),
        "code": code_version(*_CODE),
    }
    outputs = [workspace.report, workspace.report.with_suffix(".html")]
    if workspace.is_current("evaluate", cache_key, [*outputs, workspace.report.with_name("per_user.parquet")], tracker):
        return
    workspace.invalidate("evaluate")
    results = {}
    for name in config.engines:
        engine = trained_on(split, workspace.bundle(name)).engine
        results[name] = evaluate(engine, data, split.test, ks=config.evaluate.ks)
        tracker.info(f"evaluate/{name}: {len(split.test)} users")
    tables = table_quality(config, workspace, data, split)
    if tables:
        tracker.info(f"evaluate/tables: each by itself, on validation\n{quality_table(tables)}")
    training = {name: read_json(workspace.training(name)) for name in config.engines}
    details = RunDetails(
        curves={name: record["curve"] for name, record in training.items()},
        costs={name: _cost(record) for name, record in training.items()},
        embeddings=tables,
        settings={"run": config.name, "seed": config.seed, "engines": config.engines},
        attribution=_attribution(config, data, split, workspace, tracker),
    )
    report = build_report(DataSummary.of(data), split, results, config.baseline, details)
    report.save(workspace.directory)
    if lost := report.content["split"]["unreachable_targets"]:
        tracker.info(
            f"  warning: {lost} targets are items that their users had before, and lists leave them out; where people "
            "buy again, set evaluate.filter_seen = false"
        )
    workspace.record("evaluate", cache_key)
    for path in outputs:
        tracker.log_artifact(path)


def _attribution(
    config: RunConfig, data: Dataset, split: Split, workspace: Workspace, tracker: Tracker
) -> dict[str, Any] | None:
    """What each modality is worth, where the config has a ``[attribution]``; printed as well."""
    if config.attribution is None:
        return None
    attribution = measure(config.attribution, config, data, split, workspace)
    tracker.info(f"evaluate/attribution of {config.attribution.engine}, {attribution_table(attribution)}")
    return {"engine": config.attribution.engine, **asdict(attribution)}


def bundle_digest(bundle: Path) -> str:
    """A digest of everything in a bundle: its manifest holds a checksum of each file.

    Raises:
        ArtifactError: there is no bundle.
    """
    if not (bundle / MANIFEST).is_file():
        raise ArtifactError(f"{bundle} holds no bundle; train one, or name a folder that has one")
    return file_digest(bundle / MANIFEST)


def _cost(record: dict[str, Any]) -> dict[str, float]:
    return {key: record[key] for key in ("fit_seconds", "peak_memory_mb")}
