"""The command `recsys auto`. Nothing heavy is imported before it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def auto(
    interactions: Annotated[Path, typer.Option(help="A CSV or Parquet file: user_id, item_id, perhaps timestamp.")],
    users: Annotated[Path | None, typer.Option(help="The users' table.")] = None,
    items: Annotated[Path | None, typer.Option(help="The items' table.")] = None,
    budget: Annotated[str, typer.Option(help="Wall time of everything: 90s, 10m, 1h.")] = "10m",
    protocol: Annotated[
        str | None, typer.Option(help="temporal, leave_one_out or random; default: what the tables suggest.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="Tries this kind of engine alone; repeatable.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Where everything goes; default runs/NAME.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="data.KEY=VALUE", help="Names a column, for instance.")
    ] = None,
) -> int:
    """The best that can be done with the tables in the time: engines, options, weights, a report, a config."""
    started = time.monotonic()
    from pipelines.commands.auto import AutoRequest, run
    from recsys.tracking import ConsoleTracker

    tables = (interactions, users, items)
    request = AutoRequest(*tables, budget, output, protocol, tuple(engine or ()), set_ or (), started)
    return run(request, ConsoleTracker())
