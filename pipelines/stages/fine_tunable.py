"""Which bundles can be fine-tuned: of engines with two towers, whose training goes on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pipelines.config import RunConfig, engine_specs
from pipelines.stages.final import served_bundle
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.engines import ENGINES
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ConfigError
from recsys.registry.bundle import HEADER, Bundle


def check_kind(config: RunConfig, workspace: Workspace, source: Path, command: Sequence[str]) -> None:
    """Checks the kind of the engine in the bundle ``source`` before anything large is read.

    Args:
        config: the run, whose engines of a kind that can be fine-tuned are named with their bundles.
        workspace: of the run.
        source: the parent; a folder without a bundle is told when it is loaded.
        command: the words of the command line behind ``recsys finetune``, without ``--bundle``.

    Raises:
        ConfigError: the engine has no two towers; names the command that fine-tunes one of the run.
    """
    header = read_json(source / HEADER) if (source / HEADER).is_file() else {}
    kind = header.get("engine") if isinstance(header, dict) else None
    if not isinstance(kind, str) or kind not in ENGINES or issubclass(ENGINES[kind], TwoTower):
        return
    places = {name: served_bundle(config, workspace, name) for name in _two_towers(config)}
    trained = {name: place for name, place in places.items() if (place / HEADER).is_file()}
    raise ConfigError(
        f"{source} holds an engine of kind {kind!r}; only two_tower can be fine-tuned, and the sequence engines, which "
        f"have two towers too; {_remedy(places, trained, command)}"
    )


def _remedy(places: dict[str, Path], trained: dict[str, Path], command: Sequence[str]) -> str:
    if not places:
        return "this run has none: give the bundle of one with --bundle, or add [engines.two_tower] to the config"
    if not trained:
        return f"{' and '.join(places)} of this run is not trained yet: recsys run trains it"
    name, place = next(iter(trained.items()))
    words = ["recsys", "finetune", *command, "--bundle", str(place)]
    others = f"\nand the same for {', '.join(list(trained)[1:])}" if len(trained) > 1 else ""
    return f"for {name} of this run:\n  {shlex.join(words)}{others}"


def _two_towers(config: RunConfig) -> list[str]:
    """The names of the run's engines that can be fine-tuned."""
    return [spec.name for spec in engine_specs(config) if issubclass(ENGINES[spec.kind], TwoTower)]


def fine_tunable(bundle: Bundle, source: Path) -> TwoTower:
    """The engine of a bundle whose kind was checked.

    Raises:
        ConfigError: the bundle has no histories.
    """
    if not isinstance(bundle.engine, TwoTower):
        raise ConfigError(f"{source} holds an engine of kind {bundle.kind!r}; only two_tower can be fine-tuned")
    if bundle.histories is None:
        raise ConfigError(f"{source} has no training histories, which fine-tuning needs; train it again")
    return bundle.engine
