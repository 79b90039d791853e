"""Rows of a text table and the lines that they stand on: a row of cells in quotes may span several lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
_QUOTE, _BACKSLASH, _FEED, _RETURN = b'"\\\n\r'


@dataclass(frozen=True, eq=False)
class Records:
    """The rows of a text, header included, as positions in it.

    Args:
        data: the text, UTF-8.
        starts: int64 [n], the first byte of each row.
        ends: int64 [n], behind the last byte of each row, without its line end.
        lines: int64 [n], the line on which each row starts, counted from 1.
        last_lines: int64 [n], the line on which it ends.
        fields: int64 [n], its number of cells.
        quoting: how quotes are read: ``csv``, ``backslash`` or ``none``.
        errors: found and remedy.
        warnings: found and remedy.
        notes: found and remedy.
    """

    data: bytes
    starts: Positions
    ends: Positions
    lines: Positions
    last_lines: Positions
    fields: Positions
    quoting: str
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, row: int) -> bytes:
        """The bytes of a row as written."""
        return self.data[int(self.starts[row]) : int(self.ends[row])]

    def select(self, rows: NDArray[np.bool_] | Positions | slice) -> Records:
        """Some of the rows; errors, warnings and notes are shared."""
        return Records(
            self.data,
            self.starts[rows],
            self.ends[rows],
            self.lines[rows],
            self.last_lines[rows],
            self.fields[rows],
            self.quoting,
            self.errors,
            self.warnings,
            self.notes,
        )

    def joined(self) -> bytes:
        """The bytes of all rows, each with a line feed."""
        if not len(self):
            return b""
        gaps = np.flatnonzero(self.starts[1:] != self.ends[:-1] + 1)
        starts, ends = self.starts[np.append(0, gaps + 1)], self.ends[np.append(gaps, -1)]
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        return b"\n".join(self.data[start:end] for start, end in spans) + b"\n"


def plain_records(data: bytes, separator: bytes, first_line: int = 1) -> Records:
    """One row a line; quotes are ordinary characters.

    Args:
        data: UTF-8 with line feeds.
        separator: one byte.
        first_line: the number of the first line.
    """
    content = np.frombuffer(data, np.uint8)
    feeds = _line_ends(content)
    return _between(data, feeds, feeds, np.flatnonzero(content == separator[0]), first_line, "none")


def quoted_records(data: bytes, separator: bytes, escape: bool = False, first_line: int = 1) -> Records | None:
    """Rows with cells in double quotes; None if a quote opens or closes in the middle of a cell, or never closes.

    A quote opens a cell at its start and closes it before a separator or a line end; a doubled quote inside a cell is
    a quote. Outside of cells in quotes there are none.

    Args:
        data: UTF-8 with line feeds.
        separator: one byte.
        escape: whether a quote behind a backslash is an ordinary character.
        first_line: the number of the first line.
    """
    content = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(content == _QUOTE)
    if escape:
        before, before_that = _byte_at(content, quotes - 1), _byte_at(content, quotes - 2)
        quotes = quotes[(before != _BACKSLASH) | (before_that == _BACKSLASH)]
    if len(quotes) % 2 or not _is_strict(content, quotes, separator[0]):
        return None
    feeds = _line_ends(content)
    outside = feeds[np.searchsorted(quotes, feeds) % 2 == 0]
    marks = np.flatnonzero(content == separator[0])
    marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    return _between(data, outside, feeds, marks, first_line, "backslash" if escape else "csv")


def _is_strict(content: NDArray[np.uint8], quotes: Positions, separator: int) -> bool:
    opening, closing = quotes[::2], quotes[1::2]
    before, behind = _byte_at(content, opening - 1), _byte_at(content, closing + 1)
    opens = (before == separator) | (before == _FEED) | (opening == 0) | (before == _QUOTE)
    closes = (behind == separator) | (behind == _FEED) | (behind == _RETURN) | (behind == _QUOTE)
    return bool(opens.all() and (closes | (closing == len(content) - 1)).all())


def _byte_at(content: NDArray[np.uint8], positions: Positions) -> NDArray[np.uint8]:
    return content[np.clip(positions, 0, len(content) - 1)]


def _line_ends(content: NDArray[np.uint8]) -> Positions:
    feeds = np.flatnonzero(content == _FEED)
    return feeds if not len(content) or content[-1] == _FEED else np.append(feeds, len(content))


def _between(
    data: bytes, ends: Positions, feeds: Positions, marks: Positions, first_line: int, quoting: str
) -> Records:
    """Rows that end at ``ends``, which are among the line ends ``feeds``, with separators at ``marks``."""
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])
    last = np.searchsorted(feeds, ends)
    first = np.concatenate([np.zeros(min(len(ends), 1), np.int64), last[:-1] + 1])
    fields = np.searchsorted(marks, ends) - np.searchsorted(marks, starts) + 1
    if b"\r" in data:
        content = np.frombuffer(data, np.uint8)
        ends = ends - ((_byte_at(content, ends - 1) == _RETURN) & (ends > starts))
    return Records(data, starts, ends, first + first_line, last + first_line, fields, quoting)
