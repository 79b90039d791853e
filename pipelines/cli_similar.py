"""The command about items that are near each other. Nothing heavy is imported before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli_arguments import ConfigPath, Format, Layout, Name, Output, Set, open_run, show, tracker
from recsys.errors import ConfigError

app = typer.Typer()


@app.command()
def similar(
    config: ConfigPath,
    title: Annotated[str | None, typer.Argument(help="An item's title, a part of it, or its id.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Lists of all items, as parts in similar/.")] = False,
    text: Annotated[str | None, typer.Option(help="Any text instead, in a table made from content.")] = None,
    table: Annotated[
        str | None, typer.Option(help="The table that --text is compared with; default the aligned one.")
    ] = None,
    images: Annotated[bool, typer.Option("--images", help="Compare --text with the items' images alone.")] = False,
    k: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    form: Format = None,
    layout: Layout = None,
    engine: Name = None,
    output: Output = None,
    set_: Set = None,
) -> None:
    """The items whose vectors are nearest to an item's, or to a text's."""
    from pipelines.commands.similar import similar_items, similar_to_text
    from pipelines.commands.similar_all import similar_all
    from pipelines.made_bundle import check_output

    settings, workspace = open_run(config, output, set_)
    if [title is not None, text is not None, all_].count(True) != 1:
        raise ConfigError("similar needs exactly one of an item's title and --text, or --all alone")
    if images and text is None:
        raise ConfigError("similar --images compares a text with images; give it --text")
    if not all_ and (form, layout) != (None, None):
        raise ConfigError("--format and --layout are of the files of similar --all")
    check_output(config, settings, workspace, output)
    if all_:
        show(similar_all(settings, workspace, {"k": k, "format": form, "layout": layout}, engine, tracker()))
    elif title is not None:
        show(similar_items(settings, workspace, title, k, engine))
    else:
        show(similar_to_text(settings, workspace, text or "", k, table, images))
