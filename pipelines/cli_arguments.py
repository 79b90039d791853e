"""Arguments that several commands take, and opening a run from them. Nothing heavy is imported."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.files.addresses import without_passwords
from recsys.tracking import printable

if TYPE_CHECKING:
    from pipelines.config import RunConfig
    from pipelines.workspace import Workspace
    from recsys.tracking import ConsoleTracker

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file, as in pipelines/configs/; or demo.")]
OptionalConfig = Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A TOML file with a [split].")]
Exposures = Annotated[
    Path | None, typer.Option(help="The exposures.jsonl of a service instead: clicks by arm, with intervals.")
]
ServedConfig = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="A TOML file with a [promote] section; or demo.")
]
ServedBundle = Annotated[Path | None, typer.Option(help="A bundle folder instead of the registered model of CONFIG.")]
ServedRules = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="With --bundle: a TOML with [recommend] and event types in [data]."),
]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]
State = Annotated[
    Path | None, typer.Option(help="Folder of the feedback; default OUTPUT/serve, or BUNDLE.serve beside the bundle.")
]
Output = Annotated[Path | None, typer.Option("--output", help="Where everything goes; default runs/NAME.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Changes one key; repeatable.")
]
Format = Annotated[str | None, typer.Option("--format", metavar="parquet|csv|jsonl", help="Of the files of lists.")]
Layout = Annotated[
    str | None, typer.Option("--layout", metavar="long|lists", help="A row for each item, or for each list.")
]
Postgres = Annotated[str | None, typer.Option(help="Load the lists into this database, as dbname=shop.")]
Redis = Annotated[Path | None, typer.Option(help="Write the lists to this file for redis-cli --pipe.")]
Ttl = Annotated[int | None, typer.Option(min=1, help="Seconds after which a key of --redis expires; default never.")]
Alias = Annotated[str | None, typer.Option(help="A registered model: alias or version; default what recommends.")]
Name = Annotated[str | None, typer.Option("--engine", help="An engine of the run instead of what recommends.")]

Compute = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="local|ray", help="Computes here, or over a Ray cluster; default as [compute] says."
    ),
]

RAY = "ray"
"""The word of `--engine` for a Ray cluster."""

Tables = Annotated[list[Path] | None, typer.Argument(help="Files or folders of parts; which is which is found.")]
Interactions = Annotated[Path | None, typer.Option(help="The file of the interactions, where it is known.")]
Users = Annotated[Path | None, typer.Option(help="The users' table.")]
Items = Annotated[Path | None, typer.Option(help="The items' table.")]
Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE=NAME",
        help="A column of the interactions; ROLE is user_id, item_id, time, order, weight or event; or of a table, "
        "ROLE is users_table_id or items_table_id; repeatable.",
    ),
]


def open_run(config: Path, output: Path | None, set_: list[str] | None) -> tuple[RunConfig, Workspace]:
    """The run at ``config`` with its overrides, and its output folder, which is checked.

    Raises:
        ConfigError: the config is wrong.
        ArtifactError: a run would overwrite something of the user.
    """
    from pipelines.config import read_run_config
    from pipelines.stages import check_workspace
    from pipelines.workspace import Workspace

    settings = read_run_config(config, set_ or ())
    workspace = Workspace(output or Path("runs") / settings.name)
    check_workspace(settings, workspace)
    return settings, workspace


def run_words(config: Path, output: Path | None, set_: list[str] | None) -> list[str]:
    """The words of a command line that name a run.

    Example:
        >>> run_words(Path("shop.toml"), Path("out"), ["seed=3"])
        ['shop.toml', '--output', 'out', '--set', 'seed=3']
    """
    placed = [] if output is None else ["--output", str(output)]
    return [str(config), *placed, *(word for change in set_ or () for word in ("--set", change))]


def users_override(users: str | None) -> list[str]:
    """``--users`` as an override of ``recommend.users``: the path of a file, or ids with commas.

    Example:
        >>> users_override("7, 8"), users_override("ann"), users_override(None)
        (['recommend.users=[7, 8]'], ['recommend.users=["ann"]'], [])
    """
    if users is None:
        return []
    if users == "new":
        return ['recommend.users="new"']
    if _is_path(users):
        return [f"recommend.users={json.dumps(users)}"]
    ids = [part.strip() for part in users.split(",") if part.strip()]
    whole = all(re.fullmatch(r"-?(0|[1-9][0-9]*)", part) for part in ids)
    return [f"recommend.users={json.dumps([int(part) if whole else part for part in ids])}"]


def form_override(form: str | None, layout: str | None) -> list[str]:
    """``--format`` and ``--layout`` as overrides of ``[recommend]``.

    Example:
        >>> form_override("csv", None)
        ['recommend.format="csv"']
    """
    given = {"format": form, "layout": layout}
    return [f"recommend.{key}={json.dumps(value)}" for key, value in given.items() if value is not None]


def with_engine(set_: list[str] | None, engine: str | None) -> list[str]:
    """The overrides with ``--engine`` as one of ``compute.engine``.

    Example:
        >>> with_engine(["seed=3"], "ray"), with_engine(None, None)
        (['seed=3', 'compute.engine="ray"'], [])
    """
    return [*(set_ or ()), *([] if engine is None else [f"compute.engine={json.dumps(engine)}"])]


def split_engines(words: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The ``--engine`` words of `recsys tune`: the engines that are tuned, and where; no engine is called ``ray``.

    Example:
        >>> split_engines(["ease", "ray"]), split_engines([])
        ((('ease',), 'ray'), ((), None))
    """
    return tuple(word for word in words if word != RAY), RAY if RAY in words else None


def _is_path(text: str) -> bool:
    """Whether it names anything but a folder; a long list of ids is no valid name."""
    try:
        return Path(text).exists() and not Path(text).is_dir()
    except (OSError, ValueError):
        return False


def show(text: str) -> None:
    """Prints ``text`` to stdout; control characters of titles and ids in it are shown and not obeyed."""
    print(printable(without_passwords(text)))


def tracker() -> ConsoleTracker:
    """The tracker of the command line."""
    from recsys.tracking import ConsoleTracker

    return ConsoleTracker()
