"""A table as read from its file, with what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.ingest.reading.text.footer import Ending
from recsys.data.ingest.reading.text.line_numbers import LineNumbers

MOST_COLUMNS = 2000
"""Of a table; each is profiled and checked, which takes milliseconds."""
Note = tuple[str | None, str, str]
"""Column, found and remedy; the column is None for the whole table."""


@dataclass(frozen=True, eq=False)
class Found:
    """A table as read from its file.

    Args:
        frame: n rows, index 0..n-1.
        separator: of a text file, whose cells are all text; None for other formats.
        lines: [n], the line of each row in the file; None for formats without lines.
        errors: what is wrong with it.
        warnings: what may be wrong, and what was guessed.
        notes: what is right and may surprise, as cells of several lines.
        totals: rows at the end that look like totals.
        cut: lines that were left out at the end.
        lacking: column -> the parts of a folder that lack it, as a text.
        form: JSON, Parquet or Feather; empty for separated text.
        garbled: how a text that is UTF-8 would be misread in the encoding that was given; empty for others.
        coded: columns that are categorical because their cells were numbered while they were read.
    """

    frame: pd.DataFrame
    separator: str | None = None
    lines: NDArray[np.int64] | LineNumbers | None = None
    errors: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    totals: tuple[Ending, ...] = ()
    cut: tuple[Ending, ...] = ()
    lacking: dict[str, str] = field(default_factory=dict)
    form: str = ""
    garbled: str = ""
    coded: tuple[str, ...] = ()


def check_width(width: int) -> None:
    """Refuses a table with too many columns.

    Raises:
        Unreadable: there are over `MOST_COLUMNS`.
    """
    if width > MOST_COLUMNS:
        raise Unreadable(f"the table has {width:,} columns, more than {MOST_COLUMNS:,}", "leave out what is not used")
