"""The command that shows a model on a page. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import Host, Output, Port, ServedBundle, ServedConfig, ServedRules, Set, State, show

app = typer.Typer()


@app.command()
def explore(
    config: ServedConfig = None,
    bundle: ServedBundle = None,
    rules: ServedRules = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="DIR|ALIAS", help="The other model: a bundle folder or an alias; default popularity."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write one page with a sample of users and items here, and serve nothing.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, max=500, help="Users of the sample of --export.")] = 24,
    images: Annotated[
        Path | None, typer.Option(help="The folder of the items' images; default that of CONFIG's items table.")
    ] = None,
    alias: Annotated[str, typer.Option(help="Which version is shown: an alias, or a version number.")] = "champion",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    state: State = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file of keys, one a line; the page asks for one.")
    ] = None,
    output: Output = None,
    set_: Set = None,
) -> None:
    """A page on which a person looks at histories, lists of two models, their reasons, neighbours and a map."""
    from pipelines.commands.explore import ExploreOptions, export_page, serve_pages
    from pipelines.commands.serve import Listen, ServeOptions
    from recsys.service.limits import Limits
    from recsys.service.state import Experiment

    serving = ServeOptions(Experiment(alias), Limits(), Listen(host, port, api_key_file), state, bundle, rules)
    options = ExploreOptions(serving, compare, images, users)
    if export is None:
        serve_pages(config, output, set_, options)
    else:
        show(export_page(config, output, set_, options, export))
