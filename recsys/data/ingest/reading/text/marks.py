"""Numbers of text tables that are written with a decimal comma or marks between thousands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.reading.found import Note
from recsys.data.ingest.reading.options import TableFormat

_SHARE = 0.9
"""Of the filled cells of a column that must be such numbers; the others stay as they are, and are found later."""
_POINTED = r"(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)"
_GROUPED = r"[-+]?\d{1,3}(?:,\d{3})+\.\d+|[-+]?\d{1,3}(?:,\d{3}){2,}"


@dataclass(frozen=True)
class Parts:
    """The files of a table.

    Args:
        names: of the files; a single empty one for a table of one file.
        sizes: their numbers of rows, in the order of the table.
    """

    names: tuple[str, ...] = ("",)
    sizes: tuple[int, ...] = ()

    @property
    def slices(self) -> list[slice]:
        """The rows of each."""
        ends = np.cumsum([0, *self.sizes]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def having(self, rows: NDArray[np.bool_]) -> list[str]:
        """The names of those that have one of ``rows``."""
        return [name for name, part in zip(self.names, self.slices, strict=True) if rows[part].any()]


def with_plain_numbers(
    frame: pd.DataFrame, options: TableFormat, separator: str, parts: Parts | None = None
) -> tuple[pd.DataFrame, list[Note]]:
    """The columns of numbers with a decimal point and without marks between thousands, and warnings of guesses.

    Without options, a decimal comma is guessed where it is safe: the columns are not separated by commas, all filled
    cells of a column are numbers, and they have two decimals, or one where semicolons separate the columns. Points
    between thousands are guessed beside a decimal comma, and commas where ``1,234.50`` shows both. All parts of a table
    are looked at together, and one by one where they are written differently.

    Args:
        frame: cells as text, or in a form of `recsys.data.ingest.chunks.text_columns.TextCells`.
        options: ``decimal`` and ``thousands``.
        separator: of the columns.
        parts: the files of the table; None for one file.
    """
    parts = parts or Parts(sizes=(len(frame),))
    warnings: list[Note] = []
    changed = {}
    for name in frame.columns:
        cells = frame[name]
        if not isinstance(cells.dtype, pd.StringDtype):
            if not _may_be_marked(cells, options):
                continue
            cells = cells.astype("str")
        if options.decimal is not None or options.thousands is not None:
            plain = _plain(cells, options.decimal or ".", options.thousands)
        else:
            plain, notes = _guessed(cells, separator, parts)
            warnings += [(str(name), *note) for note in notes]
        if plain is not None:
            changed[name] = plain
    return frame.assign(**changed) if changed else frame, warnings


def _may_be_marked(cells: Cells, options: TableFormat) -> bool:
    """Whether numbered cells can hold a decimal comma or marks between thousands; integers hold none."""
    marks = "".join(mark for mark in (options.decimal or ",", options.thousands or "") if mark != ".")
    marks += "." if options.thousands == "." else ""
    if not marks or not isinstance(cells.dtype, pd.CategoricalDtype):
        return False
    return bool(pd.Series(cells.cat.categories).str.contains(f"[{re.escape(marks)}]").any())


def _guessed(cells: Cells, separator: str, parts: Parts) -> tuple[Cells | None, list[tuple[str, str]]]:
    """The cells with plain numbers (None if nothing changes), and a warning for each way of writing them."""
    together = _guess(cells, separator)
    marks = [together] * len(parts.sizes) if together[0] else [_guess(cells.iloc[p], separator) for p in parts.slices]
    changed, notes = [], []
    for decimal, thousands in dict.fromkeys(marks):
        rows = np.zeros(len(cells), bool)
        for part, mark in zip(parts.slices, marks, strict=True):
            rows[part] = mark == (decimal, thousands)
        plain = None if decimal is None else _plain(cells[rows], decimal, thousands)
        if decimal is not None and plain is not None:
            changed.append(plain)
            notes.append(_told(cells, rows, decimal, thousands, parts))
    if not changed:
        return None, []
    whole = cells.copy()
    for plain in changed:
        whole.loc[plain.index] = plain
    return whole, notes


def _told(cells: Cells, rows: NDArray[np.bool_], decimal: str, thousands: str | None, parts: Parts) -> tuple[str, str]:
    marked = rows & cells.str.contains(",", regex=False, na=False).to_numpy(bool)
    grouped = rows & cells.str.contains(thousands or ",", regex=False, na=False).to_numpy(bool)
    both = marked & grouped
    example = cells.iloc[int(np.argmax(both if both.any() else marked))]
    marks = f"the decimal mark {decimal!r}" + (f" and {thousands!r} between thousands" if thousands else "")
    names = parts.having(marked | grouped)
    where = f", in {len(names):,} part{'s' * (len(names) > 1)}, the first {names[0]}" if len(parts.names) > 1 else ""
    says = f'data.decimal = "{decimal}"' + (f' and data.thousands = "{thousands}"' if thousands else "")
    return f"numbers as {example!r} are read with {marks}{where}", f"{says} say{'' if thousands else 's'} so"


def _guess(cells: Cells, separator: str) -> tuple[str | None, str | None]:
    sample = cells.dropna()
    first = sample.head(1000).tolist()
    if not all(re.fullmatch(r"[-+]?[\d.,]+", cell) for cell in first):
        return None, None
    if not any("," in cell for cell in first) and not sample.str.contains(",", regex=False).any():
        return None, None
    if sample.str.fullmatch(rf"{_GROUPED}|[-+]?\d{{1,3}}(?:,\d{{3}})*|[-+]?\d+(?:\.\d+)?").all():
        grouped = sample.str.fullmatch(_GROUPED).any()
        return (".", ",") if grouped else (None, None)
    decimals = "{1,2}" if separator == ";" else "{2}"  # pairs of ids, as 3,7, are no numbers
    if separator != "," and sample.str.fullmatch(rf"[-+]?{_POINTED}(?:,\d{decimals})?").all():
        return ",", "." if sample.str.contains(".", regex=False).any() else None
    return None, None


def _plain(cells: Cells, decimal: str, thousands: str | None) -> Cells | None:
    """The cells with plain numbers; None if too few of them are numbers, or none has a mark."""
    point = re.escape(decimal)
    whole = r"\d+"
    if thousands is not None:
        whole = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
    filled = cells.notna()
    number = cells.str.fullmatch(rf"[-+]?{whole}(?:{point}\d*)?").fillna(False).astype(bool)
    marks = ("" if decimal == "." else decimal) + (thousands or "")
    if not marks:
        return None
    marked = number & cells.str.contains(f"[{re.escape(marks)}]", na=False)
    if not marked.any() or number.sum() < _SHARE * filled.sum():
        return None
    plain = cells[number]
    if thousands is not None:
        plain = plain.str.replace(thousands, "", regex=False)
    if decimal != ".":
        plain = plain.str.replace(decimal, ".", regex=False)
    return cells.where(~number, plain.reindex(cells.index))
