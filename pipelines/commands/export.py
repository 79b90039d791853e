"""export: a bundle as vectors, an index and ONNX."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli_arguments import open_run
from pipelines.config import RunConfig, engine_specs
from pipelines.config_checks import check_engine
from pipelines.specs import EngineSpec
from pipelines.stages.choose import candidate_name
from pipelines.stages.final import served_bundle
from recsys.engines import ENGINES
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ArtifactError, ConfigError
from recsys.export.export import export_bundle, parse_kinds
from recsys.registry.bundle import Bundle


def bundle_of_run(
    config: Path, run: Path | None, set_: list[str] | None, engine: str | None, options: Sequence[str] = ()
) -> Path:
    """The folder of the bundle that recommends in a run.

    Args:
        config: of the run.
        run: its output folder; None is ``runs/NAME``.
        set_: overrides.
        engine: a name in ``[engines]``; None is the engine that is promoted.
        options: the other words of the command line, for the message.

    Raises:
        ConfigError: the run has no such engine, or its vectors are sparse; names those of the run that can be exported.
        ArtifactError: the bundle is not there, or was changed.
    """
    settings, workspace = open_run(config, run, set_)
    name = engine or candidate_name(settings, workspace)
    check_engine(settings, "--engine", name)
    placed = [] if run is None else ["--run", str(run)]
    changes = [word for change in set_ or () for word in ("--set", change)]
    _check_dense(settings, name, [str(config), *placed, *changes, *options])
    return served_bundle(settings, workspace, name)


def _check_dense(config: RunConfig, name: str, command: Sequence[str]) -> None:
    """Refuses an engine of sparse vectors before its bundle is read."""
    specs = {spec.name: spec for spec in engine_specs(config)}
    if not _is_sparse(specs[name], specs):
        return
    parts = [part for part in specs[name].parts if _is_sparse(specs[part], specs)]
    whose = f"those of its parts {', '.join(parts)} are" if parts else "its vectors are"
    told = f"nothing of {name!r} can be exported: {whose} sparse, as long as the catalogue"
    dense = [each.name for each in specs.values() if each.kind != "auto" and not _is_sparse(each, specs)]
    if not dense:
        raise ConfigError(f"{told}, and so are those of every engine of this run; add one such as [engines.two_tower]")
    towers = [each for each in dense if issubclass(ENGINES[specs[each].kind], TwoTower)]
    words = ["recsys", "export", *command, "--engine", (towers or dense)[0]]
    raise ConfigError(f"{told}; of this run {', '.join(dense)} can be:\n  {shlex.join(words)}")


def _is_sparse(spec: EngineSpec, specs: dict[str, EngineSpec]) -> bool:
    """Whether the vectors of an engine or of one of its parts are as long as the catalogue."""
    return ENGINES[spec.kind].sparse_vectors or any(_is_sparse(specs[part], specs) for part in spec.parts)


def export_folder(source: Path, output: Path, what: str | None) -> str:
    """Exports the bundle in ``source``; returns what was written, one line each.

    Raises:
        ConfigError: ``what`` is wrong, or the engine does not allow it.
        ArtifactError: ``source`` holds no bundle, or lies in ``output``, which would be replaced.
    """
    kinds = None if what is None else parse_kinds(what)
    if source.resolve().is_relative_to(output.resolve()) or output.resolve().is_relative_to(source.resolve()):
        raise ArtifactError(f"{output} and the bundle {source} lie in each other; choose another --output")
    return str(export_bundle(Bundle.load(source), output, kinds))
