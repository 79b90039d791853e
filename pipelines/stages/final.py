"""final: the engines that recommend, fitted once more on all interactions after they were evaluated.

The engine that was measured never saw the test part. What ships is a second fit of the same recipe, with the epochs and
weights that validation chose, on train, validation and test together.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipelines.config import RunConfig, engine_specs
from pipelines.specs import EngineSpec
from pipelines.stages.choose import candidate_name, choose, read_choice
from pipelines.stages.foresee import refusal
from pipelines.stages.pretrain import embedder_of, make_table
from pipelines.stages.train import fit_of, shared_by
from pipelines.workspace import ENGINE_CODE, POPULARITY, Workspace, code_version
from recsys.atomic import claim, write_json
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ArtifactError
from recsys.experiment.fit import Fit, fit_again
from recsys.files.stored_json import read_object
from recsys.json_values import JsonObject
from recsys.registry.bundle import Bundle, Lineage, version_of
from recsys.tracking import CurveTracker, Tracker
from recsys.training.cost import measured
from recsys.training.deterministic import deterministic

_CODE = (*ENGINE_CODE, "recsys/training/deterministic.py", "pipelines/stages/final.py", "pipelines/stages/pretrain.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Writes ``final/bundles/NAME/`` for the engines of ``[promote]`` and ``[recommend]`` and for their parts.

    Without these sections, or with ``train.final = false``, nothing is fitted, nor where the gate will refuse the
    candidate, which is then registered as it was measured. With ``promote.engine = "best"``, the
    engine is chosen here.
    """
    choose(config, workspace, tracker)
    if config.fits_final:
        for name in _names(config, workspace, tracker):
            fit_final(config, workspace, name, tracker)


def _names(config: RunConfig, workspace: Workspace, tracker: Tracker) -> list[str]:
    """The engines that are fitted; a candidate that the gate will refuse is none of them."""
    recommends = config.recommend.engine if config.recommend is not None else None
    names = [] if recommends is None else [recommends]
    if config.promote is None or (name := candidate_name(config, workspace)) in names:
        return names
    if _current(workspace, name) is None and refusal(config, workspace) is not None:
        tracker.info(f"final/{name}: not fitted on all interactions, for the gate will refuse it")
        return names
    return [name, *names]


def served_bundle(config: RunConfig, workspace: Workspace, name: str) -> Path:
    """The folder of the bundle of engine ``name`` that recommends: fitted on all interactions, else the measured one.

    The measured one where ``train.final`` is off, or where its fit on all interactions is not there.

    Raises:
        ArtifactError: a bundle has changed since it was written.
    """
    workspace.check_unchanged(f"train/{name}", workspace.bundle(name))
    if not config.fits_final:
        return workspace.bundle(name)
    workspace.final.check_unchanged(f"final/{name}", workspace.final.bundle(name))
    return _current(workspace, name) or workspace.bundle(name)


def make_served(config: RunConfig, workspace: Workspace, name: str, tracker: Tracker) -> Path:
    """The same folder as `served_bundle`, after the fit on all interactions where it is on and not there.

    Args:
        config: the run.
        workspace: its folder.
        name: an engine of the run; or ``popularity``, which is fitted here where the run has no engine of this name.
        tracker: reports the fit.
    """
    if name not in config.engines:
        return _popularity(config, workspace)
    if not config.fits_final:
        return workspace.bundle(name)
    return _current(workspace, name) or fit_final(config, workspace, name, tracker)


def fit_final(config: RunConfig, workspace: Workspace, name: str, tracker: Tracker) -> Path:
    """The folder of engine ``name`` fitted on all interactions of its bundle; skipped if a current one is there.

    Parts of a hybrid are fitted before it, and tables that are learnt are learnt again from all interactions.
    """
    spec = {spec.name: spec for spec in engine_specs(config)}[name]
    parts = {part: fit_final(config, workspace, part, tracker) for part in spec.parts}
    source, final, step = Bundle.load(workspace.bundle(name)), workspace.final, f"final/{name}"
    tables = _tables(config, spec, workspace, source, tracker)
    cache_key = {
        "measured": source.version,
        "parts": {part: version_of(folder) for part, folder in parts.items()},
        "tables": {table: folder.table_digest(table) for table, folder in tables.items()},
        "chosen": _chosen(config, workspace, name),
        "seed": config.seed,
        "filter_seen": config.evaluate.filter_seen,
        "code": code_version(*_CODE),
        **shared_by(config, spec.config),
    }
    if not final.is_current(step, cache_key, [final.bundle(name), final.training(name)], tracker):
        checkpoints = final.checkpoints(name, cache_key)
        claim(checkpoints)
        context = FitContext(
            config.seed,
            tables={table: EmbeddingTable.load(folder.table(table)) for table, folder in tables.items()},
            directory=checkpoints,
            parts={part: Bundle.load(folder).engine for part, folder in parts.items()},
            filter_seen=config.evaluate.filter_seen,
            tracker=tracker,
        )
        _fit(name, source, final, context, {"chosen": cache_key["chosen"]}, fit_of(config))
        final.record(step, cache_key, [final.bundle(name), final.training(name)])
        final.clear_checkpoints(name)
    return final.bundle(name)


def _fit(name: str, source: Bundle, final: Workspace, context: FitContext, about: JsonObject, fit: Fit) -> None:
    """Fits the recipe of the measured bundle ``source`` on all its interactions and saves bundle, curve and cost."""
    everything, curve = source.data.interactions, CurveTracker(context.tracker)
    with deterministic(), measured() as cost:
        context = replace(context, tracker=curve)
        engine = fit_again(source.engine, source.data, everything, context, source.engine.epochs_, fit)
    final.invalidate(f"final/{name}")
    made = Bundle(engine, source.data, _lineage(source, engine, about)).save(final.bundle(name))
    record = {"fit_seconds": cost.seconds, "peak_memory_mb": cost.peak_memory_mb, "curve": curve.points}
    write_json(final.training(name), {**record, "measured": source.version, "final": made.version})
    curve.info(f"final/{name}: fitted once more on all {len(everything)} interactions, {cost.seconds:.1f} s")


def _lineage(source: Bundle, engine: Engine, about: JsonObject) -> Lineage:
    """The lineage of the fit on all interactions, which names the version of the measured bundle."""
    config = {key: value for key, value in source.lineage.config.items() if key != "test_fingerprint"}
    made = {
        **config,
        **about,
        "options": engine.chosen_config().model_dump(mode="json"),
        "final": True,
        "measured": source.version,
        "interactions": source.data.interactions.fingerprint,
    }
    return Lineage(source.data_fingerprint, config=made)


def _chosen(config: RunConfig, workspace: Workspace, name: str) -> JsonObject | None:
    """By what value on validation ``name`` was chosen; None where no choice was made, or another one."""
    if not config.promotes_best or name != candidate_name(config, workspace):
        return None
    choice = read_choice(config, workspace)
    return {"metric": choice["metric"], "validation": choice["validation"][name]}


def _tables(
    config: RunConfig, spec: EngineSpec, workspace: Workspace, source: Bundle, tracker: Tracker
) -> dict[str, Workspace]:
    """The tables that the engine reads, and the folder of each: tables that are learnt are learnt again."""
    found = {}
    for name in spec.config.uses_tables():
        learnt = config.pretrain[name].embedder is None or embedder_of(config, name).learns
        found[name] = workspace.final if learnt else workspace
        if learnt:
            make_table(config, name, workspace.final, source.data, source.data.interactions, tracker)
    return found


def _current(workspace: Workspace, name: str) -> Path | None:
    """The folder of the fit on all interactions, if it belongs to the bundle that was measured last."""
    try:
        record = read_object(workspace.final.training(name), "measured", "final")
        same = record["measured"] == version_of(workspace.bundle(name))
        same = same and record["final"] == version_of(workspace.final.bundle(name))
    except ArtifactError:
        return None
    return workspace.final.bundle(name) if same else None


def _popularity(config: RunConfig, workspace: Workspace) -> Path:
    """The baseline of a run that has no engine ``popularity``; fitted again each time, which takes no time."""
    data, target = workspace.load_dataset(), workspace.final.bundle(POPULARITY)
    train = data.interactions if config.fits_final else workspace.load_split().final_train
    about = {"run": config.name, "engine": POPULARITY, "final": config.fits_final, "interactions": train.fingerprint}
    Bundle(Popularity().fit(data, train), data, Lineage(data.fingerprint, config=about)).save(target)
    return target
