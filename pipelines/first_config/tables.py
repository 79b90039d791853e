"""Raw tables of unknown names as a dataset: the roles of tables and columns first, then types, checks and ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.column_roles import named_columns
from pipelines.first_config.roles import ROLES, TABLE_IDS, Roles, find_roles
from pipelines.reference_cells import toml
from recsys.config import apply_overrides, parse
from recsys.data.dataset import Dataset
from recsys.data.feedback.event_words import likely_meaning
from recsys.data.ingest.cells import distinct_texts
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.config import SHARED, DataConfig
from recsys.data.ingest.files import RawTable, read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.readers import Ingested, checked, encode
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.tables import RawTables, TypedTables
from recsys.data.sources import resolve
from recsys.errors import ConfigError, DataError, RecsysError
from recsys.json_values import JsonObject

_READ = ("user_id", "item_id", "time", "order")
"""Roles that a first config uses by itself; weights and event types are left to the user."""

_UNKNOWN = "data.TABLE_format"
"""Stands in messages for the section of the options of a table whose role is not known yet."""


@dataclass(frozen=True)
class GivenTables:
    """What a command line says of the tables.

    Args:
        files: CSV or Parquet files of unknown roles.
        roles: ``interactions``, ``users`` or ``items`` -> the file of that role.
        columns: ``ROLE=NAME``: columns of the interactions that are known.
        overrides: ``data.KEY=VALUE``, which take precedence over everything that is found.
        says_events: whether the config says of each event type of a column that is named what it weighs or means:
            those that may be no likes are ignored until the user says otherwise.
    """

    files: Sequence[Path] = ()
    roles: Mapping[str, Path | None] | None = None
    columns: Sequence[str] = ()
    overrides: Iterable[str] = ()
    says_events: bool = False

    @property
    def of_role(self) -> dict[str, Path]:
        """The files whose role is known."""
        return {role: path for role, path in (self.roles or {}).items() if path is not None}


@dataclass(frozen=True, eq=False)
class FirstTables:
    """The tables of a first config, as a run of it reads them.

    Args:
        roles: of tables and columns.
        known: the roles of columns that the user named.
        config: the section ``[data]``, with paths as they were given.
        tables: the typed tables.
        ingested: the dataset.
        repeated: rows with user, item and time of another row.
    """

    roles: Roles
    known: Mapping[str, str]
    config: DataConfig
    tables: TypedTables
    ingested: Ingested
    repeated: int

    @property
    def data(self) -> Dataset:
        return self.ingested.data

    @property
    def issues(self) -> ValidationIssues:
        """The warnings about the tables."""
        return self.roles.interactions.location.issues


def read_first_tables(given: GivenTables, command: str) -> FirstTables:
    """Reads the tables, finds their roles and makes a dataset of them.

    Of rows that repeat user, item and time the first counts, where there is a time or an order; else all count.

    Args:
        given: what is known of them.
        command: for messages, such as ``recsys init``.

    Raises:
        ConfigError: no file is given, or a column or an override names no role or key.
        DataError: a file cannot be read, has no rows or holds errors, or its role cannot be told.
    """
    if not given.files and "interactions" not in given.of_role:
        raise ConfigError(f"give the tables: {command} TABLES..., or --interactions FILE")
    known, overrides = named_columns(given.columns, (*ROLES, *TABLE_IDS)), _overrides(given.overrides)
    named = {role: str(name) for role, name in overrides.get("columns", {}).items() if role in (*ROLES, *TABLE_IDS)}
    issues = ValidationIssues()
    reading = _reading(overrides, given, command)
    one = reading.format_of("interactions")
    unknown = "data" if len(given.files) == 1 else _UNKNOWN
    tables = [_read(path, issues, one, unknown) for path in given.files]
    of_role = {
        role: _read(path, issues, reading.format_of(role), _section(role)) for role, path in given.of_role.items()
    }
    _raise_errors(issues, command)
    filled = {role: table for role, table in of_role.items() if table is not None}
    roles = find_roles([table for table in tables if table is not None], filled, {**named, **known})
    roles = _in_sections(roles, issues)
    config = _config(roles, known, given, overrides, command)
    typed = checked(RawTables((roles.interactions,), roles.users, roles.items), config)
    issues.raise_errors()
    repeated = len(typed.interactions[0].repeated)
    if not repeated and config.duplicates == "first" and "duplicates" not in overrides:
        config = config.model_copy(update={"duplicates": "error"})
    return FirstTables(roles, known, config, typed, encode(typed, config.name), repeated)


def _raise_errors(issues: ValidationIssues, command: str) -> None:
    """Errors of reading; an option of one table needs its role.

    Raises:
        DataError: lists them.
    """
    try:
        issues.raise_errors()
    except DataError as error:
        if _UNKNOWN not in str(error):
            raise
        raise DataError(
            f"{error}\n{_UNKNOWN} is data.users_format or data.items_format, and data for the interactions: say which "
            f"file is which, as {command} --interactions FILE --users FILE --items FILE "
            "--set data.users_format.encoding=cp1252; data.encoding and the like hold for all tables"
        ) from error


def _in_sections(roles: Roles, issues: ValidationIssues) -> Roles:
    """The tables and their issues, with the sections of the options of the roles that were found."""
    sections = {table.location.file: _section(role) for role, table in roles.tables.items()}
    for n, issue in enumerate(issues.found):
        section = sections.get(issue.file, _UNKNOWN)
        found, remedy = (text.replace(_UNKNOWN, section) for text in (issue.found, issue.remedy))
        issues.found[n] = replace(issue, found=found, remedy=remedy)

    placed = {
        role: replace(table, location=replace(table.location, section=_section(role)))
        for role, table in roles.tables.items()
    }
    return replace(roles, interactions=placed["interactions"], users=placed.get("users"), items=placed.get("items"))


def with_guesses(given: GivenTables, first: FirstTables, command: str) -> FirstTables:
    """The tables read once more with the options that say what was guessed, so that no later run warns of the guess.

    Options are left out where the data would not be the same with them, and so are encodings of folders, whose parts
    may differ.

    Args:
        given: what is known of the tables.
        first: the tables as they were read with guesses.
        command: for messages.
    """
    found = {key: value for issue in first.issues for key, value in issue.options.items()}
    if first.roles.interactions.location.file.is_dir():
        found.pop("data.encoding", None)
    set_already = {override.split("=")[0].strip() for override in given.overrides}
    found = {key: value for key, value in found.items() if key not in set_already and _is_own(key, value, found)}
    found = {key: value for key, value in found.items() if not key.endswith(".quoting")}  # refuses what is guessed here
    files = {role: table.location.file for role, table in first.roles.tables.items()}
    without_marks = [key for key in found if not key.endswith((".decimal", ".thousands"))]
    for keys in (found, without_marks, [key for key in found if key.endswith((".separator", ".unknown_ids"))]):
        says = [f"{key}={toml(found[key])}" for key in keys]
        if not says:
            continue
        try:
            second = read_first_tables(
                replace(given, files=(), roles=files, overrides=[*given.overrides, *says]), command
            )
        except RecsysError:
            continue
        if second.data.fingerprint == first.data.fingerprint:
            return replace(second, roles=replace(second.roles, unused=first.roles.unused))
    return first


def _is_own(key: str, value: str | list[str], found: Mapping[str, str | list[str]]) -> bool:
    """Whether an option of the users or items table is not that of ``[data]`` anyway."""
    name = key.rsplit(".", 1)[-1]
    return key == f"data.{name}" or name not in SHARED or found.get(f"data.{name}") != value


def _overrides(overrides: Iterable[str]) -> JsonObject:
    """The keys of ``[data]`` that are set.

    Raises:
        ConfigError: one of another section is.
    """
    found = apply_overrides({}, overrides)
    other = [key for key in found if key != "data"]
    if other:
        raise ConfigError(f"--set {other[0]} is no key of data; write --set data.{other[0]}")
    if "test_interactions" in found.get("data", {}):
        raise ConfigError("data.test_interactions: a part of the interactions is held out, so there is no test file")
    section: JsonObject = found.get("data", {})
    return section


def _reading(overrides: JsonObject, given: GivenTables, command: str) -> DataConfig:
    """The options of reading that are set.

    Raises:
        ConfigError: one is for the interactions alone, and which of several files holds them is not known yet.
    """
    keys = (*TableFormat.model_fields, "users_format", "items_format")
    found = parse(DataConfig, {key: overrides[key] for key in keys if key in overrides}, command)
    own = sorted(key for key in found.model_fields_set if key not in SHARED)
    if own and len(given.files) > 1:
        hint = "name the files: --interactions FILE --users FILE --items FILE"
        raise ConfigError(f"data.{own[0]} is for one table, and which file that is is not known; {hint}")
    return found


def _section(role: str) -> str:
    return f"data.{role}_format" if role in ("users", "items") else "data"


def _read(path: Path, issues: ValidationIssues, options: TableFormat, section: str) -> RawTable | None:
    table = read_table(Location(issues, path), options=options, section=section)
    if table is not None and not len(table):
        table.location.error("the file has no rows", "give a file with a header and rows")
    return table


def _config(
    roles: Roles, known: Mapping[str, str], given: GivenTables, overrides: JsonObject, command: str
) -> DataConfig:
    used = {role: name for role, name in roles.columns.items() if role in _READ or role in known}
    paths = {role: str(table.location.file) for role, table in roles.tables.items()}
    columns: JsonObject = dict(used)
    for key, role, name in (("users", "user_id", roles.users_id), ("items", "item_id", roles.items_id)):
        if name is not None and name != roles.columns[role]:
            columns[f"{key}_table_id"] = name
    said: JsonObject = overrides.get("columns", {})
    event = said.get("event", known.get("event"))
    if given.says_events and isinstance(event, str) and event in roles.interactions.frame.columns:
        columns |= _said_events(roles.interactions.frame[event], said)
    duplicates = "first" if {"time", "order"} & set(used) else "keep"
    raw = apply_overrides({"data": {**paths, "columns": columns, "duplicates": duplicates}}, given.overrides)
    return resolve(parse(DataConfig, raw["data"], command))


def _said_events(cells: Cells, said: JsonObject) -> JsonObject:
    """Weights of 1 for event types, and ``ignore`` for those that may be no likes; without what the user said."""
    known = [value for key in ("event_weights", "event_meaning") if isinstance(value := said.get(key), Mapping)]
    kinds = [kind for kind in distinct_texts(cells)[1].astype("str") if not any(kind in value for value in known)]
    doubtful = {kind: "ignore" for kind in kinds if likely_meaning(kind) is not None}
    if len(doubtful) == len(kinds) and not known:  # something must be a like
        doubtful = {}
    return {"event_weights": {kind: 1.0 for kind in kinds if kind not in doubtful}, "event_meaning": doubtful}
