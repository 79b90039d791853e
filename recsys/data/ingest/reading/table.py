"""Tables from files and folders of any format, told by what the files hold and not by their names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.chunks.plain_parquet import read_plain_parquet
from recsys.data.ingest.chunks.plain_text import read_plain_text
from recsys.data.ingest.reading.columnar import FEATHER, OLD_FEATHER, PARQUET, parquet_rows, read_columnar
from recsys.data.ingest.reading.content import head, is_packed, unpacked
from recsys.data.ingest.reading.folders import part_files, partition_values
from recsys.data.ingest.reading.found import Found, Note
from recsys.data.ingest.reading.json_lines import is_json, read_json
from recsys.data.ingest.reading.lists import explode
from recsys.data.ingest.reading.mixed_parts import one_format
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.parts import has_no_bytes, lacking_notes, lacking_parts, with_columns
from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.ingest.reading.remote import local_copy
from recsys.data.ingest.reading.text.delimited import NO_LINE_END, read_delimited
from recsys.data.ingest.reading.text.encoding import encoding_notes, garbled
from recsys.data.ingest.reading.text.ending_notes import ending_notes
from recsys.data.ingest.reading.text.line_numbers import LineNumbers
from recsys.data.ingest.reading.text.marks import Parts, with_plain_numbers

_NOTED = 3
"""Notes on parts that are told one by one."""

Place = Callable[[int], str | None]
"""Maps a row to where it stands in the file, such as ``line 7``; None where the number of the row tells it."""


@dataclass(frozen=True, eq=False)
class FileTable:
    """A table as read, and where its rows stand.

    Args:
        found: the table, with errors and warnings.
        place: maps a row to its place; None for formats in which rows have none.
    """

    found: Found
    place: Place | None = None


def read_path(path: Path, options: TableFormat, ids: Collection[str] = ()) -> FileTable:
    """Reads the file, or the folder of parts, at a path or address.

    Args:
        path: the file or folder.
        options: of reading.
        ids: names of columns of ids; where they are given, plain Parquet and plain text is read in chunks.

    Raises:
        Unreadable: names the problem and the remedy.
    """
    copy = local_copy(path)
    coded = None if options.explode or not ids else _coded(copy, path.name, options, ids)
    if coded is not None:
        return coded
    table = _folder(copy, options) if copy.is_dir() else _whole(copy, path.name, options)
    if not options.explode or not len(table.found.frame.columns):
        return table
    frame, source = explode(table.found.frame, options.explode, options.explode_labels)
    place = table.place
    exploded = None if place is None else (lambda row: place(int(source[row])))
    return FileTable(replace(table.found, frame=frame), exploded or (lambda row: f"row {source[row] + 1} of the file"))


def _coded(path: Path, name: str, options: TableFormat, ids: Collection[str]) -> FileTable | None:
    """The table of plain Parquet or text files, which never is in the memory as written; None for others."""
    files = part_files(path) if path.is_dir() else [path]
    names = [str(file.relative_to(path)) for file in files] if path.is_dir() else [""]
    if not files or any("=" in part for inner in names for part in Path(inner).parts[:-1]):
        return None
    frame = read_plain_parquet(files, ids)
    if frame is not None:
        parts = [Found(frame.iloc[:0])] * len(files)
        sizes = [parquet_rows(file) for file in files]
        return FileTable(_with_coded(Found(frame)), _place(names, sizes, parts) if path.is_dir() else None)
    read = read_plain_text(files, options, ids, [name] if not path.is_dir() else [file.name for file in files])
    if read is None:
        return None
    if not path.is_dir():
        (found,) = read.parts
        table = _finished(replace(found, frame=read.frame), [found], names, options)
        return FileTable(_with_coded(table), _line_of(found.lines))
    told = dict.fromkeys(note for inner, found in zip(names, read.parts, strict=True) for note in _named(found, inner))
    table = _finished(Found(read.frame, read.parts[0].separator, warnings=list(told)), read.parts, names, options)
    return FileTable(_with_coded(table), _place(names, [len(found.frame) for found in read.parts], read.parts))


def _with_coded(found: Found) -> Found:
    coded = [name for name, cells in found.frame.items() if isinstance(cells.dtype, pd.CategoricalDtype)]
    return replace(found, coded=tuple(map(str, coded)))


def _place(names: Sequence[str], sizes: Sequence[int], parts: Sequence[Found]) -> Place:
    """Where the rows of a folder stand: in which part, and on which line or in which row of it."""
    starts = np.cumsum([0, *sizes])

    def place(row: int) -> str:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        inner, lines = row - int(starts[number]), parts[number].lines
        return f"{names[number]} row {inner + 1}" if lines is None else f"{names[number]} line {lines[inner]}"

    return place


def _whole(path: Path, name: str, options: TableFormat) -> FileTable:
    """The table of one file."""
    table = _file(path, name, options)
    return replace(table, found=_finished(table.found, [table.found], [""], options))


def _file(path: Path, name: str, options: TableFormat) -> FileTable:
    """The cells of one file as written."""
    found = _found(path, name, options)
    return FileTable(found, _line_of(found.lines))


def _finished(table: Found, parts: list[Found], names: list[str], options: TableFormat) -> Found:
    """The table of all parts, with plain numbers, and with what is found when all parts are looked at together.

    Args:
        table: rows, errors and warnings of all parts.
        parts: in the order of their rows.
        names: of the parts; one that is empty for a table of a single file.
        options: of reading.
    """
    told = encoding_notes([(name, part.garbled) for name, part in zip(names, parts, strict=True)], options.encoding)
    table = replace(table, warnings=[*((None, *note) for note in told), *table.warnings])
    if table.separator is None:
        return table
    separator = table.separator if len({part.separator for part in parts}) == 1 else ","  # no decimal mark there
    sizes = Parts(tuple(names), tuple(len(part.frame) for part in parts))
    frame, guessed = with_plain_numbers(table.frame, options, separator, sizes)
    ends = ending_notes([(name, part.totals, part.cut) for name, part in zip(names, parts, strict=True)], options)
    return replace(table, frame=frame, warnings=[*table.warnings, *guessed, *((None, *note) for note in ends)])


def _found(path: Path, name: str, options: TableFormat) -> Found:
    start = head(path)
    if start.startswith((PARQUET, FEATHER, OLD_FEATHER)):
        return replace(read_columnar(path, start), form="Parquet" if start.startswith(PARQUET) else "Feather")
    data = unpacked(path)
    if is_packed(start) and data.startswith((PARQUET, FEATHER, OLD_FEATHER)):
        raise Unreadable(
            "the archive holds a Parquet or Feather file", "unpack it; these formats are compressed already"
        )
    if name.endswith((".parquet", ".pq", ".feather", ".arrow")):
        kind = "Feather" if name.endswith((".feather", ".arrow")) else "Parquet"
        raise Unreadable(f"the file cannot be read (it is no {kind} file)", "it may be damaged: write it again")
    wrong = garbled(data, options.encoding)
    if is_json(data[:1024]):
        return replace(read_json(data, options.encoding), form="JSON", garbled=wrong)
    return replace(read_delimited(data, name, options), garbled=wrong)


def _line_of(lines: NDArray[np.int64] | LineNumbers | None) -> Place | None:
    """Where rows stand; None if row n stands on line n + 2 throughout, below a header of one line, or is on none."""
    if lines is None:
        return None
    is_usual = isinstance(lines, LineNumbers) and lines.follow_the_header
    if is_usual or (isinstance(lines, np.ndarray) and np.array_equal(lines, np.arange(2, len(lines) + 2))):
        return None
    return lambda row: f"line {lines[row]}"


def _folder(folder: Path, options: TableFormat) -> FileTable:
    files = part_files(folder)
    if not files:
        raise Unreadable("the folder has no files", "give the path of a file, or of a folder of parts")
    read, problems, empty = _parts(files, folder, options)
    if problems or not read:
        nothing: Note = (None, "no file of the folder holds a byte", "give a folder of parts with rows")
        return FileTable(Found(pd.DataFrame(), errors=problems or [nothing]))
    together, mixed = one_format({str(file.relative_to(folder)): table.found for file, table in read.items()}, options)
    names, founds = [*together], [*together.values()]
    whole = [(name, found) for name, found in zip(names, founds, strict=True) if not found.errors]
    known = {name: [str(column) for column in found.frame.columns] for name, found in whole}
    lacking = lacking_parts(known) if known else {}
    filled = [found.frame for found in founds if len(found.frame)] or [founds[0].frame]
    filled = [with_columns(frame, [*lacking], founds[0].separator is not None) for frame in filled]
    sizes = [len(found.frame) for found in founds]
    frame = pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0]
    errors = [*mixed, *(error for found in founds for error in found.errors)]
    warnings = list(dict.fromkeys(warning for found in founds for warning in found.warnings))
    warnings += [*empty, *lacking_notes(lacking)]
    notes = [note for found in founds for note in found.notes]
    if len(notes) > _NOTED:
        more = f"{len(notes) - _NOTED:,} more parts have notes as these"
        notes = [*notes[:_NOTED], (None, more, "nothing is to be done")]
    table = Found(frame, founds[0].separator, None, errors, warnings, notes, lacking=lacking)
    return FileTable(_finished(table, founds, names, options), _place(names, sizes, founds))


def _parts(
    files: list[Path], folder: Path, options: TableFormat
) -> tuple[dict[Path, FileTable], list[Note], list[Note]]:
    """The parts that can be read, the problems of all others, and warnings of those without a byte."""
    read: dict[Path, FileTable] = {}
    problems: list[Note] = []
    empty: list[Note] = []
    for file in files:
        try:
            read[file] = _part(file, folder, options)
        except Unreadable as error:
            if has_no_bytes(file):
                found = f"{file.relative_to(folder)} holds not a byte and is passed over"
                empty.append((None, found, "get it again if it should have rows; else nothing is to be done"))
            else:
                problems.append((None, error.found, error.remedy))
    if problems:  # those of the others too, so that all are told at once
        problems += [error for table in read.values() for error in table.found.errors]
    return read, problems, empty


def _named(found: Found, name: Path | str) -> list[Note]:
    """The warnings of a part, of which those that its neighbours may share do not name it."""
    return [(c, f"{name}: {what}" if what == NO_LINE_END else what, remedy) for c, what, remedy in found.warnings]


def _part(file: Path, folder: Path, options: TableFormat) -> FileTable:
    """A part with the columns of its folders; its problems name it."""
    name = file.relative_to(folder)
    try:
        table = _file(file, file.name, options)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error.found}", error.remedy) from error
    found = table.found
    columns = {key: value for key, value in partition_values(file, folder).items() if key not in found.frame.columns}
    for key, value in columns.items():
        number = found.separator is None and value is not None and value.isdigit() and str(int(value)) == value
        cells: list[object] = [int(value) if number and value is not None else value] * len(found.frame)
        found.frame[key] = pd.Series(cells, index=found.frame.index, dtype="int64" if number else "str")
    errors = [(column, f"{name}: {what}", remedy) for column, what, remedy in found.errors]
    warnings = _named(found, name)
    notes = [(column, f"{name}: {what}", remedy) for column, what, remedy in found.notes]
    return replace(table, found=replace(found, errors=errors, warnings=warnings, notes=notes))
