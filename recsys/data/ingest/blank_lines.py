"""Blank lines: a CSV is read without them, and its rows are still counted as they stand there."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray


def rows_in_file(path: Path, separator: str) -> NDArray[np.int64] | None:
    """int64 [n]: where each row stands, counted from 0 after the header; None where no line of the CSV is blank.

    A line that ends inside a quoted cell does not end its row, so that blank lines in a text are none.

    Raises:
        csv.Error: a cell is longer than the standard library reads.
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
