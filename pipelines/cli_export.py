"""The command that exports a model for other programs. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import Alias, Name, Set, show

app = typer.Typer()


@app.command()
def export(
    output: Annotated[Path, typer.Option(help="The folder of the export; new, or an earlier export.")],
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A TOML file of a run.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle folder instead of the model of CONFIG.")] = None,
    what: Annotated[
        str | None, typer.Option(help="vectors,faiss,onnx or some of them; default all that the engine allows.")
    ] = None,
    engine: Name = None,
    alias: Alias = None,
    run: Annotated[Path | None, typer.Option(help="The output folder of the run; default runs/NAME.")] = None,
    set_: Set = None,
) -> None:
    """The model that recommends, as vectors, a FAISS index and ONNX of towers, for programs without recsys."""
    from pipelines.commands.export import bundle_of_run, export_folder
    from recsys.errors import ConfigError

    if (config is None) == (bundle is None):
        raise ConfigError("export needs exactly one of CONFIG and --bundle")
    if bundle is not None and (engine, alias) != (None, None):
        raise ConfigError("--engine and --alias are of CONFIG, and --bundle names the model itself")
    if config is not None:
        bundle, version = bundle_of_run(config, run, set_, engine, alias)
        show(f"the model is {version}")
    assert bundle is not None
    show(export_folder(bundle, output, what))
