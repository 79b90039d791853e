"""init: a first config from raw tables, which runs as it stands and says what it was inferred from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pipelines.config import read_run_config
from pipelines.first_config.protocol import choose_protocol
from pipelines.first_config.tables import FirstTables, GivenTables, read_first_tables, with_guesses
from pipelines.first_config.text import Found, config_text
from recsys.atomic import make_parents, write_text
from recsys.errors import ConfigError
from recsys.files.addresses import nameable

_SHOWN = 10
"""The most warnings that are shown."""


def run(given: GivenTables, output: Path = Path("config.toml")) -> str:
    """Writes a config for the tables; returns what was found and what to do next.

    Args:
        given: the files, and what is known of them.
        output: where the config goes; a file there is not replaced.

    Raises:
        ConfigError: ``output`` exists, no file is given, or a column names no role.
        DataError: a file cannot be read, has no rows or holds errors, or its role cannot be told.
    """
    if output.exists():
        raise ConfigError(f"{output} exists, and recsys init replaces no file; give another --output, or move it away")
    given = replace(given, overrides=tuple(given.overrides), says_events=True)
    first = with_guesses(given, read_first_tables(given, "recsys init"), "recsys init")
    found = _found(first, output)
    make_parents(output)
    write_text(output, config_text(found, str(output)))
    read_run_config(output)
    return _summary(found, output)


def _found(first: FirstTables, output: Path) -> Found:
    """The tables, and the protocol that fits them."""
    file = first.roles.interactions.location.file
    return Found(_name(output, file), first, choose_protocol(first.data, file), output.parent)


def _name(output: Path, interactions: Path) -> str:
    """A name for the run: of the config, or of the folder of the tables where the config is just called config."""
    folder = nameable(interactions).absolute().parent.name
    name = output.stem if output.stem != "config" else folder
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "first"


def _summary(found: Found, output: Path) -> str:
    first, roles = found.first, found.first.roles
    lines = [f"{what:<13} {table.location.file}" for what, table in roles.tables.items()]
    used = found.used
    lines.append("columns       " + ", ".join(f"{role} = {name}" for role, name in used.items()))
    lines += [
        f"not used      {role} = {name}: a comment in {output} says what it is for"
        for role, name in roles.columns.items()
        if role not in used
    ]
    types = first.tables.interactions[0].event_types
    lines += [
        f"left out      {kind.rows:,} rows of {kind.name!r}: a comment in {output} says why"
        for kind in (() if types is None else types.types)
        if kind.meaning == "ignore"
    ]
    lines += [f"not used      {table.location.file}: it meets neither users nor items" for table in roles.unused]
    lines.append(f"split         {found.protocol.name}: {'; '.join(found.protocol.why)}")
    lines.append(f"filter_seen   {str(found.protocol.filter_seen).lower()}: {found.protocol.why_filter}")
    warnings = first.issues.warnings
    lines += [f"warning       {warning}" for warning in warnings[:_SHOWN]]
    if len(warnings) > _SHOWN:
        lines.append(f"warning       and {len(warnings) - _SHOWN} more: recsys validate {output}")
    return "\n".join([*lines, "", f"wrote {output}; next: recsys run {output}"])
