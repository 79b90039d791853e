"""Commands about the options of engines and what they read. Nothing heavy is imported before one runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import (
    ConfigPath,
    Output,
    Set,
    open_run,
    show,
    split_engines,
    tracker,
    with_engine,
)

app = typer.Typer()


@app.command()
def options(
    name: Annotated[
        str | None, typer.Argument(metavar="[ENGINE]", help="A kind of engine or embedder; none lists them.")
    ] = None,
    embedder: Annotated[str | None, typer.Option(help="A kind of embedder instead.")] = None,
) -> None:
    """Every option of an engine or an embedder: type, default, range and what it does."""
    from pipelines.commands.options import describe, list_kinds

    show(list_kinds() if name is None and embedder is None else describe(name, embedder))


@app.command()
def columns(
    config: ConfigPath,
    engine: Annotated[
        str | None, typer.Option(help="A two-tower engine of the run; default the promoted one, or the first.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Of the worth; default what the engine maximizes.")] = None,
    users: Annotated[int, typer.Option(min=1, help="At most so many random validation users.")] = 2000,
    output: Output = None,
    set_: Set = None,
) -> None:
    """What each item and user column tells, and is worth on validation: left out, alone, warnings."""
    from pipelines.commands.columns import ColumnOptions
    from pipelines.commands.columns import run as columns_run

    settings, workspace = open_run(config, output, set_)
    show(columns_run(settings, workspace, tracker(), ColumnOptions(engine, metric, users)))


@app.command()
def tune(
    config: ConfigPath,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", metavar="NAME|ray", help="Tunes this engine alone; repeatable. ray: over a cluster."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Of each engine; default 20, or what the time allows.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time of the whole command (10m, 2h); the engines share it evenly.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Ends the search of an engine after so many trials without a better one.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of one thread each; default 1, or over Ray all there is room for."),
    ] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Every trial becomes a run of MLflow.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where everything goes; default runs/NAME/tune.")
    ] = None,
    set_: Set = None,
) -> None:
    """Searches the options of every engine on validation alone, each with the same budget; resumes after a stop."""
    started = time.monotonic() - time.process_time()  # with the start of Python
    from pipelines.commands.tune import TuneOptions
    from pipelines.commands.tune import tune as search
    from pipelines.config import read_run_config
    from pipelines.workspace import Workspace

    names, compute = split_engines(engine or ())
    settings = read_run_config(config, with_engine(set_, compute))
    workspace = Workspace(output or Path("runs") / settings.name / "tune")
    options = TuneOptions(names, trials, budget, jobs or 0, mlflow, patience, started)
    show(search(settings, workspace, tracker(), options))


@app.command()
def attribution(config: ConfigPath, output: Output = None, set_: Set = None) -> None:
    """What each modality of a trained engine contributes: Shapley values, left out, alone."""
    from pipelines.commands.attribution import run as attribute

    show(attribute(*open_run(config, output, set_)))
