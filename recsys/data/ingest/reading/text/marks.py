"""Numbers of text tables that are written with a decimal comma or marks between thousands."""

from __future__ import annotations

import re

import pandas as pd

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.reading.found import Note
from recsys.data.ingest.reading.options import TableFormat

_SHARE = 0.9
"""Of the filled cells of a column that must be such numbers; the others stay as they are, and are found later."""
_GROUPED = r"[-+]?\d{1,3}(?:,\d{3})+\.\d+|[-+]?\d{1,3}(?:,\d{3}){2,}"


def with_plain_numbers(frame: pd.DataFrame, options: TableFormat, separator: str) -> tuple[pd.DataFrame, list[Note]]:
    """The columns of numbers with a decimal point and without marks between thousands, and warnings of guesses.

    Without options, a decimal comma is guessed where it is safe: the columns are not separated by commas, all filled
    cells of a column are numbers, and they have two decimals, or one where semicolons separate the columns. Marks
    between thousands are guessed where ``1,234.50`` shows both.

    Args:
        frame: cells as text.
        options: ``decimal`` and ``thousands``.
        separator: of the columns.
    """
    warnings: list[Note] = []
    changed = {}
    for name in frame.columns:
        cells = frame[name]
        decimal: str | None = options.decimal
        thousands: str | None = options.thousands
        if decimal is None and thousands is None:
            decimal, thousands = _guess(cells, separator)
            if decimal is None:
                continue
        plain = _plain(cells, decimal or ".", thousands)
        if plain is None:
            continue
        changed[name] = plain
        if options.decimal is None and options.thousands is None:
            warnings.append(_told(str(name), cells, decimal, thousands))
    return frame.assign(**changed) if changed else frame, warnings


def _told(name: str, cells: Cells, decimal: str | None, thousands: str | None) -> tuple[str, str, str]:
    example = next(cell for cell in cells.dropna() if "," in cell)
    marks = f"the decimal mark {decimal!r}" + (f" and {thousands!r} between thousands" if thousands else "")
    says = f'data.decimal = "{decimal}"' + (f' and data.thousands = "{thousands}"' if thousands else "")
    return name, f"numbers as {example!r} are read with {marks}", f"{says} say{'' if thousands else 's'} so"


def _guess(cells: Cells, separator: str) -> tuple[str | None, str | None]:
    sample = cells.dropna()
    first = sample.head(1000).tolist()
    if not any("," in cell for cell in first) or not all(re.fullmatch(r"[-+]?[\d.,]+", cell) for cell in first):
        return None, None
    if sample.str.fullmatch(rf"{_GROUPED}|[-+]?\d{{1,3}}(?:,\d{{3}})*|[-+]?\d+(?:\.\d+)?").all():
        grouped = sample.str.fullmatch(_GROUPED).any()
        return (".", ",") if grouped else (None, None)
    decimals = "{1,2}" if separator == ";" else "{2}"  # pairs of ids, as 3,7, are no numbers
    if separator != "," and sample.str.fullmatch(rf"[-+]?\d+(?:,\d{decimals})?").all():
        return ",", None
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
