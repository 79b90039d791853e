"""Where a text table begins and ends: preamble, header, rows of the wrong length, footer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from recsys.data.ingest.reading.found import MOST_COLUMNS, check_width
from recsys.data.ingest.reading.problem import Unreadable, lines_text
from recsys.data.ingest.reading.text.footer import is_label, label_of, left_out_by
from recsys.data.ingest.reading.text.records import Records

_PREAMBLE, _FOOTER = 20, 3
"""Rows in which the header is searched for; rows at the end that may be a footer."""
_HEADING = re.compile(rb"\d+:")


@dataclass(frozen=True, eq=False)
class Layout:
    """The parts of a text table.

    Args:
        header: the row of the names of the columns; None if they were given.
        rows: the rows of data, each with ``width`` cells.
        width: the number of columns.
        trailing: whether each row of data ends in a separator, so that it has an empty cell more than the header.
    """

    header: bytes | None
    rows: Records
    width: int
    trailing: bool


def find_layout(records: Records, n_given: int | None, mark: bytes) -> Layout:
    """The parts of a text table; rows that do not fit are left out and added to the errors of ``records``.

    Args:
        records: rows, the header included.
        n_given: the number of names of columns, if they were given and there is no header.
        mark: the separator, one byte.

    Raises:
        Unreadable: no rows, too many columns, or a layout that is not read.
    """
    rows = records.select(~blank_rows(records))
    if not len(rows):
        raise Unreadable("the file is empty", "it needs a header and rows")
    check_width(int(rows.fields.max()) if n_given else int(rows.fields[0]))
    usual = int(np.bincount(np.minimum(rows.fields, MOST_COLUMNS + 1)).argmax())
    _check_headings(rows, usual)
    if n_given is not None:
        return _fitting(rows, None, n_given, mark)
    start = _header_row(rows, usual)
    if start:
        found = f"{lines_text(rows.lines[:start])}: text stands before the header (a preamble)"
        remedy = f"remove it, or set data.skip_lines = {int(rows.lines[start]) - 1}"
        records.errors.append((found, remedy))
    check_width(int(rows.fields[start]))
    body = rows.select(slice(start + 1, None))
    header = rows.text(start)
    return _fitting(_without_repeated_header(body, header), header, int(rows.fields[start]), mark)


def blank_rows(rows: Records) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Bool [n]: rows without a cell, of blanks at most."""
    blank = rows.ends <= rows.starts
    if not len(rows.data):
        return blank
    content = np.frombuffer(rows.data, np.uint8)
    first = content[np.minimum(rows.starts, len(content) - 1)]
    for row in np.flatnonzero((rows.fields == 1) & ~blank & ((first == ord(" ")) | (first == ord("\t")))):
        blank[row] = not rows.text(int(row)).strip(b" \t")
    return blank


def _header_row(rows: Records, usual: int) -> int:
    """0, or the first row that has as many cells as most rows, if the rows before it have fewer."""
    if rows.fields[0] >= usual or usual < 2:
        return 0
    fits = np.flatnonzero(rows.fields[:_PREAMBLE] == usual)
    if not len(fits) or (fits[0] == 1 and rows.fields[0] > 1):  # a header that is too short is a header
        return 0
    return int(fits[0])


def _check_headings(rows: Records, usual: int) -> None:
    """Refuses the layout of the Netflix Prize, in which a line ``1:`` stands above the ratings of movie 1."""
    if usual > 1 and rows.fields[0] == 1 and _HEADING.fullmatch(rows.text(0)):
        headings = [n for n in np.flatnonzero(rows.fields == 1) if _HEADING.fullmatch(rows.text(int(n)))]
        raise Unreadable(
            f"{lines_text(rows.lines[headings])}: lines as {rows.text(0).decode()!r} give the item of the lines below, "
            "as in the files of the Netflix Prize",
            "write the item into each line instead: item, user, rating, date",
        )


def _without_repeated_header(body: Records, header: bytes) -> Records:
    length = len(header)
    same = np.flatnonzero((body.ends - body.starts) == length)
    again = np.array([n for n in same if body.text(int(n)) == header], np.int64)
    if len(again) and int(body.fields[again[0]]) > 1:
        found = f"{lines_text(body.lines[again])}: the header is repeated, as if files were joined"
        body.errors.append((found, "remove those lines"))
        keep = np.ones(len(body), bool)
        keep[again] = False
        return body.select(keep)
    return body


def _fitting(body: Records, header: bytes | None, width: int, mark: bytes) -> Layout:
    """The rows of ``width`` cells; others are errors."""
    if len(body) and (body.fields == width + 1).all() and _all_end_in(mark, body):
        body.warnings.append(("each row ends in a separator", "remove it; it is passed over"))
        return Layout(header, body, width, trailing=True)
    wrong = body.fields != width
    if wrong.all() and len(body):
        _report_all(body, width, header)
    elif wrong.any():
        _report_some(body, np.flatnonzero(wrong), width)
    return Layout(header, body.select(~wrong), width, trailing=False)


def _all_end_in(mark: bytes, body: Records) -> bool:
    content = np.frombuffer(body.data, np.uint8)
    return bool((content[np.maximum(body.ends - 1, 0)] == mark[0]).all())


def _report_all(body: Records, width: int, header: bytes | None) -> None:
    counts = np.unique(body.fields)
    have = f"{counts[0]} cells" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} cells"
    names = f"{width} names were given" if header is None else f"the header has {width}"
    kind = "more" if counts[0] > width else "other than"
    hint = "; the first may be numbers of rows without a name" if len(counts) == 1 and counts[0] == width + 1 else ""
    found = f"rows have {kind} cells than the header: {have}, and {names}{hint}"
    if header is None:
        found = f"rows have {have}, and {names} in data.header"
    raise Unreadable(found, "give every column a name, and quote cells that hold the separator")


def _ends_at_end(body: Records) -> bool:
    """Whether no line end stands behind the last row."""
    return int(body.ends[-1]) == len(body.data)


def _report_some(body: Records, wrong: np.ndarray[tuple[int], np.dtype[np.int64]], width: int) -> None:
    tail = wrong[wrong >= len(body) - min(_FOOTER, len(body) // 2)]
    is_end = len(tail) and tail[-1] == len(body) - 1 and np.array_equal(tail, np.arange(tail[0], len(body)))
    if is_end and (body.fields[tail] == 1).all() and width > 1 and not len(wrong) > len(tail):
        found = f"{lines_text(body.lines[tail])}: the end is no row, but a footer or a line that is cut off"
        lines = [body.text(int(row)).decode().strip() for row in tail]
        labels = [label_of(line, "\x1f") if is_label(line) else None for line in lines]
        body.errors.append((found, f"remove it, or set {left_out_by(labels, len(tail))}"))
        return
    if wrong[-1] == len(body) - 1 and body.fields[wrong[-1]] < width and _ends_at_end(body):
        line = int(body.lines[wrong[-1]])
        found = (
            f"line {line}: the file seems to be cut off: its last line has {body.fields[wrong[-1]]} of {width} cells"
        )
        body.errors.append((f"{found} and no line end", "get the file again, or remove that line"))
        wrong = wrong[:-1]
    for rows, what in ((wrong[body.fields[wrong] > width], "more"), (wrong[body.fields[wrong] < width], "fewer")):
        if len(rows):
            have = ", ".join(map(str, np.unique(body.fields[rows])[:5]))
            found = f"{lines_text(body.lines[rows])}: {what} cells than the {width} columns ({have})"
            remedy = "quote cells that hold the separator" if what == "more" else "fill them up, empty cells included"
            body.errors.append((found, remedy))
