"""Commands that begin with raw tables: a first config, and the search for the best engines. Imports nothing heavy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import Column, Interactions, Items, Tables, Users, show

app = typer.Typer()


@app.command()
def auto(
    tables: Tables = None,
    interactions: Interactions = None,
    users: Users = None,
    items: Items = None,
    column: Column = None,
    budget: Annotated[str, typer.Option(help="Wall time of everything, imports included: 90s, 10m, 1h.")] = "10m",
    protocol: Annotated[
        str | None, typer.Option(help="temporal, leave_one_out or random; default: what the tables suggest.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="Tries this kind of engine alone; repeatable.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Where everything goes; default runs/NAME.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="data.KEY=VALUE", help="Sets a key of [data]; repeatable.")
    ] = None,
) -> int:
    """The best that can be done with TABLES in the time: engines, options, weights, a report, a config."""
    started = time.monotonic() - time.process_time()  # with the start of Python
    from pipelines.commands.auto import AutoRequest, run
    from pipelines.first_config.tables import GivenTables
    from recsys.tracking import ConsoleTracker

    roles = {"interactions": interactions, "users": users, "items": items}
    given = GivenTables(tables or (), roles, column or (), set_ or ())
    return run(AutoRequest(given, budget, output, protocol, tuple(engine or ()), started), ConsoleTracker())


@app.command()
def init(
    tables: Tables = None,
    interactions: Interactions = None,
    users: Users = None,
    items: Items = None,
    column: Column = None,
    output: Annotated[Path, typer.Option(help="Where the config goes; an existing file is not replaced.")] = Path(
        "config.toml"
    ),
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="data.KEY=VALUE", help="Sets a key of [data], as data.encoding; repeatable."),
    ] = None,
) -> None:
    """Writes a first config for TABLES, which runs as it stands, with what was inferred as comments."""
    from pipelines.commands.init import run
    from pipelines.first_config.tables import GivenTables

    roles = {"interactions": interactions, "users": users, "items": items}
    show(run(GivenTables(tables or (), roles, column or (), set_ or ()), output))


@app.command()
def data(name: Annotated[str | None, typer.Argument(help="A named public data set; none lists them.")] = None) -> None:
    """Lists the named public data sets, or fetches one and shows what it holds."""
    from pipelines.commands.data import describe_source, list_sources

    show(list_sources() if name is None else describe_source(name))
