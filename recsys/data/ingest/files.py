"""Reading of CSV, Parquet and DataFrames as raw tables: cells as written, without inferred types."""

from __future__ import annotations

import csv
import gzip
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location

_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as it is in its file, before columns are coerced to types.

    Args:
        location: the file, with the row in the file of each row of ``frame``.
        frame: n rows, index 0..n-1, in the order of the file; cells of a CSV are text, or missing if empty.
        separator: of a CSV, whose cells are all text; None for Parquet and DataFrames.
    """

    location: Location
    frame: pd.DataFrame
    separator: str | None

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str, role: str) -> Cells | None:
        """Cells [n] of the column ``name``; None if the table lacks it, which adds an error.

        Args:
            name: of the column.
            role: the use of the column, for the message: ``the weight``.
        """
        if name in self.frame.columns:
            return self.frame[name]
        found = f"there is no column {name!r} for {role}; it has {', '.join(map(str, self.frame.columns[:12]))}"
        self.location.error(found, "map another column in [data.columns], columns={...} in Python")
        return None


def read_table(location: Location, frame: pd.DataFrame | None = None) -> RawTable | None:
    """Reads a CSV (``.csv``, ``.csv.gz``, ``.tsv``) or Parquet file; None if it cannot be read, which adds an error.

    The cells of a CSV are text as written, so that the id ``007`` stays ``007`` and the category ``24`` does not become
    ``24.0``; an empty cell is missing, and blank lines are skipped. In Parquet files and DataFrames, pandas categories
    become plain cells and a named index becomes a column.

    Args:
        location: the file.
        frame: the table itself, if it is not a file.
    """
    separator = None if frame is not None else _separator(location.file)
    if frame is None:
        if separator is None and location.file.suffix not in (".parquet", ".pq"):
            kind = location.file.suffix or "no ending"
            location.error(f"the file is of no known kind ({kind})", "give .csv, .tsv or .parquet")
            return None
        frame = _read(location, separator)
    if frame is None or not _named(frame, separator, location):
        return None
    if separator is not None:
        _check_end(location)
        source_row = cache(partial(_source_row, location.file, separator, len(frame)))
        location = replace(location, source_row=source_row)
    return RawTable(location, _plain(_with_index(frame)), separator)


def read_header(path: Path) -> list[str]:
    """Column names of a CSV; empty if it cannot be read (`read_table` reports why)."""
    try:
        return list(pd.read_csv(path, sep=_separator(path) or ",", nrows=0, encoding="utf-8-sig").columns)
    except (OSError, ValueError):
        return []


def without_missing(cells: Cells, more: tuple[str, ...] = ()) -> Cells:
    """``cells`` in which texts that mean a missing value, as ``NA`` and those of ``more``, are missing."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return cells.mask(cells.isin(list(more))) if more and cells.dtype == object and _flat(cells) else cells
    return cells.mask(cells.isin([*_MISSING, *more]))


def _named(frame: pd.DataFrame, separator: str | None, location: Location) -> bool:
    """Whether the column names are usable; adds an error if not."""
    if not all(isinstance(name, str) for name in frame.columns):
        location.error(f"column names must be text, found {list(frame.columns)[:5]}", "name the columns")
        return False
    if separator is None:
        return not _repeated(list(frame.columns), location)
    return len(frame.columns) != 1 or not _other_separator(frame.columns[0], location)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy whose named index levels are columns and whose index is 0..n-1."""
    named = [name for name in frame.index.names if isinstance(name, str) and name not in frame.columns]
    return (frame.reset_index(named) if named else frame).reset_index(drop=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which the cells of pandas categories and Arrow columns are plain values."""
    for name, cells in frame.items():
        if isinstance(cells.dtype, pd.CategoricalDtype):
            codes = cells.cat.codes  # -1 for missing cells, which reindex turns into NaN
            frame[name] = pd.Series(cells.cat.categories).reindex(codes).array
        elif isinstance(cells.dtype, pd.ArrowDtype):
            frame[name] = cells.astype(object).where(cells.notna(), None).infer_objects()
    return frame


def _flat(cells: Cells) -> bool:
    return not any(isinstance(cell, (list, dict)) or hasattr(cell, "__array__") for cell in cells)


def _separator(path: Path) -> str | None:
    endings = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
    return next((mark for ending, mark in endings.items() if path.name.endswith(ending)), None)


def _read(location: Location, separator: str | None) -> pd.DataFrame | None:
    try:
        return pd.read_parquet(location.file) if separator is None else _read_csv(location, separator)
    except FileNotFoundError:
        location.error("the file does not exist", "check the path in [data]")
    except UnicodeDecodeError as error:
        location.error(f"the file is not UTF-8 (byte {error.start})", "convert it, as with iconv -t utf-8")
    except pd.errors.EmptyDataError:
        location.error("the file is empty", "it needs a header and rows")
    except pd.errors.ParserWarning:
        location.error("rows have more cells than the header", "quote cells that hold the separator")
    except Exception as error:  # parsers raise many kinds of exceptions on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        location.error(f"the file cannot be read ({reason})", "it may be cut off or damaged: write it again")
    return None


def _read_csv(location: Location, separator: str) -> pd.DataFrame | None:
    if _repeated(_header(location.file, separator), location):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
        return pd.read_csv(
            location.file,
            sep=separator,
            encoding="utf-8-sig",
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            index_col=False,
            low_memory=False,
        )


def _header(path: Path, separator: str) -> list[str]:
    """The names in a CSV's header as written; `pandas.read_csv` would rename repeated ones."""
    as_text = pd.read_csv(
        path, sep=separator, encoding="utf-8-sig", dtype="str", keep_default_na=False, header=None, nrows=1
    )
    return [name for name in as_text.iloc[0] if name]


def _repeated(names: list[str], location: Location) -> bool:
    """Whether a name occurs more than once in ``names``; adds an error for each that does."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    for name in twice:
        location.at(name).error("the header names the column twice", "rename one, or leave it out")
    return bool(twice)


def _other_separator(header: str, location: Location) -> bool:
    """Whether the only column of a CSV contains another separator; adds an error if so."""
    mark = next((mark for mark in ("\t", ";", "|", ",") if mark in header), None)
    if mark is not None:
        remedy = "rename the file to .tsv" if mark == "\t" else "write it with commas"
        location.error(f"the columns are separated by {mark!r}", remedy)
    return mark is not None


def _source_row(path: Path, separator: str, n_rows: int) -> NDArray[np.int64] | None:
    """int64 [n], the row in the file of each row read; None if they are equal, or if the file is parsed differently."""
    try:
        rows = _full_rows(path, separator)
    except csv.Error:  # a cell is longer than the csv module reads
        return None
    return rows if rows is not None and len(rows) == n_rows else None


def _full_rows(path: Path, separator: str) -> NDArray[np.int64] | None:
    """int64 [n]: positions of the rows that are not blank, counted from 0 after the header; None if no line is blank.

    Rows, not lines, are counted: a quoted cell may contain line ends and blank lines.
    """
    with _opened(path) as stream:
        if not any(not line.strip() for line in stream):
            return None
    with _opened(path) as stream:
        full = np.flatnonzero([not _blank(row) for row in csv.reader(stream, delimiter=separator)])
    return full[1:] - full[:1] - 1


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and row[0] != "" and not row[0].strip(" \t"))


def _check_end(location: Location) -> None:
    if location.file.suffix == ".gz":
        return
    with location.file.open("rb") as stream:
        stream.seek(0, 2)
        if stream.tell():
            stream.seek(-1, 2)
            if stream.read(1) not in b"\r\n":
                location.warn("the last line has no line end", "check that the file is complete")
