"""export: a bundle as vectors, an index and ONNX."""

from __future__ import annotations

from pathlib import Path

from pipelines.cli_arguments import open_run
from pipelines.stages.which_model import asked_model
from recsys.errors import ArtifactError
from recsys.export.export import export_bundle, parse_kinds
from recsys.registry.bundle import Bundle


def bundle_of_run(
    config: Path, run: Path | None, set_: list[str] | None, engine: str | None = None, alias: str | None = None
) -> tuple[Path, str]:
    """The folder and the name of the model that recommends in a run, see `pipelines.stages.which_model.asked_model`.

    Args:
        config: of the run.
        run: its output folder; None is ``runs/NAME``.
        set_: overrides.
        engine: a name in ``[engines]``, instead of what recommends.
        alias: an alias or a version of the registered model, instead of what recommends.

    Raises:
        ConfigError: the run has no such engine, or both are given.
        PromotionError: there is no such alias or version.
        ArtifactError: the bundle is not there, or was changed.
    """
    settings, workspace = open_run(config, run, set_)
    return asked_model(settings, workspace, engine, alias)


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
