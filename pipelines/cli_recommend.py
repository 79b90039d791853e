"""The command that writes lists. Nothing heavy is imported before it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_arguments import (
    Compute,
    ConfigPath,
    Format,
    Layout,
    Output,
    Postgres,
    Redis,
    Set,
    Ttl,
    form_override,
    open_run,
    show,
    tracker,
    users_override,
    with_engine,
)

app = typer.Typer()


@app.command()
def recommend(
    config: ConfigPath,
    output: Output = None,
    alias: Annotated[str | None, typer.Option(help="A registered model: alias or version number.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle folder instead of the registered model.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="A prepared dataset instead of the newest that the model knows.")
    ] = None,
    users: Annotated[str | None, typer.Option(help="Of these alone: a file of ids, ids with commas, or new.")] = None,
    histories: Annotated[
        Path | None, typer.Option(help="A file of sessions instead of users, with the columns of the interactions.")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Ranks users of whom something changed; others keep their lists.")
    ] = False,
    form: Format = None,
    layout: Layout = None,
    engine: Compute = None,
    postgres: Postgres = None,
    table: Annotated[str, typer.Option(help="The table of --postgres, which is replaced whole.")] = "recommendations",
    redis: Redis = None,
    prefix: Annotated[str, typer.Option(help="Of the keys of --redis.")] = "rec:",
    ttl: Ttl = None,
    set_: Set = None,
) -> None:
    """The top items of every user, as Parquet parts or others; resumes after a kill."""
    from pipelines.commands.outputs import Databases, check_replaced
    from pipelines.made_bundle import check_output, require_promotion
    from pipelines.stages.prepare import run as prepare
    from pipelines.stages.recommend import check_source, run_from, target_of

    databases = Databases(postgres, table, redis, prefix, ttl)
    overrides = [*with_engine(set_, engine), *users_override(users), *form_override(form, layout)]
    overrides += [] if histories is None else [f"recommend.histories={json.dumps(str(histories))}"]
    overrides += ["recommend.incremental=true"] if incremental else []
    settings, workspace = open_run(config, output, overrides)
    given = {change.partition("=")[0].strip() for change in overrides}
    some = given & {"recommend.users", "recommend.histories"} and "recommend.output" not in given
    if alias is not None and bundle is None:
        require_promotion(config, settings, workspace)
    elif bundle is None and settings.recommend is not None and settings.recommend.engine is not None:
        check_output(config, settings, workspace, output)
    with workspace.lock():
        check_source(settings, workspace, alias, bundle)
        if settings.recommend is not None and some:
            check_replaced(target_of(settings, workspace), settings.recommend)
        if dataset is None:
            prepare(settings, workspace, tracker())
        show(run_from(settings, workspace, tracker(), alias=alias, bundle=bundle, dataset=dataset))
        for line in databases.bring(target_of(settings, workspace)):
            show(line)
