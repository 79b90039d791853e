"""Validation issues: what is wrong with a table, at which file, column and rows, and how to correct it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import DataError

SourceRow = Callable[[], NDArray[np.int64] | None]

_LISTED = 1000
"""Rows that the JSON form lists; it always states how many there are."""


@dataclass(frozen=True, eq=False)
class ValidationIssue:
    """One issue of a table.

    Args:
        severity: an ``error`` keeps the data from being read; a ``warning`` says how it will be read.
        file: which table.
        column: which column; None for the table as a whole.
        rows: int64 [n], counted from 0 after the header, blank lines too; empty for the column as a whole.
        found: what is wrong.
        remedy: how to correct it.
    """

    severity: Literal["error", "warning"]
    file: Path
    column: str | None
    rows: NDArray[np.int64]
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.location}: {self.found}; {self.remedy}"

    @property
    def location(self) -> str:
        """File, column and rows."""
        column = [] if self.column is None else [f"column {self.column!r}"]
        rows = [rows_text(self.rows)] if len(self.rows) else []
        return ", ".join([str(self.file), *column, *rows])

    def to_dict(self) -> dict[str, object]:
        """JSON values; rows are counted from 1."""
        return {
            "severity": self.severity,
            "file": str(self.file),
            "column": self.column,
            "rows": (self.rows[:_LISTED] + 1).tolist(),
            "n_rows": len(self.rows),
            "found": self.found,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, eq=False)
class ValidationIssues:
    """All issues of some tables, in the order they were found."""

    found: list[ValidationIssue] = field(default_factory=list)

    def __iter__(self) -> Iterator[ValidationIssue]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def errors(self) -> list[ValidationIssue]:
        return [finding for finding in self if finding.severity == "error"]

    @property
    def warnings(self) -> list[ValidationIssue]:
        return [finding for finding in self if finding.severity == "warning"]

    def raise_errors(self) -> None:
        """Raises if there is an error among the issues.

        Raises:
            DataError: with all of them in its message.
        """
        errors = [str(finding) for finding in self.errors]
        if len(errors) == 1:
            raise DataError(errors[0])
        if errors:
            raise DataError("\n  ".join([f"{len(errors)} errors in the tables:", *errors]))


@dataclass(frozen=True, eq=False)
class Location:
    """A table, or a column of it, and the collection to which issues about it are added.

    Args:
        issues: gathers them.
        file: the table; for a DataFrame its role, as ``interactions``.
        column: None for the table as a whole.
        source_row: gives int64 [n], the row in the file of each row that was read, counted from 0 after the header;
            None where both are the same. Called only when an issue names rows, for it reads the file once more.
    """

    issues: ValidationIssues
    file: Path
    column: str | None = None
    source_row: SourceRow | None = None

    def at(self, column: str) -> Location:
        """A column of the same table."""
        return replace(self, column=column)

    def error(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        """Adds an error about ``rows``, positions [n] of the table as read; none for the whole."""
        self._add("error", found, remedy, rows)

    def warn(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        """Adds a warning."""
        self._add("warning", found, remedy, rows)

    def _add(self, severity: Literal["error", "warning"], found: str, remedy: str, rows: ArrayLike) -> None:
        positions = np.asarray(rows, np.int64)
        source_row = self.source_row() if len(positions) and self.source_row is not None else None
        if source_row is not None:
            positions = source_row[positions]
        self.issues.found.append(ValidationIssue(severity, self.file, self.column, positions, found, remedy))


def rows_text(rows: NDArray[np.integer]) -> str:
    """Row numbers for a message, counted from 1 after the header.

    Example:
        >>> rows_text(np.array([0, 4]))
        'rows 1, 5'
    """
    shown = ", ".join(str(int(row) + 1) for row in rows[:5])
    more = f" and {len(rows) - 5:,} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def shown(cell: object) -> str:
    """Repr of a cell for a message, cut to 42 characters.

    Example:
        >>> shown("x" * 50), shown(None)
        ("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", 'an empty cell')
    """
    if cell is None or str(cell) in ("nan", "NaT", "<NA>"):
        return "an empty cell"
    text = repr(cell.item() if isinstance(cell, np.generic) else cell)
    return text if len(text) <= 42 else text[:39] + "..."
