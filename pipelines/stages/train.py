"""train: each engine is fitted, early stop on validation, and left as a bundle; one that has not changed is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.config import EngineSpec, RunConfig, engine_specs
from pipelines.workspace import ENGINE_CODE, Workspace, code_version, file_digest
from recsys.atomic import atomic_path, claim, write_json
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Split
from recsys.embeddings import EmbeddingTable
from recsys.engine import EarlyStopped, Engine, Resources
from recsys.engines import ENGINES
from recsys.registry.bundle import Bundle, Lineage
from recsys.tracking import Tracker
from recsys.training.cost import measured
from recsys.training.curve import CurveTracker
from recsys.training.deterministic import deterministic

_CODE = (*ENGINE_CODE, "recsys/training/deterministic.py", "pipelines/stages/train.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Leaves ``bundles/NAME/`` for each ``[engines.NAME]``, and beside it what its training cost."""
    data, split = workspace.load_dataset(), workspace.load_split()
    tables = workspace.load_tables(config.pretrain)
    for spec in engine_specs(config):
        train_one(config, spec, data, split, tables, workspace, tracker)


def train_one(
    config: RunConfig,
    spec: EngineSpec,
    data: Dataset,
    split: Split,
    tables: dict[str, EmbeddingTable],
    workspace: Workspace,
    tracker: Tracker,
) -> None:
    """One engine, unless it stands there already."""
    cache_key = _facts(config, spec, data, split, workspace)
    step, bundle = f"train/{spec.name}", workspace.bundle(spec.name)
    kept = workspace.pre_refit_engine(spec.name) if cache_key["kept"] else None
    outputs = [path for path in (bundle, workspace.training(spec.name), kept) if path is not None]
    if workspace.is_current(step, cache_key, outputs, tracker):
        return
    workspace.invalidate(step)
    checkpoints = workspace.checkpoints(spec.name, cache_key)
    claim(checkpoints)
    curve = CurveTracker(tracker)
    resources = Resources(config.seed, split.validation, None, tables, checkpoints / "choose")
    with deterministic(), measured() as cost:
        parts = partial(_parts, config, spec, workspace)
        engine = fit(spec, data, split, resources, curve, parts, kept)
    Bundle.of(engine, data, _lineage(config, spec, engine, data, split), data.interactions).save(bundle)
    record = {"fit_seconds": cost.seconds, "peak_memory_mb": cost.peak_memory_mb, "curve": curve.points}
    write_json(workspace.training(spec.name), record)
    workspace.record(step, cache_key)
    workspace.clear_checkpoints(spec.name)
    tracker.info(f"{step}: {cost.seconds:.1f} s, {cost.peak_memory_mb:.0f} MiB at the highest")


def fit(
    spec: EngineSpec,
    data: Dataset,
    split: Split,
    resources: Resources,
    curve: CurveTracker,
    parts: Callable[[bool], dict[str, Engine]],
    kept: Path | None,
) -> Engine:
    """The engine learnt from ``split.train``; with ``split.refit`` then anew on train and validation.

    Validation chooses the number of epochs and a hybrid's weights; the refit looks at no validation.
    An engine that chooses nothing on validation is trained on both at once, unless a hybrid needs both fits.

    Args:
        spec: what is learnt.
        data: the dataset.
        split: its split.
        resources: of the engine.
        curve: sees the training.
        parts: gives the fitted engines that this one is made of, those from before the refit when asked with True.
        kept: where the engine from before the refit is kept; None keeps none.
    """
    kind = ENGINES[spec.kind]
    engine = kind(spec.config, replace(resources, parts=parts(split.refit)))
    if not split.refit:
        engine.fit(data, split.train, curve)
        return engine
    epochs: int | None = None
    tracker: Tracker = curve
    if isinstance(engine, EarlyStopped) or spec.parts or kept is not None:
        engine.fit(data, split.train, curve)
        tracker = curve.inner  # the refit has no validation: it would blur the curve
        if isinstance(engine, EarlyStopped):
            epochs = engine.best_epoch
        if kept is not None:
            with atomic_path(kept) as beside:
                engine.save(beside)
    directory = None if resources.directory is None else resources.directory.parent / "refit"
    again = replace(resources, validation=None, epochs=epochs, directory=directory, parts=parts(False))
    engine = kind(engine.config, again)
    engine.fit(data, split.train_and_validation, tracker)
    return engine


def _parts(config: RunConfig, spec: EngineSpec, workspace: Workspace, before_refit: bool) -> dict[str, Engine]:
    """The engines of this run that ``spec`` is made of."""
    if not before_refit:
        return {name: Bundle.load(workspace.bundle(name)).engine for name in spec.parts}
    kinds = {other.name: other.kind for other in engine_specs(config)}
    return {name: ENGINES[kinds[name]].load(workspace.pre_refit_engine(name)) for name in spec.parts}


def _facts(config: RunConfig, spec: EngineSpec, data: Dataset, split: Split, workspace: Workspace) -> dict[str, Any]:
    used = config.pretrain if _reads_tables(spec, config) else {}
    return {
        "kind": spec.kind,
        "options": spec.config.model_dump(mode="json"),
        "data": data.fingerprint,
        "split": split.fingerprint,
        "tables": {name: workspace.table_digest(name) for name in used},
        "parts": {name: file_digest(workspace.bundle(name) / "manifest.json") for name in spec.parts},
        "kept": split.refit and any(spec.name in other.parts for other in engine_specs(config)),
        "seed": config.seed,
        "filter_seen": split.filter_seen,
        "code": code_version(*_CODE),
    }


def _reads_tables(spec: EngineSpec, config: RunConfig) -> bool:
    """Whether the engine's options name a table of this run."""
    words = str(spec.config.model_dump(mode="json"))
    return any(repr(name) in words for name in config.pretrain)


def _lineage(config: RunConfig, spec: EngineSpec, engine: Engine, data: Dataset, split: Split) -> Lineage:
    return Lineage(
        data.fingerprint,
        split.fingerprint,
        {
            "run": config.name,
            "engine": spec.name,
            "options": engine.config.model_dump(mode="json"),
            "seed": config.seed,
            "protocol": split.name,
            "questions": split.test.held_out_fingerprint,
            "pretrain": {name: section.model_dump(mode="json") for name, section in config.pretrain.items()},
        },
    )
