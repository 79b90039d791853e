"""Text tables: rows of cells between separators, as in CSV files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import Literal

import pandas as pd

from recsys.data.ingest.reading.found import Found, Note
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.ingest.reading.text.encoding import as_utf8
from recsys.data.ingest.reading.text.footer import Ending, cut_footer, label_of, looks_like_row, n_totals
from recsys.data.ingest.reading.text.header import looks_like_data
from recsys.data.ingest.reading.text.layout import Layout, find_layout
from recsys.data.ingest.reading.text.quotes import split_rows
from recsys.data.ingest.reading.text.separators import by_name, declared_separator, guess_separator

_UNUSED = ("\x1f", "\x1e", "\x1d", "\x1c")
"""One of them stands for a separator of several characters."""

NO_LINE_END = "the last line has no line end"
INCOMPLETE: Note = (None, NO_LINE_END, "check that the file is complete")


def read_delimited(data: bytes, name: str, options: TableFormat) -> Found:
    """Reads a text table: every line is a row that is read, or named in the errors.

    Args:
        data: the bytes of the file.
        name: of the file, whose ending promises a separator.
        options: what is None is guessed, and added to the warnings.

    Raises:
        Unreadable: the text cannot be divided into rows and columns.
    """
    text, encoding = as_utf8(data, options.encoding)
    warnings: list[Note] = []
    if encoding is not None:
        warnings.append((None, f"the file is {encoding}", f'data.encoding = "{encoding}" says so'))
    _check_complete(text, warnings)
    text, first_line, declared = cut_head(text, options)
    whole = text
    text, cut = cut_footer(text, options)
    separator = options.separator or declared or guess_separator(text, by_name(name))
    if options.separator is None and separator != by_name(name) and separator.encode() in text:
        warnings.append(separator_note(separator))
    text, mark = single_mark(text, separator)
    records = split_rows(text, mark.encode(), options.quoting, first_line)
    given = options.header if isinstance(options.header, tuple) else None
    if given is None and records.errors and int(next(iter(records.lines), 0)) != first_line:  # the header is an error
        return Found(pd.DataFrame(), separator, None, [(None, *error) for error in records.errors], warnings)
    layout = find_layout(records, None if given is None else len(given), mark.encode())
    names = list(given) if given else names_of(layout, mark, records.quoting)
    twice = [name for name, times in Counter(names).items() if times > 1]
    errors: list[Note] = [(None, *error) for error in records.errors]
    warnings += [(None, *warning) for warning in records.warnings]
    notes: list[Note] = [(None, *note) for note in records.notes]
    frame = _frame(layout, mark, records.quoting)
    if mark != separator:  # it also stood inside of quotes
        names = [name.replace(mark, separator) for name in names]
        frame = frame.apply(lambda cells: cells.str.replace(mark, separator, regex=False))
    if options.header is None and looks_like_data(names, frame):
        raise Unreadable(
            f"the first row looks like data, not names of columns: {_shown(names)}",
            'there is no header: name the columns in data.header = ["user_id", "item_id", ...], add a header to the '
            'file, or set data.header = "first" if these are names',
        )
    if twice:
        errors += [(name, "the header names the column twice", "rename one, or leave it out") for name in twice]
        return Found(pd.DataFrame(), separator, None, errors, warnings)
    if len(names) > 1 and names[-1] == f"Unnamed: {len(names) - 1}" and not frame.iloc[:, -1].fillna("").ne("").any():
        names, frame = names[:-1], frame.iloc[:, :-1]  # every line ends with a separator: that is no column
    frame.columns = pd.Index(names)
    warnings += unnamed_notes(names)
    lines = layout.rows.lines
    last = range(len(frame) - n_totals(frame), len(frame))
    totals = [(int(lines[row]), layout.rows.text(row).decode().replace(mark, separator)) for row in last]
    places = [(first_line + whole.count(b"\n", 0, start), line.decode()) for start, line in cut]
    ends = [endings(found, separator, mark, frame, records.quoting) for found in (totals, places)]
    return Found(frame, separator, lines, errors, warnings, notes, totals=ends[0], cut=ends[1])


def read_names(data: bytes, name: str) -> list[str]:
    """The names in the header of a text table.

    Raises:
        Unreadable: the text cannot be divided into rows and columns.
    """
    text, _ = as_utf8(data, None)
    text, mark = single_mark(text, guess_separator(text, by_name(name)))
    records = split_rows(text, mark.encode(), None)
    return names_of(find_layout(records, None, mark.encode()), mark, records.quoting)


def separator_note(separator: str) -> Note:
    """A warning of a separator that was guessed, and is not the one that the file's name promises."""
    return None, f"the columns are separated by {separator!r}", f"data.separator = {json.dumps(separator)} says so"


def unnamed_notes(names: list[str]) -> list[Note]:
    """Warnings of columns without a name."""
    return [
        (name, f"column {n + 1} has no name in the header", "name it, or leave it out: it may be numbers of rows")
        for n, name in enumerate(names)
        if name == f"Unnamed: {n}"
    ]


def _check_complete(text: bytes, warnings: list[Note]) -> None:
    if text and not text.endswith((b"\n", b"\r")):
        warnings.append(INCOMPLETE)


def cut_head(text: bytes, options: TableFormat) -> tuple[bytes, int, str | None]:
    """The text without the lines that are to be left out, the number of its first line, and a declared separator."""
    first = 1
    for _ in range(options.skip_lines):
        _, feed, text = text.partition(b"\n")
        first += 1
        if not feed:
            break
    declared = declared_separator(text)
    if declared is not None:
        text, first = text[text.index(b"\n") + 1 :], first + 1
    return text, first, declared


def endings(
    lines: list[tuple[int, str]], separator: str, mark: str, frame: pd.DataFrame, quoting: str
) -> tuple[Ending, ...]:
    """Lines at the end, with what they look like."""
    found = []
    for number, text in lines:
        try:
            cells = [cell or None for cell in _cells(text.replace(separator, mark), mark, quoting)]
        except csv.Error:
            cells = []
        cells = cells[:-1] if len(cells) == frame.shape[1] + 1 and cells[-1] is None else cells
        found.append(Ending(number, text, label_of(text, separator), looks_like_row(cells, frame)))
    return tuple(found)


def single_mark(text: bytes, separator: str) -> tuple[bytes, str]:
    """The text with a separator of one character, and that."""
    if len(separator) == 1:
        return text, separator
    unused = next((mark for mark in _UNUSED if mark.encode() not in text), None)
    if unused is None:
        raise Unreadable(f"the separator {separator!r} cannot be read beside control characters", "write it with tabs")
    return text.replace(separator.encode(), unused.encode()), unused


def names_of(layout: Layout, mark: str, quoting: str) -> list[str]:
    """The names of the columns; one without a name is called as pandas would, by its number from 0."""
    header = (layout.header or b"").decode().removesuffix("\r")
    try:
        names = _cells(header, mark, quoting)
    except csv.Error as error:
        raise Unreadable(f"the header cannot be read ({error})", "shorten the names of the columns") from error
    return [name or f"Unnamed: {n}" for n, name in enumerate(names)]


def _cells(text: str, mark: str, quoting: str) -> list[str]:
    """The cells of one row.

    Raises:
        csv.Error: it cannot be read.
    """
    style: Literal[0, 3] = 3 if quoting == "none" else 0
    escape = "\\" if quoting == "backslash" else None
    rows = list(csv.reader(io.StringIO(text), delimiter=mark, quoting=style, escapechar=escape))
    return rows[0] if rows else [""]


def _frame(layout: Layout, mark: str, quoting: str) -> pd.DataFrame:
    """The rows of data as text; columns are numbered."""
    width = layout.width + layout.trailing
    if not len(layout.rows):
        return pd.DataFrame({n: pd.Series([], dtype="str") for n in range(layout.width)})
    style: Literal[0, 3] = 3 if quoting == "none" else 0
    frame = pd.read_csv(
        io.BytesIO(layout.rows.joined()),
        sep=mark,
        header=None,
        names=list(range(width)),
        dtype="str",
        keep_default_na=False,
        na_values=[""],
        index_col=False,
        skip_blank_lines=False,
        quoting=style,
        escapechar="\\" if quoting == "backslash" else None,
        lineterminator="\n",
        low_memory=False,
    )
    if len(frame) != len(layout.rows):
        found = f"{len(frame):,} rows are read of the {len(layout.rows):,} that the file has"
        raise Unreadable(found, "quotes or line ends may be damaged: write it again, or as Parquet")
    return frame.iloc[:, : layout.width]


def _shown(names: list[str]) -> str:
    cells = [re.sub(r"\s+", " ", name)[:20] for name in names[:6]]
    return ", ".join(cells) + (", ..." if len(names) > 6 else "")
