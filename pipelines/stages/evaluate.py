"""evaluate: every engine of the run on the test users; one report holds and compares their metrics."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import torch

from pipelines.column_engine import column_engine
from pipelines.config import RunConfig
from pipelines.report_page import write_page
from pipelines.stages.pretrain import embedder_of, image_root, model_folder
from pipelines.stages.track import track
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.content import HasWordVectors, Learner
from recsys.data.dataset import Dataset
from recsys.data.feedback.repeats import ONE_TYPE
from recsys.data.splits.split import Split
from recsys.distributed.cluster import connected, worker_threads
from recsys.distributed.evaluate import EvaluationFiles, evaluate_over_ray
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.evaluation.attribution import attribution_table
from recsys.evaluation.evaluate import BlockRanker, Result, count_blocks
from recsys.evaluation.kept_blocks import KeptBlocks
from recsys.evaluation.report.build import DataSummary, RunDetails, build_report
from recsys.evaluation.report.examples import ExampleOptions, lists_of
from recsys.evaluation.report.report import Report
from recsys.experiment.attribution import AttributionOptions, attribute
from recsys.experiment.column_report import column_reports, to_rows
from recsys.experiment.table_quality import QualityOptions, WordTable, quality_table, table_quality
from recsys.files.stored_json import read_object
from recsys.json_values import JsonObject
from recsys.registry.bundle import installed, trained_on, version_of
from recsys.tracking import Tracker, tracked

_CODE = (*ENGINE_CODE, "recsys/evaluation", "recsys/registry/bundle.py", "pipelines/stages/evaluate.py")

_COSTS = ("fit_seconds", "peak_memory_mb")
_BLOCKS = ".evaluate"
"""Of the folders of measured blocks among the checkpoints; no engine has a name that begins with a full stop."""


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Writes ``report.json``, ``report.html`` and ``per_user.parquet``; nothing for a run without a split.

    Raises:
        ArtifactError: an engine was trained on another split than is prepared now.
    """
    pages = [workspace.report, workspace.report.with_suffix(".html")]
    outputs = [workspace.report, workspace.report.with_name("per_user.parquet")]
    if not config.has_split:
        workspace.invalidate("evaluate")
        for path in (*outputs, pages[1]):  # of a run of this folder that had a split
            path.unlink(missing_ok=True)
        workspace.clear_checkpoints(_BLOCKS)
        return
    data, split = workspace.load_dataset(), workspace.load_split()
    cache_key = _cache_key(config, workspace, split)
    if workspace.is_current("evaluate", cache_key, outputs, tracker):
        write_page(config, workspace)
        workspace.clear_checkpoints(_BLOCKS)
        return
    report = _report(config, workspace, data, split, tracker)
    workspace.invalidate("evaluate")
    report.save(workspace.directory)
    if lost := report.content["split"]["unreachable_targets"]:
        has_types = data.event_types is not None and len(data.event_types.types) > 1
        tracker.info(
            f"  warning: {lost} targets are items that their users had before, and lists leave them out; where people "
            "buy again, set evaluate.filter_seen = false" + f"; {ONE_TYPE}" * has_types
        )
    write_page(config, workspace)
    workspace.record("evaluate", cache_key, outputs)
    workspace.clear_checkpoints(_BLOCKS)
    for path in pages:
        tracker.log_artifact(path)
    if config.evaluate.track:
        track(config, workspace, tracker)


def _cache_key(config: RunConfig, workspace: Workspace, split: Split) -> dict[str, object]:
    return {
        "section": config.evaluate.model_dump(mode="json"),
        "baseline": config.baseline,
        "split": split.fingerprint,
        "bundles": _versions(config, workspace),
        "tables": {name: workspace.table_digest(name) for name in config.pretrain},
        "pretrain": {name: section.model_dump(mode="json") for name, section in config.pretrain.items()},
        "seed": config.seed,
        "attribution": None if config.attribution is None else config.attribution.model_dump(mode="json"),
        "code": code_version(*_CODE),
    }


def _versions(config: RunConfig, workspace: Workspace) -> dict[str, str]:
    return {name: version_of(workspace.bundle(name)) for name in config.engines}


def _report(config: RunConfig, workspace: Workspace, data: Dataset, split: Split, tracker: Tracker) -> Report:
    results = _results(config, workspace, data, split, tracker)
    training = {name: read_object(workspace.training(name), *_COSTS, "curve") for name in config.engines}
    details = RunDetails(
        curves={name: record["curve"] for name, record in training.items()},
        costs={name: {key: record[key] for key in _COSTS} for name, record in training.items()},
        embeddings=_embeddings(config, workspace, data, split, tracker),
        settings={
            "run": config.name,
            "seed": config.seed,
            "engines": config.engines,
            "bundles": _versions(config, workspace),
            "config": {name: part for name, part in _sections(config).items() if part},
        },
        attribution=_attribution(config, workspace, data, split, tracker),
        columns=_columns(config, workspace, data, split),
        examples=lists_of(data, split.test, results, config.baseline, _example_options(config)),
    )
    return build_report(DataSummary.of(data), split, results, config.baseline, details)


def _sections(config: RunConfig) -> dict[str, object]:
    """The sections of the config, besides the engines, that the figures depend on, as they were given."""
    given: dict[str, object] = config.model_dump(mode="json", exclude_unset=True)
    return {name: given.get(name) for name in ("split", "pretrain", "evaluate", "attribution")}


def _example_options(config: RunConfig) -> ExampleOptions:
    return ExampleOptions(config.evaluate.examples, image_root(config))


def _results(
    config: RunConfig, workspace: Workspace, data: Dataset, split: Split, tracker: Tracker
) -> dict[str, Result]:
    results, users, ks = {}, len(split.test), config.evaluate.ks
    common, count = _common_key(config, data, split), count_blocks(split.test)
    kept = {name: KeptBlocks(_folder_of_blocks(workspace, name, common), count) for name in config.engines}
    todo = {name: blocks.missing() for name, blocks in kept.items()}
    with ExitStack() as stack:
        over_ray = config.compute.over_ray and any(todo.values())
        cluster = stack.enter_context(connected(config.compute, tracker)) if over_ray else None
        for name, missing in todo.items():
            if len(missing) < count:
                tracker.info(f"evaluate/{name}: {count - len(missing)} of {count} blocks of users are measured already")
            if missing:
                if cluster is None:
                    engine = trained_on(workspace.bundle(name), split.fingerprint).engine
                    made = BlockRanker(engine, data, split.test, ks).measured_blocks(missing)
                else:
                    files = EvaluationFiles(workspace.bundle(name), workspace.dataset, workspace.split)
                    made = evaluate_over_ray(files, ks, cluster, missing)
                for number, block in tracked(made, len(missing), f"evaluate/{name}", tracker):
                    kept[name].keep(number, block)
            results[name] = kept[name].result(users)
            tracker.info(f"evaluate/{name}: {users} users")
    return results


def _folder_of_blocks(workspace: Workspace, name: str, common: JsonObject) -> Path:
    """Where the measured blocks of an engine are until the report is written."""
    return workspace.checkpoints(_BLOCKS, common | {"engine": name, "bundle": version_of(workspace.bundle(name))})


def _common_key(config: RunConfig, data: Dataset, split: Split) -> JsonObject:
    """What blocks are measured of and computed by: all that a score depends on, down to its last bits."""
    compute = config.compute
    on_cuda = compute.gpus > 0 if compute.over_ray else torch.cuda.is_available()
    return {
        "data": data.fingerprint,
        "split": split.fingerprint,
        "ks": config.evaluate.ks,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "cuda": on_cuda and (compute.over_ray or torch.cuda.get_device_name()),
        "threads": worker_threads(compute) if compute.over_ray else torch.get_num_threads(),
        "libraries": installed(),
        "code": code_version(*_CODE),
    }


def _embeddings(
    config: RunConfig, workspace: Workspace, data: Dataset, split: Split, tracker: Tracker
) -> dict[str, dict[str, object]]:
    """The quality of each pretrained table; printed as well."""
    section = config.evaluate.embedding_quality
    options = QualityOptions(**section.model_dump(), seed=config.seed)
    tables = workspace.load_tables(config.pretrain)
    found = table_quality(tables, data, split, options, _word_tables(config, workspace))
    if found:
        tracker.info(f"evaluate/tables: each by itself, on validation\n{quality_table(found)}")
    return found


def _word_tables(config: RunConfig, workspace: Workspace) -> dict[str, WordTable]:
    """The word vectors of the embedders that have some."""
    found = {}
    for name, section in config.pretrain.items():
        if section.embedder is None:
            continue
        embedder = embedder_of(config, name)
        if isinstance(embedder, HasWordVectors) and isinstance(embedder, Learner):
            embedder.restore(model_folder(workspace, name))
            found[name] = WordTable(embedder.word_vectors(), section.columns)
    return found


def _attribution(
    config: RunConfig, workspace: Workspace, data: Dataset, split: Split, tracker: Tracker
) -> dict[str, object] | None:
    """The attribution of the engine that ``[attribution]`` names; printed as well."""
    section = config.attribution
    if section is None:
        return None
    engine = trained_on(workspace.bundle(section.engine), split.fingerprint).engine
    attribution = attribute(engine, data, split, attribution_options(config))
    tracker.info(f"evaluate/attribution of {section.engine}, {attribution_table(attribution)}")
    return {"engine": section.engine, **asdict(attribution)}


def _columns(config: RunConfig, workspace: Workspace, data: Dataset, split: Split) -> dict[str, object] | None:
    """What the columns tell that the run's two-tower engine can read; None without such an engine or any column."""
    chosen = column_engine(config)
    if chosen is None or not (data.items.schema.columns or data.users.schema.columns):
        return None
    spec, options = chosen
    engine = trained_on(workspace.bundle(spec.name), split.fingerprint).engine
    assert isinstance(engine, TwoTower)
    rows = to_rows(column_reports(data, split, options.features), engine.inputs.columns)
    return {"engine": spec.name, "columns": rows}


def attribution_options(config: RunConfig) -> AttributionOptions:
    """``[attribution]`` of a config that has one."""
    section = config.attribution
    assert section is not None, "the config has no [attribution]"
    return AttributionOptions(section.modalities, section.metric, section.users, config.seed)
