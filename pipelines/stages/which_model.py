"""Which model a command takes: the one that recommends in a run, unless another is named."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RunConfig
from pipelines.config_checks import check_engine
from pipelines.stages.choose import candidate_name
from pipelines.stages.final import make_served, served_bundle
from pipelines.stages.promote import open_store, require_registry
from pipelines.workspace import Workspace
from recsys.errors import ArtifactError, ConfigError, PromotionError
from recsys.files.stored_json import read_object
from recsys.registry.bundle import version_of
from recsys.registry.store import CHAMPION, Store
from recsys.tracking import SilentTracker, Tracker


def recommending_model(
    config: RunConfig,
    workspace: Workspace,
    tracker: Tracker,
    alias: str | None = None,
    bundle: Path | None = None,
) -> tuple[Path, str]:
    """The folder of the bundle that lists are made with, and its name in the manifest; fitted where it is not there.

    Args:
        config: the run.
        workspace: its folder.
        tracker: says which engine takes the place of a champion.
        alias: an alias or a version of the registered model.
        bundle: the folder of a bundle. Without both, the model is the engine of ``[recommend]``, or else the champion,
            or else the engine that the decision on a refused candidate names.

    Raises:
        PromotionError: there is no such alias or version.
    """
    if bundle is None and alias is None and config.recommend is not None and config.recommend.engine is not None:
        bundle = make_served(config, workspace, config.recommend.engine, tracker)
    if bundle is not None:
        return bundle, _named(bundle)
    store = open_store(config, workspace)
    if alias is None and store.version_at(CHAMPION) is None and (name := _substitute(workspace, store)) is not None:
        tracker.info(f"recommend: there is no champion, as the candidate was refused; {name} recommends instead")
        bundle = make_served(config, workspace, name, tracker)
        return bundle, _named(bundle)
    return _registered(store, alias or CHAMPION)


def asked_model(
    config: RunConfig, workspace: Workspace, engine: str | None = None, alias: str | None = None
) -> tuple[Path, str]:
    """The folder and the name of the model that a command asks or exports; but for popularity, nothing is fitted.

    Args:
        config: the run.
        workspace: its folder.
        engine: an engine of the run.
        alias: an alias or a version of the registered model. Without both, it is the model of `recommending_model`, or
            where nothing was promoted or refused yet, the engine that would be.

    Raises:
        ConfigError: ``engine`` and ``alias`` are both given, or the run has no such engine.
        PromotionError: there is no registry yet, or it has no such alias or version.
        ArtifactError: the engine has no bundle yet, or it was changed.
    """
    if engine is not None and alias is not None:
        raise ConfigError("give --alias or --engine, not both")
    if engine is not None:
        check_engine(config, "--engine", engine)
    elif alias is not None:
        require_registry(config, workspace)
        return _registered(open_store(config, workspace), alias)
    elif config.recommend is not None and config.recommend.engine is not None:
        engine = config.recommend.engine
    elif _has_registry(config, workspace):
        store = open_store(config, workspace)
        if store.version_at(CHAMPION) is not None:
            return _registered(store, CHAMPION)
        engine = _substitute(workspace, store)
    name = engine or candidate_name(config, workspace)
    if name in config.engines:
        folder = served_bundle(config, workspace, name)
    else:
        with workspace.lock():
            folder = make_served(config, workspace, name, SilentTracker())
    return folder, _named(folder)


def _named(bundle: Path) -> str:
    return f"{bundle.name}@{version_of(bundle)}"


def _registered(store: Store, which: str) -> tuple[Path, str]:
    version = store.version_at(which) or which
    return store.locate(version), f"{store.name}/{version}"


def _has_registry(config: RunConfig, workspace: Workspace) -> bool:
    try:
        require_registry(config, workspace)
    except (ConfigError, PromotionError):
        return False
    return True


def _substitute(workspace: Workspace, store: Store) -> str | None:
    """The engine that recommends while the first candidate is refused; None if the decision is not of that kind."""
    try:
        decision = read_object(workspace.decision, "model", "promoted", "instead", "baseline")
    except ArtifactError:
        return None
    if decision["model"] != store.name or decision["promoted"]:
        return None
    name: str | None = decision["instead"] or decision["baseline"]
    return name
