"""What `recsys data` and `recsys validate` show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipelines.config_paths import read_raw
from recsys.config import apply_overrides, parse
from recsys.data.demand.summary import demand_summary
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import typed_tables
from recsys.data.ingest.summary import summaries
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.sources import SOURCES, located, resolve
from recsys.errors import ConfigError
from recsys.json_values import JsonObject


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
        raw: JsonObject = {"name": interactions.stem, "interactions": interactions, "users": users, "items": items}
        prefixed = apply_overrides({"data": raw}, overrides)
        other = [key for key in prefixed if key != "data"]
        if other:
            raise ConfigError(f"--set {other[0]} is no key of data; beside --interactions write --set data.{other[0]}")
        return parse(DataConfig, prefixed["data"], "the command line")
    whole = read_raw(config, overrides)
    if "data" not in whole:
        raise ConfigError(f"{config} has no [data] section")
    return resolve(parse(DataConfig, whole["data"], f"{config} [data]"))


def issues(config: DataConfig, as_json: bool) -> tuple[str, bool]:
    """Everything that is wrong with the tables, as text or JSON, and whether an error is among it."""
    found = validate(config)
    return (to_json(found) if as_json else to_text(found)), found.failed


def _whereabouts(name: str) -> str:
    place = located(name)
    if place is not None:
        return str(place)
    return "fetched when it is used" if SOURCES[name].download else "not here: RECSYS_DATA_DIR names the folder"
