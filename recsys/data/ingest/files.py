"""Files: CSV and Parquet become tables of cells whose meaning nobody has guessed yet."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.blank_lines import rows_in_file
from recsys.data.ingest.issues import Location

_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]


def read_table(place: Location) -> pd.DataFrame | None:
    """A CSV (``.csv``, ``.csv.gz``, ``.tsv``) or Parquet file; None when it cannot be read, which is then a finding.

    The cells of a CSV are text as it stands there, so that the id ``007`` stays ``007`` and the category ``24`` does
    not become ``24.0``; an empty cell is missing, and a blank line is no row.

    Of a Parquet file, categories of pandas become plain cells and a named index becomes a column.
    """
    path = place.file
    separator = _separator(path)
    if separator is None and path.suffix not in (".parquet", ".pq"):
        place.error(f"the file is of no known kind ({path.suffix or 'no ending'})", "give .csv, .tsv or .parquet")
        return None
    frame = _read(place, separator)
    if frame is None:
        return None
    if not all(isinstance(name, str) for name in frame.columns):
        place.error(f"column names must be text, found {list(frame.columns)[:5]}", "name the columns")
        return None
    if len(frame.columns) == 1 and separator is not None and _other_separator(frame.columns[0], place):
        return None
    if separator is not None:
        _look_at_the_end(place, path)
        place.issues.stands[path] = cache(partial(_standing, path, separator, len(frame)))
    return _without_categories(frame.reset_index(drop=True))


def read_header(path: Path) -> list[str]:
    """The columns of a CSV; none when it cannot be read (`read_table` says why)."""
    try:
        return list(pd.read_csv(path, sep=_separator(path) or ",", nrows=0, encoding="utf-8-sig").columns)
    except (OSError, ValueError):
        return []


def without_missing(cells: pd.Series[Any], more: tuple[str, ...] = ()) -> pd.Series[Any]:
    """``cells`` with the texts that mean a missing value taken out."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return cells.mask(cells.isin(list(more))) if more and cells.dtype == object and _flat(cells) else cells
    return cells.mask(cells.isin([*_MISSING, *more]))


def column_of(frame: pd.DataFrame, name: str, place: Location, role: str) -> pd.Series[Any] | None:
    """The column ``name``; None when there is none, which is then a finding.

    Args:
        frame: the table.
        name: of the column.
        place: the table.
        role: what the column is for, as ``the weight``.
    """
    if name in frame.columns:
        return frame[name]
    found = f"there is no column {name!r} for {role}; it has {', '.join(map(str, frame.columns[:12]))}"
    place.error(found, "map another column in [data.columns]")
    return None


def _without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    for name, cells in frame.select_dtypes("category").items():
        codes = cells.cat.codes  # -1 where missing, which is no label
        frame[name] = pd.Series(cells.cat.categories).reindex(codes).array
    return frame


def _flat(cells: pd.Series[Any]) -> bool:
    return not any(isinstance(cell, (list, dict)) or hasattr(cell, "__array__") for cell in cells)


def _separator(path: Path) -> str | None:
    endings = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
    return next((mark for ending, mark in endings.items() if path.name.endswith(ending)), None)


def _read(place: Location, separator: str | None) -> pd.DataFrame | None:
    try:
        return _read_parquet(place.file) if separator is None else _read_csv(place, separator)
    except FileNotFoundError:
        place.error("the file does not exist", "check the path in [data]")
    except UnicodeDecodeError as error:
        place.error(f"the file is not UTF-8 (byte {error.start})", "convert it, as with iconv -t utf-8")
    except pd.errors.EmptyDataError:
        place.error("the file is empty", "it needs a header and rows")
    except pd.errors.ParserWarning:
        place.error("rows have more cells than the header", "quote cells that hold the separator")
    except Exception as error:  # a damaged file makes the parsers raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        place.error(f"the file cannot be read ({reason})", "it may be cut off or damaged: write it again")
    return None


def _read_parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if isinstance(name, str) and name not in frame.columns]
    return frame.reset_index(named) if named else frame


def _read_csv(place: Location, separator: str) -> pd.DataFrame | None:
    if _repeated(_header(place.file, separator), place):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
        return pd.read_csv(
            place.file,
            sep=separator,
            encoding="utf-8-sig",
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            index_col=False,
            low_memory=False,
        )


def _header(path: Path, separator: str) -> list[str]:
    """The names in a CSV's header as they stand there; pandas would rename the second of two that are the same."""
    as_text = pd.read_csv(
        path, sep=separator, encoding="utf-8-sig", dtype="str", keep_default_na=False, header=None, nrows=1
    )
    return [name for name in as_text.iloc[0] if name]


def _repeated(names: list[str], place: Location) -> bool:
    """Whether a column's name stands there twice, which is a finding."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    for name in twice:
        place.at(name).error("the column stands there twice", "rename one, or leave it out")
    return bool(twice)


def _other_separator(header: str, place: Location) -> bool:
    """Whether the one column of a CSV is several that are separated by something else."""
    mark = next((mark for mark in ("\t", ";", "|", ",") if mark in header), None)
    if mark is not None:
        remedy = "rename the file to .tsv" if mark == "\t" else "write it with commas"
        place.error(f"the columns are separated by {mark!r}", remedy)
    return mark is not None


def _standing(path: Path, separator: str, n_rows: int) -> NDArray[np.int64] | None:
    """int64 [n], where each row stands in the file; None where it is where it was read, or the two parsers disagree."""
    try:
        rows = rows_in_file(path, separator)
    except csv.Error:
        return None
    return rows if rows is not None and len(rows) == n_rows else None


def _look_at_the_end(place: Location, path: Path) -> None:
    if path.suffix == ".gz":
        return
    with path.open("rb") as stream:
        stream.seek(0, 2)
        if stream.tell():
            stream.seek(-1, 2)
            if stream.read(1) not in b"\r\n":
                place.warn("the last line has no end", "see whether the file is whole")
