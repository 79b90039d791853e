"""init: a first config from raw tables, which runs as it stands and says what it was inferred from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.config import read_run_config
from pipelines.first_config.protocol import choose_protocol
from pipelines.first_config.roles import ROLES, Roles, find_roles
from pipelines.first_config.text import Found, config_text
from recsys.atomic import make_parents, write_text
from recsys.choices import did_you_mean
from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.readers import checked, encode
from recsys.data.ingest.tables import RawTables
from recsys.errors import ConfigError
from recsys.json_values import JsonObject


def run(
    files: Sequence[Path], given: Mapping[str, Path], columns: Sequence[str] = (), output: Path = Path("config.toml")
) -> str:
    """Writes a config for the tables; returns what was found and what to do next.

    Args:
        files: CSV or Parquet files of unknown roles.
        given: ``interactions``, ``users`` or ``items`` -> the file of that role.
        columns: ``ROLE=NAME``: columns of the interactions that are known.
        output: where the config goes; a file there is not replaced.

    Raises:
        ConfigError: ``output`` exists, no file is given, or ``columns`` names no role.
        DataError: a file cannot be read, holds errors, or its role cannot be told.
    """
    if output.exists():
        raise ConfigError(f"{output} exists, and recsys init replaces no file; give another --output, or move it away")
    if not files and "interactions" not in given:
        raise ConfigError("give the tables: recsys init TABLES..., or --interactions FILE")
    issues = ValidationIssues()
    read = [read_table(Location(issues, path)) for path in files]
    of_role = {role: read_table(Location(issues, path)) for role, path in given.items()}
    issues.raise_errors()
    tables = [table for table in read if table is not None]
    roles = find_roles(tables, {role: t for role, t in of_role.items() if t is not None}, _known(columns))
    found = _found(roles, output)
    make_parents(output)
    write_text(output, config_text(found, str(output)))
    read_run_config(output)
    return _summary(found, output)


def _known(columns: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in columns:
        role, equals, name = text.partition("=")
        if not equals or not name or role not in ROLES:
            raise ConfigError(
                f"--column {text}: expected ROLE=NAME{did_you_mean(role, ROLES) or '.'} "
                f"The roles are: {', '.join(ROLES)}"
            )
        found[role] = name
    return found


def _found(roles: Roles, output: Path) -> Found:
    """The dataset as a run of the config will read it, and the protocol that fits it."""
    config = _data_config(roles, "keep" if not {"time", "order"} & set(roles.columns) else "first")
    tables = checked(RawTables((roles.interactions,), roles.users, roles.items), config)
    issues = roles.interactions.location.issues
    issues.raise_errors()
    repeated = len(tables.interactions[0].repeated)
    data = encode(tables, "").data
    file = roles.interactions.location.file
    duplicates = config.duplicates if repeated or config.duplicates == "keep" else "error"
    name, protocol = _name(output, file), choose_protocol(data, file)
    return Found(name, roles, tables, data, protocol, duplicates, repeated, output.parent)


def _data_config(roles: Roles, duplicates: str) -> DataConfig:
    used = ("user_id", "item_id", "time", "order")
    columns: JsonObject = {role: name for role, name in roles.columns.items() if role in used}
    columns |= {"users_table_id": roles.users_id, "items_table_id": roles.items_id}
    return parse(DataConfig, {"columns": columns, "duplicates": duplicates}, "recsys init")


def _name(output: Path, interactions: Path) -> str:
    """A name for the run: of the config, or of the folder of the tables where the config is just called config."""
    folder = interactions.absolute().parent.name
    name = output.stem if output.stem != "config" else folder
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "first"


def _summary(found: Found, output: Path) -> str:
    roles = found.roles
    tables = {"interactions": roles.interactions, "users": roles.users, "items": roles.items}
    lines = [f"{what:<13} {table.location.file}" for what, table in tables.items() if table is not None]
    lines.append("columns       " + ", ".join(f"{role} = {name}" for role, name in roles.columns.items()))
    lines += [f"not used      {table.location.file}: it meets neither users nor items" for table in roles.unused]
    lines.append(f"split         {found.protocol.name}: {'; '.join(found.protocol.why)}")
    lines.append(f"filter_seen   {str(found.protocol.filter_seen).lower()}: {found.protocol.why_filter}")
    warnings = roles.interactions.location.issues.warnings
    lines += [f"warning       {warning}" for warning in warnings[:10]]
    return "\n".join([*lines, "", f"wrote {output}; next: recsys run {output}"])
