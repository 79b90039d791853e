"""The stages of a run, in order."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.config import RunConfig
from pipelines.seen_items import check_shown
from pipelines.stages.names_check import check_names
from pipelines.stages.track import tracking_place
from pipelines.workspace import Workspace
from recsys.choices import Choices
from recsys.registry.mlflow_client import check_registry
from recsys.tracking import Tracker

Stage = Callable[[RunConfig, Workspace, Tracker], "int | None"]
"""Runs one stage; returns an exit code other than 0, or None."""

STAGES: Choices[Stage] = Choices(
    "stage",
    {
        "prepare": "pipelines.stages.prepare:run",
        "pretrain": "pipelines.stages.pretrain:run",
        "train": "pipelines.stages.train:run",
        "evaluate": "pipelines.stages.evaluate:run",
        "final": "pipelines.stages.final:run",
        "promote": "pipelines.stages.promote:run",
        "recommend": "pipelines.stages.recommend:run",
    },
)
"""finetune is no part of a run: it makes a child of a bundle out of newer data."""


def check_workspace(config: RunConfig, workspace: Workspace) -> None:
    """Refuses an output folder in which a run of ``config`` would overwrite something of the user.

    Raises:
        ArtifactError: names it and the remedy.
    """
    local_store = config.promote is not None and config.promote.tracking_uri is None
    workspace.check(config.pretrain, config.engines, local_store)


def run_stages(config: RunConfig, workspace: Workspace, tracker: Tracker, last: str = "recommend") -> int:
    """Runs every stage up to ``last``, skipping current outputs; exit code 2 if the candidate was not promoted."""
    if last == "recommend":
        check_shown(config)
    code = 0
    check_workspace(config, workspace)
    if config.evaluate.track or (config.promote is not None and last in ("promote", "recommend")):
        check_registry(tracking_place(config, workspace)[0])
    with workspace.lock():
        for name in STAGES:
            code = max(code, STAGES[name](config, workspace, tracker) or 0)
            if name == "prepare":
                check_names(config, workspace)
            if name == last:
                break
    return code
