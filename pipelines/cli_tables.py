"""Commands that come before and after a run: a first config, the options of engines, what columns are worth."""

from __future__ import annotations

from typing import Annotated

import typer

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
