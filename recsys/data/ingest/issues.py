"""Validation issues: errors and warnings about a table, with file, column, rows and remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.data.ingest.reading.options import TableFormat
from recsys.errors import DataError
from recsys.files.addresses import without_password

Place = Callable[[int], str | None]
"""Maps a row to where it stands in its file, such as ``line 7`` or ``part-1.csv line 7``; None if its number tells."""

_OPTION = re.compile(rf"\bdata\.({'|'.join(TableFormat.model_fields)})\b")
_LEAVES_OUT = re.compile(r"\bdata(?:\.\w+)*\.(?:footer|skip_footer|skip_lines)\b")
"""Options that leave lines out of a table."""
Severity = Literal["error", "warning", "note"]
_LISTED = 1000
"""The most rows that the JSON form lists; it has their number in any case."""
_SHOWN = 5
"""The most rows that a message lists."""


@dataclass(frozen=True, eq=False)
class ValidationIssue:
    """One issue of a table.

    Args:
        severity: with an ``error`` the data cannot be read; with a ``warning`` it can; a ``note`` is about what the
            config has settled, and only `recsys validate` tells it.
        file: the table, or the config.
        column: the column, or the key of the config; None for the whole file.
        rows: int64 [n], rows of the table, counted from 0 after the header; empty for the whole column.
        found: the problem.
        remedy: how to correct it.
        places: where the first rows stand in the file, if the number of the row does not tell it: rows are counted
            without blank lines, and a row may span several lines.
    """

    severity: Severity
    file: Path
    column: str | None
    rows: NDArray[np.int64]
    found: str
    remedy: str
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.location}: {self.found}; {self.remedy}"

    @property
    def of_config(self) -> bool:
        """Whether it is about the config, and ``column`` a key of it."""
        return self.file.suffix.lower() == ".toml"

    @property
    def location(self) -> str:
        """File, column and rows."""
        column = [] if self.column is None else [f"{'key' if self.of_config else 'column'} {self.column!r}"]
        rows = [self.shown_rows] if len(self.rows) else []
        return ", ".join([without_password(str(self.file)), *column, *rows])

    @property
    def shown_rows(self) -> str:
        """The numbers of the first rows, and where they stand in the file; empty without rows."""
        if not len(self.rows):
            return ""
        return rows_text(self.rows) + (f" ({', '.join(self.places[:_SHOWN])})" if self.places else "")

    @property
    def options(self) -> dict[str, str | list[str]]:
        """Options of the config that say what was guessed, as ``{"data.separator": ";"}``; empty for other issues."""
        if not re.search(r" says? so\b", self.remedy):
            return {}
        text = r'"(?:[^"\\]|\\.)*"'
        found = re.findall(rf"(data(?:\.\w+)+) = ({text}|\[{text}(?:, {text})*\])", self.remedy)
        return {key: json.loads(value) for key, value in found}

    def to_dict(self) -> dict[str, object]:
        """JSON values; rows are counted from 1."""
        return {
            "severity": self.severity,
            "file": without_password(str(self.file)),
            "column": self.column,
            "rows": (self.rows[:_LISTED] + 1).tolist(),
            "n_rows": len(self.rows),
            "places": list(self.places),
            "found": self.found,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, eq=False)
class ValidationIssues:
    """The issues of a set of tables, in the order in which they were found."""

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

    @property
    def notes(self) -> list[ValidationIssue]:
        return [finding for finding in self if finding.severity == "note"]

    def raise_errors(self) -> None:
        """Raises an exception if there are errors.

        Raises:
            DataError: its message lists all errors, and the warnings that may tell their cause: of lines that are no
                rows, in the same files, which an option leaves out.
        """
        errors, files = [str(finding) for finding in self.errors], {finding.file for finding in self.errors}
        causes = [str(found) for found in self.warnings if found.file in files and _LEAVES_OUT.search(found.remedy)]
        hints = ["what may be the cause:", *causes] if causes else []
        if len(errors) == 1:
            raise DataError("\n  ".join([*errors, *hints]))
        if errors:
            raise DataError("\n  ".join([f"{len(errors)} errors in the tables:", *errors, *hints]))


@dataclass(frozen=True, eq=False)
class Location:
    """A table or one of its columns, and the collection that its issues are added to.

    Args:
        issues: the collection.
        file: the table; for a DataFrame its role, such as ``interactions``.
        column: None for the whole table.
        place: maps a row to where it stands in the file; None if the number of the row tells it.
        section: of the config that has the options of reading this table: messages name them as ``data.encoding``, and
            are told with this section.
        written: whether cells are texts in the file, also where they are numbers by now.
        rows: int64 [n], where the rows at hand stand in the whole table; None where they are all of it.
    """

    issues: ValidationIssues
    file: Path
    column: str | None = None
    place: Place | None = None
    section: str = "data"
    written: bool = False
    rows: NDArray[np.int64] | None = None

    def shown(self, cell: object) -> str:
        """The repr of a cell as it is in the file, cut to 42 characters."""
        return shown(str(cell) if self.written and isinstance(cell, (int, np.integer)) else cell)

    def at(self, column: str) -> Location:
        """A column of the same table."""
        return replace(self, column=column)

    def error(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        """Adds an error about ``rows``, positions in the table as read; empty for the whole table or column."""
        self._add("error", found, remedy, rows)

    def warn(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        """Adds a warning, see `error`."""
        self._add("warning", found, remedy, rows)

    def note(self, found: str, remedy: str, rows: ArrayLike = ()) -> None:
        """Adds a note, see `error`."""
        self._add("note", found, remedy, rows)

    def _add(self, severity: Severity, found: str, remedy: str, rows: ArrayLike) -> None:
        positions = np.asarray(rows, np.int64)
        positions = positions if self.rows is None else self.rows[positions]
        place = self.place if self.place is not None else lambda row: None
        places = tuple(text for row in positions[:_LISTED] if (text := place(int(row))) is not None)
        found, remedy = (_OPTION.sub(rf"{self.section}.\1", text) for text in (found, remedy))
        self.issues.found.append(ValidationIssue(severity, self.file, self.column, positions, found, remedy, places))


def rows_text(rows: NDArray[np.integer]) -> str:
    """Row numbers for a message, counted from 1 after the header; at most five.

    Example:
        >>> rows_text(np.array([0, 4]))
        'rows 1, 5'
    """
    shown = ", ".join(str(int(row) + 1) for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def number_text(value: float) -> str:
    """A number for a message: whole ones with all digits and without decimals, others with six to ten digits.

    Example:
        >>> number_text(9783202466331.0), number_text(0.1 + 0.2), number_text(12345678.5)
        ('9783202466331', '0.3', '12345678.5')
    """
    if abs(value) < 2**53 and value == int(value):
        return str(int(value))
    return f"{value:.10g}" if 1e5 <= abs(value) < 2**53 else f"{value:g}"


def shown(cell: object) -> str:
    """The repr of a cell for a message, cut to 42 characters.

    Example:
        >>> shown("x" * 50), shown(None)
        ("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", 'an empty cell')
    """
    if cell is None or str(cell) in ("nan", "NaT", "<NA>"):
        return "an empty cell"
    plain = cell.item() if isinstance(cell, np.generic) else cell
    text = repr(plain)
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 2**53:
        text = str(int(plain))
    return text if len(text) <= 42 else text[:39] + "..."


ORDER: tuple[Severity, ...] = ("error", "warning", "note")
"""Severities, the gravest first."""
