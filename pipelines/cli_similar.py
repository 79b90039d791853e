"""The command about items that are near each other. Nothing heavy is imported before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli_arguments import (
    Alias,
    ConfigPath,
    Format,
    Layout,
    Name,
    Output,
    Postgres,
    Redis,
    Set,
    Ttl,
    open_run,
    show,
    tracker,
)
from recsys.errors import ConfigError

app = typer.Typer()
_TABLE = "similar_items"


@app.command()
def similar(
    config: ConfigPath,
    title: Annotated[str | None, typer.Argument(help="An item's title, a part of it, or its id.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Lists of all items, as parts in similar/.")] = False,
    text: Annotated[str | None, typer.Option(help="Any text instead, in a table made from content.")] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help=f"That --text is compared with, default the aligned one; or of --postgres, default {_TABLE}."
        ),
    ] = None,
    images: Annotated[bool, typer.Option("--images", help="Compare --text with the items' images alone.")] = False,
    k: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    form: Format = None,
    layout: Layout = None,
    engine: Name = None,
    alias: Alias = None,
    postgres: Postgres = None,
    redis: Redis = None,
    prefix: Annotated[str, typer.Option(help="Of the keys of --redis.")] = "similar:",
    ttl: Ttl = None,
    output: Output = None,
    set_: Set = None,
) -> None:
    """The items whose vectors are nearest to an item's, or to a text's, of those that may be recommended."""
    from pipelines.commands.outputs import Databases
    from pipelines.commands.similar import similar_items, similar_to_text
    from pipelines.commands.similar_all import similar_all, similar_target
    from pipelines.made_bundle import check_output

    databases = Databases(postgres, table or _TABLE, redis, prefix, ttl)
    settings, workspace = open_run(config, output, set_)
    if [title is not None, text is not None, all_].count(True) != 1:
        raise ConfigError("similar needs exactly one of an item's title and --text, or --all alone")
    if images and text is None:
        raise ConfigError("similar --images compares a text with images; give it --text")
    if text is not None and (engine, alias) != (None, None):
        raise ConfigError("--engine and --alias are of a model, and --text is compared with a --table")
    if not all_ and (form, layout, postgres, redis) != (None, None, None, None):
        raise ConfigError("--format, --layout, --postgres and --redis are of the lists of similar --all")
    check_output(config, settings, workspace, output)
    if all_:
        given = {"k": k, "format": form, "layout": layout}
        show(similar_all(settings, workspace, given, tracker(), engine, alias))
        for line in databases.bring(similar_target(settings, workspace)):
            show(line)
    elif title is not None:
        show(similar_items(settings, workspace, title, k, engine, alias))
    else:
        show(similar_to_text(settings, workspace, text or "", k, table, images))
