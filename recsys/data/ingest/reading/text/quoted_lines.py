"""Lines of a text that have quotes, each read by itself: whether its quotes are closed, and how many cells it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.ingest.reading.text.records import Positions, Records

_BLOCK = 1 << 17
"""Lines that are looked at together, which bounds the memory."""
_QUOTE = ord('"')


@dataclass(frozen=True, eq=False)
class QuotedLines:
    """The lines that have a quote.

    Args:
        lines: int64 [n], which of the lines of the text.
        fields: int64 [n], the number of cells, without counting separators inside quotes.
        is_broken: bool [n], whether a cell that starts with a quote is not closed at its end.
    """

    lines: Positions
    fields: Positions
    is_broken: NDArray[np.bool_]

    @property
    def broken(self) -> Positions:
        """The lines with a cell that starts with a quote and is not closed at its end."""
        return self.lines[self.is_broken]

    @property
    def whole(self) -> Positions:
        """The other lines that have a quote."""
        return self.lines[~self.is_broken]


def closed_line(separator: bytes) -> re.Pattern[bytes]:
    """Matches a line, or several, whose cells in quotes are all closed."""
    mark = re.escape(separator)
    cell = rb'(?:"(?:[^"]|"")*"|[^"\n' + mark + rb"][^\n" + mark + rb"]*|)"
    return re.compile(cell + rb"(?:" + mark + cell + rb")*\r?")


def quoted_cell(separator: bytes) -> re.Pattern[bytes]:
    """Matches a cell in quotes."""
    return re.compile(rb"(?:^|(?<=" + re.escape(separator) + rb'))"(?:[^"]|"")*"')


def quoted_lines(plain: Records, separator: bytes) -> QuotedLines:
    """The lines of ``plain``, one row a line, that have a quote.

    Lines whose quotes stand at the edges of cells, or are doubled, are told by positions; only others are matched, so
    that a file of which every cell is in quotes takes seconds and not a minute.
    """
    blocks = [_block(plain, separator, start) for start in range(0, len(plain), _BLOCK)]
    lines, fields, broken = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return QuotedLines(lines, fields, broken)


def _block(plain: Records, separator: bytes, start: int) -> tuple[Positions, Positions, NDArray[np.bool_]]:
    """Lines, numbers of cells and whether they are broken, of the block of lines from ``start`` on."""
    rows = slice(start, start + _BLOCK)
    origin, behind = int(plain.starts[rows][0]), int(plain.ends[rows][-1])
    content = np.frombuffer(plain.data, np.uint8, behind - origin, origin)
    starts, ends = plain.starts[rows] - origin, plain.ends[rows] - origin
    quotes, line_of_quote, first = _places(content, _QUOTE, starts)
    marks, line_of_mark, _ = _places(content, separator[0], starts)
    opens = (np.arange(len(quotes)) - first[line_of_quote]) % 2 == 0
    neighbour = content[np.clip(np.where(opens, quotes - 1, quotes + 1), 0, len(content) - 1)]
    at_edge = np.where(opens, quotes == starts[line_of_quote], quotes + 1 == ends[line_of_quote])
    strict = at_edge | (neighbour == separator[0]) | (neighbour == _QUOTE)
    counts = np.bincount(line_of_quote, minlength=len(starts))
    loose = (counts % 2 == 1) | (np.bincount(line_of_quote[~strict], minlength=len(starts)) > 0)
    outside = (np.searchsorted(quotes, marks) - first[line_of_mark]) % 2 == 0
    fields = np.bincount(line_of_mark[outside], minlength=len(starts)) + 1
    broken, pattern, cell = np.zeros(len(starts), bool), closed_line(separator), quoted_cell(separator)
    for line in np.flatnonzero(loose).tolist():
        text = plain.text(start + line)
        broken[line] = pattern.fullmatch(text) is None
        fields[line] = cell.sub(b"", text).count(separator) + 1
    found = np.flatnonzero(counts)
    return found + start, fields[found], broken[found]


def _places(content: NDArray[np.uint8], letter: int, starts: Positions) -> tuple[Positions, Positions, Positions]:
    """The positions of a letter, the line of each, and for each line how many stand before it."""
    places = np.flatnonzero(content == letter)
    first = np.searchsorted(places, starts)
    return places, np.repeat(np.arange(len(starts)), np.diff(first, append=len(places))), first
