"""The bundle of a config that was made already: in the output folder, or beside the config as `auto` leaves it."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RunConfig
from pipelines.workspace import Workspace
from recsys.errors import ConfigError
from recsys.registry.bundle import MANIFEST


def made_bundle(config: RunConfig, workspace: Workspace) -> Path | None:
    """The folder in ``workspace`` of an engine that recommends, fitted on all interactions if there is one."""
    name = config.candidates[-1]
    folders = (workspace.final.bundle(name), workspace.bundle(name))
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def require_promotion(path: Path, config: RunConfig, workspace: Workspace) -> None:
    """Checks that a config names a registered model.

    Args:
        path: of the config.
        config: the run.
        workspace: its output folder.

    Raises:
        ConfigError: it has no ``[promote]`` section; names the bundle that can be given instead, if there is one.
    """
    if config.promote is not None:
        return
    found = made_bundle(config, workspace) or made_bundle(config, Workspace(path.parent))
    instead = "run it, and give --bundle" if found is None else f"give --bundle {found} in its place"
    raise ConfigError(f"{path} has no [promote] section, which names the registered model; add one, or {instead}")


def check_output(path: Path, config: RunConfig, workspace: Workspace, output: Path | None) -> None:
    """Checks that the outputs of a run are looked for where they are.

    Args:
        path: of the config.
        config: the run.
        workspace: its output folder.
        output: as the command line gives it.

    Raises:
        ConfigError: no folder was given, the default one has no bundle, and the folder of the config has it.
    """
    beside = Workspace(path.parent)
    if output is None and made_bundle(config, workspace) is None and made_bundle(config, beside) is not None:
        raise ConfigError(
            f"{workspace.directory} has no bundle of {config.candidates[-1]!r}, and {path.parent} has; "
            f"give --output {path.parent}"
        )
