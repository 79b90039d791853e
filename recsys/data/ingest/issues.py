"""ValidationIssues: what is wrong with a table, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import DataError

_LISTED = 1000
"""Rows that the JSON form lists; it always states how many there are."""


@dataclass(frozen=True, eq=False)
class ValidationIssue:
    """One thing that is wrong.

    Args:
        severity: an ``error`` keeps the data from being read; a ``warning`` says how it will be read.
        file: which table.
        column: which column; None for the table as a whole.
        rows: int64 [n], counted from 0 after the header, blank lines too; empty for the column as a whole.
        found: what stands there.
        remedy: what to do.
    """

    severity: Literal["error", "warning"]
    file: Path
    column: str | None
    rows: NDArray[np.int64]
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found}; {self.remedy}"

    @property
    def place(self) -> str:
        """File, column and rows."""
        column = [] if self.column is None else [f"column {self.column!r}"]
        rows = [rows_text(self.rows)] if len(self.rows) else []
        return ", ".join([str(self.file), *column, *rows])

    def to_dict(self) -> dict[str, Any]:
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
    """All findings of some tables, in the order they were made.

    Args:
        found: the findings.
        stands: file -> what tells where each row that was read stands, int64 [n]; None where it is where it was read.
            Asked only when a finding names rows, for it reads the file once more.
    """

    found: list[ValidationIssue] = field(default_factory=list)
    stands: dict[Path, Callable[[], NDArray[np.int64] | None]] = field(default_factory=dict)

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
        """Ends the reading when there are errors.

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
    """A table, or a column of it, together with where findings about it are kept."""

    issues: ValidationIssues
    file: Path
    column: str | None = None

    def at(self, column: str) -> Location:
        """A column of the same table."""
        return Location(self.issues, self.file, column)

    def error(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        self._add("error", found, remedy, rows)

    def warn(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        self._add("warning", found, remedy, rows)

    def _add(self, severity: Literal["error", "warning"], found: str, remedy: str, rows: ArrayLike) -> None:
        places = np.asarray(rows, np.int64)
        standing = self.issues.stands[self.file]() if len(places) and self.file in self.issues.stands else None
        if standing is not None:
            places = standing[places]
        self.issues.found.append(ValidationIssue(severity, self.file, self.column, places, found, remedy))


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
    """A cell for a message: at most 40 characters of it.

    Example:
        >>> shown("x" * 50), shown(None)
        ("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", 'an empty cell')
    """
    if cell is None or str(cell) in ("nan", "NaT", "<NA>"):
        return "an empty cell"
    text = repr(cell.item() if isinstance(cell, np.generic) else cell)
    return text if len(text) <= 42 else text[:39] + "..."
