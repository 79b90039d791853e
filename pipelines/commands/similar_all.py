"""similar --all: item-to-item lists of all items, as a batch with the rules of ``[recommend]``."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.config import RunConfig
from pipelines.served_as import recommend_options
from pipelines.stages.recommend import target_of
from pipelines.stages.served_data import served_data
from pipelines.stages.which_model import asked_model
from pipelines.workspace import Workspace
from recsys.config import parse
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.output import Place
from recsys.retrieval.similar_lists import similar_lists
from recsys.tracking import Tracker

FOLDER = "similar"


def similar_target(config: RunConfig, workspace: Workspace) -> Place:
    """Where the lists go: ``similar/`` in the output folder, or beside ``recommend.output``, as ``OUTPUT-similar``."""
    if config.recommend is None or config.recommend.output is None:
        return workspace.directory / FOLDER
    lists = target_of(config, workspace)
    return f"{lists.rstrip('/')}-{FOLDER}" if isinstance(lists, str) else lists.with_name(f"{lists.name}-{FOLDER}")


def similar_all(
    config: RunConfig,
    workspace: Workspace,
    given: Mapping[str, object],
    tracker: Tracker,
    engine: str | None = None,
    alias: str | None = None,
) -> str:
    """Writes the ``k`` most similar items of every item to `similar_target`; a batch that was stopped is resumed.

    Args:
        config: the run; the rules of its ``[recommend]`` hold, of the items and of the lists.
        workspace: the folder of the run.
        given: options that replace those of ``[recommend]``: ``k``, ``format`` and ``layout``; None replaces none.
        tracker: reports progress, and which rules are left out.
        engine: a name in ``[engines]``.
        alias: an alias or a version of the registered model; see `pipelines.stages.which_model.asked_model`.

    Returns:
        A line with the folder and the number of items that have a list.

    Raises:
        ConfigError: the run has no such engine, or ``recommend.where`` names columns of users.
        PromotionError: there is no such alias or version.
        ArtifactError: the engine has no bundle yet, or an item vector is NaN or infinite.
    """
    folder, version = asked_model(config, workspace, engine, alias)
    target, options = similar_target(config, workspace), recommend_options(config)
    own = parse(RecommendOptions, options.model_dump() | {key: each for key, each in given.items() if each}, "similar")
    with workspace.lock():
        data, model = served_data(folder, version, workspace, tracker).data, Bundle.load(folder).engine
        manifest = similar_lists(model, data, target, own, tracker, version, beside=folder)
    return f"{target}: lists of {manifest.users - manifest.users_without} of {manifest.users} items by {version}"
