"""What `recsys data` and `recsys validate` show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recsys.config import apply_overrides, parse, read_toml
from recsys.data.readers import DataConfig, read_dataset
from recsys.data.sources import SOURCES, resolve
from recsys.data.validate import to_json, to_text, validate
from recsys.errors import ConfigError


def list_sources() -> str:
    """The named public data sets, one a line."""
    return "\n".join(sorted(SOURCES))


def describe_source(name: str) -> str:
    """A named data set, fetched when it is not there: its files, sizes and the kind of each column.

    Raises:
        ConfigError: no such name. DataError: it cannot be fetched.
    """
    SOURCES[name]  # an unknown name is told apart from a data set that cannot be fetched
    config = resolve(DataConfig(name=name, source=name))
    data = read_dataset(config)
    lines = [f"{name}: {data.n_users} users, {data.n_items} items, {len(data.interactions)} interactions"]
    lines += [f"  {kind:<14}{path}" for kind, path in _files(config).items()]
    for kind, table in (("users", data.users), ("items", data.items)):
        lines += [f"  {kind}.{column:<20}{text}" for column, text in table.schema.to_dict().items()]
    return "\n".join(lines)


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
        raw: dict[str, Any] = {"name": interactions.stem, "interactions": interactions, "users": users, "items": items}
        prefixed = apply_overrides({"data": raw}, overrides)
        return parse(DataConfig, prefixed["data"], "the command line")
    whole = apply_overrides(read_toml(config), overrides)
    if "data" not in whole:
        raise ConfigError(f"{config} has no [data] section")
    return resolve(parse(DataConfig, whole["data"], f"{config} [data]"))


def findings(config: DataConfig, as_json: bool) -> tuple[str, bool]:
    """Everything that is wrong with the tables, as text or JSON, and whether an error is among it."""
    found = validate(config)
    return (to_json(found) if as_json else to_text(found)), found.failed


def _files(config: DataConfig) -> dict[str, Path]:
    files = {
        "interactions": config.interactions,
        "test": config.test_interactions,
        "users": config.users,
        "items": config.items,
    }
    return {kind: path for kind, path in files.items() if path is not None}
