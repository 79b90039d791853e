"""The command that serves a model over HTTP. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import Host, Output, Port, ServedBundle, ServedConfig, ServedRules, Set, State

app = typer.Typer()


@app.command()
def serve(
    config: ServedConfig = None,
    bundle: ServedBundle = None,
    rules: ServedRules = None,
    alias: Annotated[str, typer.Option(help="Which version answers: an alias, or a version number.")] = "champion",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    state: State = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file of keys, one a line; requests must bring one.")
    ] = None,
    shadow: Annotated[str | None, typer.Option(help="An alias that is asked too, logged and not shown.")] = None,
    challenger: Annotated[str | None, typer.Option(help="An alias that answers a share of the users.")] = None,
    share: Annotated[float, typer.Option(help="Of the users who get the challenger.")] = 0.1,
    experiment: Annotated[str, typer.Option(help="Another name divides the users anew.")] = "experiment",
    poll: Annotated[float, typer.Option(help="Seconds between two looks at aliases, data and files of rules.")] = 1.0,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 2**20,
    max_k: Annotated[int, typer.Option(min=1, help="Length of a list.")] = 1000,
    max_history: Annotated[int, typer.Option(min=1, help="Items of a history.")] = 1000,
    max_batch: Annotated[int, typer.Option(min=1, help="Users or events of one request.")] = 1000,
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds until a request is given up.")] = 5.0,
    output: Output = None,
    set_: Set = None,
) -> None:
    """Serves a model over HTTP: lists, similar items, vectors, search, feedback; reloads when the alias moves."""
    from pipelines.commands.serve import Listen, ServeOptions, run
    from recsys.service.limits import Limits
    from recsys.service.state import Experiment

    limits = Limits(max_body, max_k, max_history, batch=max_batch, seconds=timeout)
    aliases = Experiment(alias, challenger, share, experiment, shadow, poll)
    options = ServeOptions(aliases, limits, Listen(host, port, api_key_file), state, bundle, rules)
    run(config, output, set_, options)
