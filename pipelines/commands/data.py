"""What `recsys data` and `recsys validate` show."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipelines.column_roles import named_columns
from pipelines.config_paths import read_raw
from pipelines.first_config.roles import find_roles
from pipelines.reference_cells import toml
from pipelines.run_check import RunCheck
from recsys.atomic import make_parents, write_text
from recsys.config import apply_overrides, parse
from recsys.data.demand.summary import demand_summary
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.readers import typed_tables
from recsys.data.ingest.summary import summaries
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.overview.column_use import ColumnReaders
from recsys.data.overview.overview import overview
from recsys.data.sources import SOURCES, located, resolve
from recsys.errors import ConfigError, DataError
from recsys.files.addresses import nameable
from recsys.json_values import JsonObject

_ROLES = ("user_id", "item_id", "users_table_id", "items_table_id", "time", "order", "weight", "event")
_TABLES = ("interactions", "users", "items")
_MARK, _HEAD = "<title>Data of ", 2000


def list_sources() -> str:
    """The named public data sets, one a line, and where each is."""
    width = max(map(len, SOURCES))
    lines = [f"{name:<{width}}  {_whereabouts(name)}" for name in sorted(SOURCES)]
    return "\n".join([*lines, "", "recsys data NAME shows what one holds; a config names it as data.source."])


def describe_source(name: str) -> str:
    """Describes a named dataset, fetched where it is missing: its files, the kinds of its columns, and warnings.

    Raises:
        ConfigError: no such name.
        DataError: it cannot be fetched or read.
    """
    SOURCES[name]  # an unknown name raises its own error before fetching
    found = ValidationIssues()
    tables = typed_tables(resolve(DataConfig(name=name, source=name)), found)
    found.raise_errors()
    blocks = [table.to_text() for table in summaries(tables)]
    demand = demand_summary(tables)
    return "\n\n".join(blocks if demand is None else [*blocks, demand.to_text()])


def data_config(
    config: Path | None, interactions: Path | None, users: Path | None, items: Path | None, overrides: Iterable[str]
) -> DataConfig:
    """The ``[data]`` section of a run's config, or bare files.

    Raises:
        ConfigError: both or neither are given.
    """
    if (config is None) == (interactions is None):
        raise ConfigError("give either a CONFIG with [data] or --interactions FILE [--users FILE] [--items FILE]")
    if config is None:
        assert interactions is not None
        raw: JsonObject = {
            "name": nameable(interactions).stem,
            "interactions": interactions,
            "users": users,
            "items": items,
        }
        prefixed = apply_overrides({"data": raw}, overrides)
        other = [key for key in prefixed if key != "data"]
        if other:
            raise ConfigError(f"--set {other[0]} is no key of data; beside --interactions write --set data.{other[0]}")
        return parse(DataConfig, prefixed["data"], "the command line")
    whole = read_raw(config, overrides)
    if "data" not in whole:
        raise ConfigError(f"{config} has no [data] section")
    return resolve(parse(DataConfig, whole["data"], f"{config} [data]"))


def placed_paths(
    paths: Sequence[Path], interactions: Path | None, others: Mapping[str, Path | None]
) -> tuple[Path | None, Path | None]:
    """The config and the interactions that the arguments of validate mean; a single table is the interactions.

    Args:
        paths: arguments without a role.
        interactions: the file that was given as such.
        others: ``users`` and ``items`` -> the file that was given as such.

    Raises:
        ConfigError: several tables are given without roles; the message is the command that takes them.
    """
    tables = [path for path in paths if _is_table(path)]
    if not tables and len(paths) <= 1:
        return (paths[0] if paths else None), interactions
    given = {role: path for role, path in {"interactions": interactions, **others}.items() if path is not None}
    if len(paths) == 1 and "interactions" not in given:
        return None, paths[0]
    free = [role for role in _TABLES if role not in given]
    if len(tables) < len(paths) or len(paths) > len(free):
        raise ConfigError("give one CONFIG, or tables by their roles: --interactions FILE --users FILE --items FILE")
    found = {} if given else _roles_of(paths)
    named = given | (found or dict(zip(free, paths, strict=False)))
    options = " ".join(f"--{role} {shlex.quote(str(named[role]))}" for role in _TABLES if role in named)
    which = "" if found else "; name each file by what it holds"
    raise ConfigError(f"validate takes one CONFIG, or tables by their roles: recsys validate {options}{which}")


def _roles_of(paths: Sequence[Path]) -> dict[str, Path]:
    """The role of each table, by what it holds; empty where that cannot be told."""
    read = [read_table(Location(ValidationIssues(), path)) for path in paths]
    tables = [table for table in read if table is not None and len(table)]
    try:
        roles = find_roles(tables, {}) if len(tables) == len(paths) else None
    except DataError:
        return {}
    if roles is None or roles.unused:
        return {}
    return {role: table.location.file for role, table in roles.tables.items()}


def _is_table(path: Path) -> bool:
    """Whether it is a folder of parts, or a file of a table: no config, which is TOML."""
    return path.is_dir() or (path.suffix.lower() != ".toml" and "://" not in str(path) and path.suffix != "")


def issues(
    config: DataConfig,
    as_json: bool,
    readers: ColumnReaders | None = None,
    picture: Path | None = None,
    check: RunCheck | None = None,
) -> tuple[str, bool]:
    """Everything that is wrong with the tables, as text or JSON, and whether an error is among it.

    Args:
        config: the tables.
        as_json: whether the text is JSON.
        readers: what reads the columns of users and items; None names the kinds of engines that can.
        picture: where a page with pictures of the data is written; None writes none.
        check: adds what else `recsys prepare` refuses; None checks no more.

    Raises:
        ConfigError: ``picture`` is no name of an HTML file, or there is a file that was not written here.
    """
    if picture is not None:
        _check_picture(picture)
    found = validate(config, readers)
    shown = overview(found.typed) if picture is not None and found.typed.interactions else None
    if check is not None:
        check(found)
    text = to_json(found) if as_json else to_text(found)
    if picture is not None:
        from recsys.evaluation.report.html_data import data_page

        name = config.name or (nameable(config.interactions).stem if config.interactions is not None else "tables")
        make_parents(picture)
        write_text(picture, data_page(name, found, shown))
        text += "" if as_json else f"\n\npicture of the data: {picture}"
    return text, found.failed


def column_readers(config: Path | None, overrides: Iterable[str]) -> ColumnReaders | None:
    """What reads columns in the run of ``config``; None for bare files, and for a config with [data] alone."""
    whole = {} if config is None else read_raw(config, overrides)
    if "engines" not in whole:
        return None
    return ColumnReaders.of_run(whole["engines"], whole.get("pretrain", {}))


def column_overrides(columns: Iterable[str]) -> list[str]:
    """``ROLE=NAME`` of ``--column`` as overrides of ``[data.columns]``.

    Raises:
        ConfigError: a text is of another form, or the role is none.

    Example:
        >>> column_overrides(["user_id=customer id"])
        ['data.columns.user_id="customer id"']
    """
    return [f"data.columns.{role}={toml(name)}" for role, name in named_columns(columns, _ROLES).items()]


def _check_picture(path: Path) -> None:
    """A file of another kind is not written over."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--html {path}: the page is HTML; give a name that ends with .html")
    if path.exists() and not (path.is_file() and _MARK in path.read_text(encoding="utf-8", errors="replace")[:_HEAD]):
        raise ConfigError(f"--html {path} exists and is no page of recsys validate; give another name")


def _whereabouts(name: str) -> str:
    place = located(name)
    if place is not None:
        return str(place)
    return "fetched when it is used" if SOURCES[name].download else "not here: RECSYS_DATA_DIR names the folder"
