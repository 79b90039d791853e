"""Everything that is wrong with some raw tables, at once, and how their columns were understood."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from recsys.data.config import DataConfig
from recsys.data.contents import look_at_contents
from recsys.data.findings import Finding, Findings, Place
from recsys.data.summary import TableSummary, summaries
from recsys.data.tables import read_tables
from recsys.errors import DataError

_WIDTH = 120


@dataclass(frozen=True, eq=False)
class Validation:
    """The findings about some tables, and how those that can be read were understood."""

    findings: Findings
    tables: tuple[TableSummary, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def failed(self) -> bool:
        """Whether `recsys.data.readers.read_dataset` refuses the tables."""
        return bool(self.findings.errors)


def validate(config: DataConfig) -> Validation:
    """All findings about the tables of ``config``, which `recsys.data.sources.resolve` has filled.

    There is an error among them exactly when `recsys.data.readers.read_dataset` raises: both make the same checks.
    Warnings tell what will be read otherwise than one may think.

    Raises:
        DataError: the config names no interactions.
        ConfigError: a schema names an unknown kind.
    """
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    findings = Findings()
    tables = read_tables(config, findings)
    for events in tables.events:
        if events.order is None:
            Place(findings, events.file).warn(
                "there is no time and no order, so histories have none",
                "name a column in data.columns.time or data.columns.order, or split by users, items or given files",
            )
    for table in (tables.users, tables.items):
        if table is not None:
            look_at_contents(table, findings)
    return Validation(findings, tuple(summaries(tables)))


def to_json(validation: Validation) -> str:
    """``{"errors", "warnings", "findings": [...], "tables": [...]}``; rows are counted from 1 after the header."""
    findings = validation.findings
    value = {
        "errors": len(findings.errors),
        "warnings": len(findings.warnings),
        "findings": [finding.to_dict() for finding in findings],
        "tables": [table.to_dict() for table in validation.tables],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def to_text(validation: Validation) -> str:
    """How the tables were understood, then the errors, the warnings, and a line that sums up."""
    blocks = [_table(table) for table in validation.tables]
    if any(table.what in ("users", "items") for table in validation.tables):
        blocks.append('Kinds are corrected in [data.user_schema] and [data.item_schema], as year = "numeric".')
    findings = validation.findings
    blocks += [_finding(finding) for finding in (*findings.errors, *findings.warnings)]
    return "\n\n".join([*blocks, _verdict(findings)])


def _table(table: TableSummary) -> str:
    names = max((len(column.name) for column in table.columns), default=0)
    roles = max((len(column.role) for column in table.columns), default=0)
    lines = [f"{table.what}: {table.file}, {table.rows:,} rows"]
    for column in table.columns:
        filled = "" if column.filled == table.rows else f"{column.filled:,} filled; "
        lines.append(f"  {column.name:<{names}}  {column.role:<{roles}}  {filled}{column.example}".rstrip())
    return "\n".join(lines)


def _finding(finding: Finding) -> str:
    lines = []
    for head, text in ((f"{finding.severity:<8}", f"{finding.place}: {finding.found}"), ("  to do ", finding.remedy)):
        lines += textwrap.wrap(
            text, _WIDTH, initial_indent=head, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
        )
    return "\n".join(lines)


def _verdict(findings: Findings) -> str:
    errors, warnings = len(findings.errors), len(findings.warnings)
    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return f"{counted}: the data {'cannot be read' if errors else 'can be read'}"
