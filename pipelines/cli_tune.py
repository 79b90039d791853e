"""The command `recsys tune`. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def tune(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file, as in pipelines/configs/.")],
    engine: Annotated[
        list[str] | None, typer.Option("--engine", metavar="NAME", help="Tunes this engine alone; repeatable.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Of each engine; default 20, or what the time allows.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time of the whole search (10m, 2h), shared evenly among the engines.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; with several, each has one thread.")] = 1,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Every trial becomes a run of MLflow.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where everything goes; default runs/NAME/tune.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Changes one key; repeatable.")
    ] = None,
) -> None:
    """Searches the options of every engine on validation alone, each with the same budget; resumes after a stop."""
    from pipelines.commands.tune import TuneOptions
    from pipelines.commands.tune import tune as search
    from pipelines.config import read_run_config
    from pipelines.workspace import Workspace
    from recsys.tracking import ConsoleTracker

    settings = read_run_config(config, set_ or ())
    workspace = Workspace(output or Path("runs") / settings.name / "tune")
    options = TuneOptions(tuple(engine or ()), trials, budget, jobs, mlflow)
    print(search(settings, workspace, ConsoleTracker(), options))
