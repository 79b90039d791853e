"""Plain separated text read in chunks of lines: no cell becomes a Python object, and no text stands in the memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.chunks.arrow_rows import arrow_columns
from recsys.data.ingest.chunks.text_chunks import NotPlainError, TextChunk, peek, text_chunks
from recsys.data.ingest.chunks.text_columns import IdTexts, TextCells
from recsys.data.ingest.reading.found import Found, Note
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.text.delimited import (
    INCOMPLETE,
    cut_head,
    endings,
    names_of,
    separator_note,
    single_mark,
    unnamed_notes,
)
from recsys.data.ingest.reading.text.footer import cut_footer, n_totals
from recsys.data.ingest.reading.text.header import looks_like_data
from recsys.data.ingest.reading.text.layout import blank_rows, find_layout
from recsys.data.ingest.reading.text.line_numbers import LineNumbers
from recsys.data.ingest.reading.text.quotes import split_rows
from recsys.data.ingest.reading.text.records import Records
from recsys.data.ingest.reading.text.separators import by_name, guess_separator

if TYPE_CHECKING:
    import pyarrow

BLOCK_BYTES = 1 << 24
"""Of the chunks, before the last line that they cut is completed."""
_SAMPLE_BYTES = 1 << 16
_SHOWN_ROWS = 1000

Columns = Mapping[str, IdTexts | TextCells]


def read_plain_text(
    files: Sequence[Path], options: TableFormat, ids: Collection[str], names: Sequence[str]
) -> PlainText | None:
    """The rows of all files, with what is found; None where the files are to be read one by one, each as one text.

    Plain is UTF-8 of one layout in all files, with an id column, in which every line is a row with as many cells as the
    header, whose quotes are closed, or a blank line. What is found is what
    `recsys.data.ingest.reading.text.delimited.read_delimited` finds, and so are the cells; ids are categorical, other
    columns in the form that `TextCells` says.

    Args:
        files: at least one.
        options: of reading.
        ids: names of the id columns.
        names: of the files, whose endings promise a separator.
    """
    try:
        return _read(files, options, ids, names)
    except MemoryError:
        raise
    except Exception:  # whatever is wrong with a file is told where it is read as one text
        return None


@dataclass(frozen=True, eq=False)
class PlainText:
    """A table of text files.

    Args:
        frame: the rows of all files, one after the other.
        parts: the rows of each file, with its warnings.
    """

    frame: pd.DataFrame
    parts: list[Found]


@dataclass(eq=False)
class _Part:
    """What is known of a file while it is read."""

    separator: str
    mark: str
    names: list[str]
    is_complete: bool = True
    lines: LineNumbers = field(default_factory=LineNumbers)
    cut: list[tuple[int, str]] = field(default_factory=list)
    quoting: str = "none"
    header: bytes | None = None


def _read(files: Sequence[Path], options: TableFormat, ids: Collection[str], names: Sequence[str]) -> PlainText:
    if options.encoding is not None and options.encoding.lower() not in ("utf-8", "utf8"):
        raise NotPlainError
    columns: dict[str, IdTexts | TextCells] = {}
    parts: list[_Part] = []
    for file, name in zip(files, names, strict=True):
        part = _start(file, name, options)
        parts.append(part)
        if not columns:
            columns = {name: IdTexts() if name in ids else TextCells() for name in part.names}
        if part.names != list(columns) or part.separator != parts[0].separator or not set(ids) & set(columns):
            raise NotPlainError
        for chunk in text_chunks(file, BLOCK_BYTES, options.quoting != "none"):
            _add(chunk, part, columns, options)
        if not len(part.lines):
            raise NotPlainError
    frame = pd.DataFrame({column: columns.pop(column).cells() for column in parts[0].names}, copy=False)
    ends = np.cumsum([len(part.lines) for part in parts]).tolist()
    founds = [
        _found(part, frame.iloc[end - len(part.lines) : end], options, name)
        for part, end, name in zip(parts, ends, names, strict=True)
    ]
    return PlainText(frame, founds)


def _start(file: Path, name: str, options: TableFormat) -> _Part:
    """Separator and names, by the first lines of a file."""
    text, is_all = peek(file)
    text, first, declared = cut_head(text, options)
    if is_all:
        text, _ = cut_footer(text, options)
    elif len(text) <= _SAMPLE_BYTES:
        raise NotPlainError
    separator = options.separator or declared or guess_separator(text, by_name(name))
    text, mark = single_mark(text, separator)
    given = list(options.header) if isinstance(options.header, tuple) else None
    rows = split_rows(text, mark.encode(), options.quoting, first)
    layout = find_layout(rows, None if given is None else len(given), mark.encode())
    names = given or names_of(layout, mark, rows.quoting)
    if rows.errors or rows.warnings or rows.notes or layout.trailing or len(names) < 2 or len(set(names)) < len(names):
        raise NotPlainError
    if names[-1] == f"Unnamed: {len(names) - 1}" or mark in "".join(names):
        raise NotPlainError
    return _Part(separator, mark, names, quoting=rows.quoting, header=layout.header)


def _add(chunk: TextChunk, part: _Part, columns: Columns, options: TableFormat) -> None:
    """Adds the rows of a chunk to the columns."""
    text, first = chunk.text, chunk.first_line
    if chunk.is_last:
        part.is_complete = text.endswith(b"\n")
    is_first = first == 1
    if is_first:
        text, first, _ = cut_head(text, options)
        if options.skip_lines and (not text or first <= options.skip_lines):
            raise NotPlainError
    if chunk.is_last:
        text = _without_footer(text, first, part, options)
    if part.mark != part.separator:
        if part.mark.encode() in text or (options.quoting != "none" and b'"' in text):
            raise NotPlainError
        text = text.replace(part.separator.encode(), part.mark.encode())
    header = part.header if is_first else None
    if not text:
        return
    if header is None and (options.quoting == "none" or b'"' not in text):
        whole = arrow_columns(text, part.mark, len(columns), quoted=False)
        n_lines = text.count(b"\n") + (not text.endswith(b"\n"))
        if whole is not None and len(whole[0]) == n_lines:  # else some are blank
            _keep(whole, range(first, first + n_lines), part, columns, text)
            return
    rows = split_rows(text, part.mark.encode(), options.quoting, first)
    if rows.errors or rows.warnings or rows.notes or rows.quoting == "backslash":
        raise NotPlainError
    rows = rows.select(~blank_rows(rows))
    if (rows.fields != len(columns)).any():
        raise NotPlainError
    if header is not None:
        if rows.text(0) != header:
            raise NotPlainError
        rows = rows.select(slice(1, None))
    part.quoting = part.quoting if rows.quoting == "none" else rows.quoting
    _keep_rows(rows, part, columns)


def _keep_rows(rows: Records, part: _Part, columns: Columns) -> None:
    if not len(rows):
        return
    text = rows.joined()
    found = arrow_columns(text, part.mark, len(columns), quoted=rows.quoting != "none")
    if found is None or len(found[0]) != len(rows):
        raise NotPlainError
    _keep(found, rows.lines, part, columns, text)


def _keep(
    found: list[pyarrow.Array], lines: NDArray[np.int64] | range, part: _Part, columns: Columns, text: bytes
) -> None:
    """Adds cells of rows, whose text is given, in which the header must not stand again."""
    if part.header is not None and (b"\n" + part.header + b"\n" in text or text.startswith(part.header + b"\n")):
        raise NotPlainError
    part.lines.add(lines)
    for column, cells in zip(columns.values(), found, strict=True):
        column.add(cells)


def _without_footer(text: bytes, first: int, part: _Part, options: TableFormat) -> bytes:
    kept, cut = cut_footer(text, options)
    if cut and not kept:  # it may begin in the chunk before
        raise NotPlainError
    part.cut = [(first + text.count(b"\n", 0, start), line.decode()) for start, line in cut]
    return kept


def _found(part: _Part, frame: pd.DataFrame, options: TableFormat, name: str) -> Found:
    """The table of a file, with warnings in the order of `read_delimited`."""
    texts = pd.DataFrame({column: cells.astype("str") for column, cells in frame.head(_SHOWN_ROWS).items()})
    if (options.header is None and looks_like_data(part.names, texts)) or n_totals(frame):
        raise NotPlainError
    warnings: list[Note] = []
    if not part.is_complete:
        warnings.append(INCOMPLETE)
    if options.separator is None and part.separator != by_name(name):
        warnings.append(separator_note(part.separator))
    warnings += unnamed_notes(part.names)
    cut = endings(part.cut, part.separator, part.mark, frame, part.quoting)
    return Found(frame, part.separator, part.lines, warnings=warnings, cut=cut)
