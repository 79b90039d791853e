"""similar --all: item-to-item lists of all items, as a batch with the rules of ``[recommend]``."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.config import RunConfig
from pipelines.config_checks import check_engine
from pipelines.stages.choose import candidate_name
from pipelines.stages.final import served_bundle
from pipelines.workspace import Workspace
from recsys.config import parse
from recsys.registry.bundle import Bundle, version_of
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.similar_lists import similar_lists
from recsys.tracking import Tracker

FOLDER = "similar"


def similar_all(
    config: RunConfig, workspace: Workspace, given: Mapping[str, object], engine: str | None, tracker: Tracker
) -> str:
    """Writes ``similar/``: the ``k`` most similar items of every item; a batch that was stopped is resumed.

    Args:
        config: the run; the rules of its ``[recommend]`` hold, of the items and of the lists.
        workspace: the folder of the run.
        given: options that replace those of ``[recommend]``: ``k``, ``format`` and ``layout``; None replaces none.
        engine: a name in ``[engines]``; None is the engine that is promoted.
        tracker: reports progress.

    Returns:
        A line with the folder and the number of items that have a list.

    Raises:
        ConfigError: the run has no such engine.
        ArtifactError: the engine has no bundle yet, or an item vector is NaN or infinite.
    """
    name = engine or candidate_name(config, workspace)
    check_engine(config, "--engine", name)
    folder = served_bundle(config, workspace, name)
    options = RecommendOptions() if config.recommend is None else config.recommend.options
    target, version = workspace.directory / FOLDER, f"{name}@{version_of(folder)}"
    own = parse(RecommendOptions, options.model_dump() | {key: each for key, each in given.items() if each}, "similar")
    with workspace.lock():
        data, model = workspace.load_dataset(), Bundle.load(folder).engine
        manifest = similar_lists(model, data, target, own, tracker, version)
    return f"{target}: lists of {manifest.users - manifest.users_without} of {manifest.users} items by {version}"
