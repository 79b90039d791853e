"""train: fits each engine with early stopping on validation and saves its bundle; skips what has not changed."""

from __future__ import annotations

from functools import partial

from pipelines.config import RunConfig, engine_specs
from pipelines.specs import EngineSpec
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import atomic_path, claim, write_json
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Split
from recsys.distributed.train import SharedFit
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.engines.learning import TrainedConfig
from recsys.experiment.fit import Fit, Refit, fit_engine, fit_here
from recsys.json_values import JsonObject
from recsys.registry.bundle import Bundle, Lineage, version_of
from recsys.tracking import CurveTracker, Tracker
from recsys.training.cost import measured
from recsys.training.deterministic import deterministic

_CODE = (*ENGINE_CODE, "recsys/training/deterministic.py", "pipelines/stages/train.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Writes ``bundles/NAME/`` for each ``[engines.NAME]``, and its training curve and cost beside it."""
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
    """Fits one engine and saves its bundle, unless a current one is there."""
    cache_key = _cache_key(config, spec, data, split, workspace)
    step, bundle = f"train/{spec.name}", workspace.bundle(spec.name)
    before_refit = workspace.pre_refit_engine(spec.name) if cache_key["kept_before_refit"] else None
    outputs = [path for path in (bundle, workspace.training(spec.name), before_refit) if path is not None]
    if workspace.is_current(step, cache_key, outputs, tracker):
        return
    checkpoints = workspace.checkpoints(spec.name, cache_key)
    claim(checkpoints)
    curve, parts = CurveTracker(tracker), {}
    if not split.refit or spec.config.chooses_on_validation() or before_refit is not None:
        parts = _parts(config, spec, workspace, before_refit=split.refit)
    context = FitContext(
        config.seed,
        split.validation if split.evaluates else None,
        tables=tables,
        directory=checkpoints / "choose",
        parts=parts,
        filter_seen=split.filter_seen,
        tracker=curve,
    )
    refit = None
    if split.refit:
        keep = None if before_refit is None else partial(_save_pre_refit, workspace, spec.name)
        refit = Refit(partial(_parts, config, spec, workspace, before_refit=False), tracker, keep)
    with deterministic(), measured() as cost:
        engine = fit_engine(ENGINES[spec.kind](spec.config), data, split, context, refit, fit_of(config))
    workspace.invalidate(step)
    Bundle(engine, data, _lineage(config, spec, engine, data, split)).save(bundle)
    record = {"fit_seconds": cost.seconds, "peak_memory_mb": cost.peak_memory_mb, "curve": curve.points}
    write_json(workspace.training(spec.name), record)
    workspace.record(step, cache_key, outputs)
    workspace.clear_checkpoints(spec.name)
    tracker.info(f"{step}: {cost.seconds:.1f} s, {cost.peak_memory_mb:.0f} MiB at the peak")


def fit_of(config: RunConfig) -> Fit:
    """Where the engines of a run are fitted: in this process, or by workers of its cluster."""
    return fit_here if config.train.workers == 1 else SharedFit(config.compute, config.train.workers)


def shared_by(config: RunConfig, trained: object) -> JsonObject:
    """How many workers share the batches of an engine with the options ``trained``, as a part of its cache key."""
    shared = config.train.workers > 1 and isinstance(trained, TrainedConfig)
    return {"workers": config.train.workers} if shared else {}


def _save_pre_refit(workspace: Workspace, name: str, engine: Engine) -> None:
    workspace.invalidate(f"train/{name}")
    with atomic_path(workspace.pre_refit_engine(name)) as beside:
        engine.save(beside)


def _parts(config: RunConfig, spec: EngineSpec, workspace: Workspace, before_refit: bool) -> dict[str, Engine]:
    """The engines of this run that ``spec`` is made of."""
    if not before_refit:
        return {name: Bundle.load(workspace.bundle(name)).engine for name in spec.parts}
    kinds = {other.name: other.kind for other in engine_specs(config)}
    return {name: ENGINES[kinds[name]].load(workspace.pre_refit_engine(name)) for name in spec.parts}


def _cache_key(config: RunConfig, spec: EngineSpec, data: Dataset, split: Split, workspace: Workspace) -> JsonObject:
    used = spec.config.uses_tables()
    return {
        "kind": spec.kind,
        "options": spec.config.model_dump(mode="json", exclude_unset=True),
        "data": data.fingerprint,
        "split": split.fingerprint,
        "tables": {name: workspace.table_digest(name) for name in used},
        "parts": {name: version_of(workspace.bundle(name)) for name in spec.parts},
        "kept_before_refit": split.refit and (config.promotes_best or _is_mixed(config, spec)),
        "seed": config.seed,
        "filter_seen": split.filter_seen,
        "code": code_version(*_CODE),
        **shared_by(config, spec.config),
    }


def _is_mixed(config: RunConfig, spec: EngineSpec) -> bool:
    """Whether a hybrid that chooses its weights on validation has ``spec`` as a part, or as a part of a part."""
    others = [other for other in engine_specs(config) if spec.name in other.parts]
    return any(other.config.chooses_on_validation() or _is_mixed(config, other) for other in others)


def _lineage(config: RunConfig, spec: EngineSpec, engine: Engine, data: Dataset, split: Split) -> Lineage:
    return Lineage(
        data.fingerprint,
        split.fingerprint,
        {
            "run": config.name,
            "engine": spec.name,
            "options": engine.chosen_config().model_dump(mode="json"),
            "seed": config.seed,
            "protocol": split.name,
            "test_fingerprint": split.test.held_out_fingerprint,
            "pretrain": {name: section.model_dump(mode="json") for name, section in config.pretrain.items()},
        },
    )
