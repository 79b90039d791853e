"""similar --all: item-to-item lists of all items, as a batch with the rules of ``[recommend]``."""

from __future__ import annotations

from pipelines.config import RunConfig
from pipelines.config_checks import check_engine
from pipelines.stages.choose import candidate_name
from pipelines.stages.final import served_bundle
from pipelines.workspace import Workspace
from recsys.registry.bundle import Bundle, version_of
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.similar_lists import similar_lists
from recsys.tracking import Tracker

FOLDER = "similar"


def similar_all(config: RunConfig, workspace: Workspace, k: int, engine: str | None, tracker: Tracker) -> str:
    """Writes ``similar/``: the ``k`` most similar items of every item; a batch that was stopped is resumed.

    Args:
        config: the run; the rules of its ``[recommend]`` hold, of the items and of the lists.
        workspace: the folder of the run.
        k: the number of items.
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
    own = options.model_copy(update={"k": k})
    with workspace.lock():
        data, model = workspace.load_dataset(), Bundle.load(folder).engine
        manifest = similar_lists(model, data, target, own, tracker, version)
    return f"{target}: lists of {manifest.users - manifest.users_without} of {manifest.users} items by {version}"
