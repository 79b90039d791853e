"""Commands that come before and after a run: a first config, the options of engines, what columns are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import ConfigPath, Output, Set, open_run, tracker

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

    print(list_kinds() if name is None and embedder is None else describe(name, embedder))


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
    print(columns_run(settings, workspace, tracker(), ColumnOptions(engine, metric, users)))


@app.command()
def init(
    tables: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders of parts; which is which is found.")
    ] = None,
    interactions: Annotated[Path | None, typer.Option(help="The file of the interactions, where it is known.")] = None,
    users: Annotated[Path | None, typer.Option(help="The users' table.")] = None,
    items: Annotated[Path | None, typer.Option(help="The items' table.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="A column of the interactions; ROLE is user_id, item_id, time, order, weight or event; repeatable.",
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the config goes; an existing file is not replaced.")] = Path(
        "config.toml"
    ),
) -> None:
    """Writes a first config for TABLES, which runs as it stands, with what was inferred as comments."""
    from pipelines.commands.init import run as init_run

    given = {"interactions": interactions, "users": users, "items": items}
    print(init_run(tables or (), {role: path for role, path in given.items() if path}, column or (), output))
