"""Validation of raw tables: all errors and warnings, a summary of each table, and anomalies of demand."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys.data.column_profile import column_profiles
from recsys.data.demand.summary import DemandSummary, demand_summary
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.cross_checks import check_contents
from recsys.data.ingest.issues import ORDER, ValidationIssue, ValidationIssues
from recsys.data.ingest.readers import typed_tables
from recsys.data.ingest.summary import TableSummary, summaries
from recsys.data.ingest.tables import TypedTables
from recsys.data.overview.column_use import ColumnReaders
from recsys.data.schema import Kind
from recsys.files.addresses import without_password

_WIDTH = 120


@dataclass(frozen=True, eq=False)
class Validation:
    """The result of `validate`.

    Args:
        issues: errors and warnings.
        tables: a summary of each table that could be read.
        demand: anomalies of demand; None if there are errors, no timestamps or fewer than 12 days.
        typed: the tables themselves.
    """

    issues: ValidationIssues
    tables: tuple[TableSummary, ...]
    demand: DemandSummary | None
    typed: TypedTables

    def __iter__(self) -> Iterator[ValidationIssue]:
        return iter(self.issues)

    @property
    def failed(self) -> bool:
        """Whether `recsys.data.ingest.readers.ingest` refuses the tables."""
        return bool(self.issues.errors)

    def take_tables(self) -> TypedTables:
        """`typed`, which is empty from now on: whoever encodes the tables lets go of them as `ingest` does."""
        taken = self.typed
        object.__setattr__(self, "typed", TypedTables((), None, None, (None, None)))
        return taken


def validate(config: DataConfig, readers: ColumnReaders | None = None) -> Validation:
    """Validates the tables of ``config``, in which `recsys.data.sources.resolve` has completed the paths.

    There are errors exactly if `recsys.data.ingest.readers.ingest` raises: both make the same checks. Warnings name
    what may be read differently from what was intended, and notes those of them that the config has settled.

    Args:
        config: the tables.
        readers: what reads the columns of users and items; None names the kinds of engines that can.

    Raises:
        DataError: the config names no interactions.
        ConfigError: a schema names an unknown kind.
    """
    issues = ValidationIssues()
    tables = typed_tables(config, issues)
    for part in tables.interactions:
        if part.order is None:
            part.location.warn(
                "there is no time and no order, so histories have none",
                "name a column in data.columns.time or data.columns.order, or split by items or given files",
            )
    for table in (tables.users, tables.items):
        if table is not None:
            check_contents(table)
            for profile in column_profiles(table.columns, table.schema):
                given = config.user_schema if table is tables.users else config.item_schema
                location = table.location.at(profile.name)
                for warning in profile.warnings:
                    is_note = given.get(profile.name) == Kind.IGNORED or warning.what == "several values"
                    tell = location.note if is_note else location.warn
                    tell(warning.found, warning.remedy)
    demand = None if issues.errors else demand_summary(tables)
    return Validation(issues, tuple(summaries(tables, readers)), demand, tables)


def to_json(validation: Validation) -> str:
    """The validation as a JSON object.

    ``errors``, ``warnings`` and ``notes`` are counts; ``findings`` lists the issues (`ValidationIssue.to_dict`) and
    ``tables`` the summaries (`TableSummary.to_dict`); ``demand`` is `DemandSummary.to_dict` or null. Rows are counted
    from 1.
    """
    issues = validation.issues
    value = {
        "errors": len(issues.errors),
        "warnings": len(issues.warnings),
        "notes": len(issues.notes),
        "findings": [finding.to_dict() for finding in issues],
        "tables": [table.to_dict() for table in validation.tables],
        "demand": None if validation.demand is None else validation.demand.to_dict(),
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def to_text(validation: Validation) -> str:
    """Summaries of the tables, anomalies of demand, the issues of each file, errors first, and a line of counts."""
    blocks = [table.to_text() for table in validation.tables]
    if any(table.what in ("users", "items") for table in validation.tables):
        blocks.append('Kinds are corrected in [data.user_schema] and [data.item_schema], as year = "numeric".')
    if validation.demand is not None:
        blocks.append(validation.demand.to_text())
    files = dict.fromkeys(finding.file for finding in validation)
    blocks += [_file(file, [finding for finding in validation if finding.file == file]) for file in files]
    return "\n\n".join([*blocks, verdict(validation.issues)])


def _file(file: Path, issues: list[ValidationIssue]) -> str:
    """The issues of one file, errors first."""
    lines = [f"{without_password(str(file))}: {_counted(issues)}"]
    width = max(len(finding.column or "") for finding in issues)
    for finding in sorted(issues, key=lambda finding: ORDER.index(finding.severity)):
        head = f"  {finding.severity:<8} {finding.column or '':<{width}} "
        rows = f"{finding.shown_rows}: " if len(finding.rows) else ""
        lines += _wrapped(head, rows + finding.found) + _wrapped(" " * len(head), "-> " + finding.remedy)
    return "\n".join(lines)


def _wrapped(head: str, text: str) -> list[str]:
    indent = " " * (len(head) + 3 * text.startswith("->"))
    width = max(_WIDTH, len(head) + 60)
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def _counted(issues: Iterable[ValidationIssue]) -> str:
    kinds = [finding.severity for finding in issues]
    counts = [(kinds.count(kind), kind) for kind in ORDER]
    return ", ".join(f"{count} {kind}{'s' * (count != 1)}" for count, kind in counts if count) or "nothing found"


def verdict(issues: ValidationIssues) -> str:
    """How many errors and warnings there are, and whether the data can be read and the config be run."""
    unread = not all(finding.of_config for finding in issues.errors)
    unrun = any(finding.of_config for finding in issues.errors)
    run = f", {'and' if unread else 'but'} the config cannot be run" if unrun else ""
    return f"{_counted(issues)}: the data {'cannot' if unread else 'can'} be read{run}"
