"""Reading of files and DataFrames as raw tables: cells as written, without inferred types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.feedback.event_types import EventTypes
from recsys.data.ingest.cells import CodedTexts, encodable
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location
from recsys.data.ingest.reading.content import unpacked
from recsys.data.ingest.reading.folders import content_digest
from recsys.data.ingest.reading.found import Note
from recsys.data.ingest.reading.lists import explode
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.ingest.reading.remote import local_copy
from recsys.data.ingest.reading.table import read_path
from recsys.data.ingest.reading.text.delimited import read_names

_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]

_MAP = "map another column in [data.columns], columns={...} in Python"


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as it is in its file, before columns are coerced to types.

    Args:
        location: the file, with the place in the file of each row of ``frame``.
        frame: n rows, index 0..n-1, in the order of the file; cells of a CSV are text, or missing if empty, in a large
            one of interactions in a form of `recsys.data.ingest.chunks.text_columns.TextCells`.
        separator: of a text file, whose cells are all text; None for other formats and DataFrames.
        lacking: column -> the parts of a folder that lack it, as a text.
        event_types: of interactions, see `recsys.data.ingest.types.event_types`; None where they are not known.
        codes: columns of event types as numbers, see `coded`.
    """

    location: Location
    frame: pd.DataFrame
    separator: str | None
    lacking: Mapping[str, str] = field(default_factory=dict)
    event_types: EventTypes | None = None
    codes: Mapping[str, CodedTexts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def of_rows(self, rows: NDArray[np.int64]) -> RawTable:
        """Some of the rows; messages name them by their places in the whole table."""
        frame = self.frame.take(rows).reset_index(drop=True)
        for name, cells in frame.items():
            if isinstance(cells.dtype, pd.CategoricalDtype):
                frame[name] = cells.cat.remove_unused_categories()
        codes = {name: coded.of_rows(rows) for name, coded in self.codes.items()}
        return replace(self, frame=frame, location=replace(self.location, rows=rows), codes=codes)

    def coded(self, name: str) -> CodedTexts:
        """The column ``name`` as numbers of its distinct texts."""
        return self.codes[name] if name in self.codes else CodedTexts.of(self.frame[name])

    def column(self, name: str, role: str, remedy: str = _MAP) -> Cells | None:
        """Cells [n] of the column ``name``; None if the table, or a part of it, lacks it, which adds an error.

        Args:
            name: of the column.
            role: the use of the column, for the message: ``the weight``.
            remedy: what to do where it lacks it.
        """
        if name in self.lacking:
            found = f"there is no column {name!r} for {role} in {self.lacking[name]}"
            self.location.error(found, f"write these parts again with it, or {remedy}")
            return None
        if name in self.frame.columns:
            return self.frame[name]
        found = f"there is no column {name!r} for {role}; it has {', '.join(map(str, self.frame.columns[:12]))}"
        self.location.error(found, remedy)
        return None


def read_table(
    location: Location,
    frame: pd.DataFrame | None = None,
    options: TableFormat | None = None,
    section: str = "data",
    ids: Collection[str] = (),
) -> RawTable | None:
    """Reads a file or a folder of parts; None if it cannot be read, which adds an error.

    CSV and other separated text, JSON lines, Parquet and Feather are told apart by what the file holds; text may be
    compressed by gzip, bzip2, xz or zip. The cells of separated text are text as written, so that the id ``007`` stays
    ``007`` and the category ``24`` does not become ``24.0``; an empty cell is missing, and blank lines are skipped. In
    other formats and DataFrames, pandas categories become plain cells and a named index becomes a column.

    Args:
        location: the file.
        frame: the table itself, if it is not a file.
        options: of reading; what they leave open is guessed where that is safe.
        section: of the config that has these options, for remedies.
        ids: names of columns of ids; plain files of a table that has one are read in chunks.
    """
    options = TableFormat() if options is None else options
    location = replace(location, section=section)
    try:
        if frame is not None:
            return _of_frame(location, frame, options)
        table = read_path(location.file, options, ids)
    except Unreadable as error:
        location.error(error.found, error.remedy)
        return None
    except OSError as error:
        location.error(f"the file cannot be read ({error.strerror or error})", "check path and permissions")
        return None
    except MemoryError:
        location.error("the file cannot be read (it does not fit in the memory)", "read a part of it")
        return None
    for column, found, remedy in table.found.errors:
        (location if column is None else location.at(column)).error(found, remedy)
    for column, found, remedy in _once(table.found.warnings):
        (location if column is None else location.at(column)).warn(found, remedy)
    for column, found, remedy in table.found.notes:
        (location if column is None else location.at(column)).note(found, remedy)
    if not len(table.found.frame.columns):
        return None
    raw = _plain_table(
        replace(location, place=table.place), table.found.frame, table.found.separator, table.found.coded
    )
    return None if raw is None else replace(raw, lacking=table.found.lacking)


def _once(notes: list[Note]) -> Iterator[Note]:
    """Without what the option of an earlier note says too, as of another part of a folder."""
    said = set()
    for column, found, remedy in notes:
        if not (remedy.endswith(" so") and (column, remedy) in said):
            said.add((column, remedy))
            yield column, found, remedy


def _of_frame(location: Location, frame: pd.DataFrame, options: TableFormat) -> RawTable | None:
    """A DataFrame as a table; of the options of reading only ``explode`` concerns it."""
    if not options.explode:
        return _plain_table(location, frame, None)
    exploded, source = explode(_with_index(frame), options.explode, options.explode_labels)
    return _plain_table(replace(location, place=lambda row: f"row {source[row] + 1} of the table"), exploded, None)


def read_header(path: Path) -> list[str]:
    """Column names of a text file; empty if it cannot be read (`read_table` reports why)."""
    try:
        return read_names(unpacked(path), path.name)
    except (OSError, Unreadable):
        return []


def file_fingerprint(path: Path) -> str | None:
    """A digest of everything that `read_table` reads at ``path``; None if it cannot be read.

    It covers the names and bytes of all parts of a folder, what links lead to, and what stands at an address.
    """
    try:
        return content_digest(local_copy(path))
    except (OSError, Unreadable):
        return None


def without_missing(cells: Cells, more: tuple[str, ...] = ()) -> Cells:
    """``cells`` in which texts that mean a missing value, as ``NA`` and those of ``more``, are missing."""
    if isinstance(cells.dtype, pd.CategoricalDtype):  # texts that the reader has numbered
        return cells.cat.remove_categories(cells.cat.categories[cells.cat.categories.isin([*_MISSING, *more])])
    if not isinstance(cells.dtype, pd.StringDtype):
        return cells.mask(cells.isin(list(more))) if more and cells.dtype == object and _flat(cells) else cells
    return cells.mask(cells.isin([*_MISSING, *more]))


def _plain_table(
    location: Location, frame: pd.DataFrame, separator: str | None, coded: Collection[str] = ()
) -> RawTable | None:
    """The table with usable names of columns and plain cells; None, and an error, without them."""
    if not all(isinstance(name, str) for name in frame.columns):
        location.error(f"column names must be text, found {list(frame.columns)[:5]}", "name the columns")
        return None
    twice = [name for name, times in Counter(frame.columns).items() if times > 1]
    for name in twice:
        location.at(name).error("the header names the column twice", "rename one, or leave it out")
    location = replace(location, written=separator is not None)
    if twice:
        return None
    plain = _plain(_with_index(frame), coded)
    for column, cells in plain.items():
        if (checked := encodable(cells, location.at(str(column)))) is not cells:
            plain[column] = checked
    return RawTable(location, plain, separator)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy whose named index levels are columns and whose index is 0..n-1."""
    named = [name for name in frame.index.names if isinstance(name, str) and name not in frame.columns]
    return (frame.reset_index(named) if named else frame).reset_index(drop=True)


def _plain(frame: pd.DataFrame, coded: Collection[str]) -> pd.DataFrame:
    """A copy in which the cells of categories, but for those of ``coded``, and of Arrow columns are plain values."""
    for name, cells in frame.items():
        if name in coded:
            continue
        if isinstance(cells.dtype, pd.CategoricalDtype):
            codes = cells.cat.codes  # -1 for missing cells, which reindex turns into NaN
            frame[name] = pd.Series(cells.cat.categories).reindex(codes).array
        elif isinstance(cells.dtype, pd.ArrowDtype):
            frame[name] = cells.astype(object).where(cells.notna(), None).infer_objects()
    return frame


def _flat(cells: Cells) -> bool:
    return not any(isinstance(cell, (list, dict)) or hasattr(cell, "__array__") for cell in cells)
