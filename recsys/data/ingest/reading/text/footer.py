"""The end of a text table: lines of totals that stand where rows do, and rows that were left out as such."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from recsys.data.ingest.reading.options import TableFormat

_LAST = 3
"""Rows at the end of a table that may be totals."""
_FULL, _LEAST_ROWS = 0.99, 10
"""Share of the cells of a column that is filled from which an empty one is unusual, and rows that it takes to tell."""
_TOTALS = (
    r"(?:(?:grand|sub|net)[ -]?)?total(?:s|e|es)?|(?:gesamt|zwischen|end)?summen?|gesamt|insgesamt|sums?|somme|sumas?|"
    r"soma|итого|всего|合計|总计|(?:row|record|line)?[ -]?counts?|anzahl(?: \w+)?|rows|records|averages?|mean|"
    r"eof|end of (?:file|report|data|export)|ende"
)
_LABEL = re.compile(
    rf"(?i:(?:{_TOTALS})\s*[:=]?|[^\W\d_][^:=]{{0,60}}[:=]\s*[-+]?[0-9][0-9.,' ]*|"
    r"\(?[0-9][0-9.,]*\s+(?:rows?|records?|lines?|entries|results?|zeilen|datens\u00e4tze|s\u00e4tze|lignes|filas)\b.*)"
)
"""A cell as ``Total``, ``Number of rows: 501`` or ``501 rows``."""


@dataclass(frozen=True)
class Ending:
    """A line at the end of a text table.

    Args:
        line: its number in the file.
        text: as written.
        label: how it begins, if that tells it from rows: ``Total``, or the separators before its first filled cell.
        is_row: whether it looks like the rows above and not like totals.
    """

    line: int
    text: str
    label: str | None
    is_row: bool

    @property
    def shown(self) -> str:
        """The text for a message."""
        return repr(self.text) if len(self.text) <= 60 else repr(self.text[:57] + "...")


def cut_footer(text: bytes, options: TableFormat) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The text without the lines at its end that the options leave out, and these, each with its place in the text.

    Args:
        text: UTF-8 with line feeds.
        options: ``skip_footer`` counts lines, ``footer`` is how they begin; blank lines behind them go too.
    """
    begins = tuple(start.encode() for start in options.footer)
    cut: list[tuple[int, bytes]] = []
    while text:
        shorter = text.rstrip(b"\r\n \t") if begins or options.skip_footer else text
        start = shorter.rfind(b"\n") + 1
        line = shorter[start:]
        if len(cut) >= options.skip_footer and not (begins and line.removeprefix(b'"').startswith(begins)):
            break
        cut.insert(0, (start, line))
        text = text[:start]
    return text, cut


def n_totals(frame: pd.DataFrame) -> int:
    """The number of rows at the end of a table that look like totals and not like rows.

    A row does if its first filled cell is a label as no other row has (``Total``, ``Number of rows: 501``), or if it is
    empty in most of the columns that are filled everywhere else.

    Args:
        frame: cells as text, or in a form of `recsys.data.ingest.chunks.text_columns.TextCells`.
    """
    above = frame.iloc[: -min(_LAST, max(len(frame) - 1, 1))]
    found = 0
    for place in range(1, 1 + len(frame) - len(above)):
        cells = [None if pd.isna(cell) else str(cell) for cell in frame.iloc[-place].tolist()]
        if not _is_total(cells, above):
            break
        found += 1
    return found if found < len(frame) else 0


def looks_like_row(cells: Sequence[str | None], frame: pd.DataFrame) -> bool:
    """Whether cells that were left out look like a row of the table: as filled, and no totals.

    Args:
        cells: of one line.
        frame: the rows that were read, as text.
    """
    if len(cells) != frame.shape[1] or not len(frame):
        return False
    full = frame.notna().mean().to_numpy() >= _FULL
    return not _is_total(cells, frame) and not any(
        usual and cell is None for usual, cell in zip(full, cells, strict=True)
    )


def is_label(cell: str) -> bool:
    """Whether a cell looks like the label of totals.

    Example:
        >>> is_label("Sum"), is_label("Number of rows: 501"), is_label("u501")
        (True, True, False)
    """
    return _LABEL.fullmatch(cell.strip()) is not None


def label_of(line: str, separator: str) -> str | None:
    """How a line of totals begins, so that rows do not; None if that cannot be told.

    Example:
        >>> label_of("Number of rows: 501;;;", ";"), label_of(";;;485", ";"), label_of("501 rows", ";")
        ('Number of rows', ';;;', None)
    """
    mark = re.escape(separator)
    found = re.match(rf'"?((?:{mark})*)"?((?:(?!{mark})[^\d:="])*)', line)
    empty, words = ("", "") if found is None else found.groups()
    words = words.strip() if re.match(r"[^\W\d_]", words) else ""
    return empty + words or None


def left_out_by(labels: Sequence[str | None], count: int) -> str:
    """The option that leaves out the last lines that begin with ``labels``, for a remedy.

    Example:
        >>> left_out_by(["Total"], 1), left_out_by([None], 1)
        ('data.footer = "Total"', 'data.skip_footer = 1')
    """
    names = list(dict.fromkeys(label for label in labels if label is not None))
    if None in labels or not names:
        return f"data.skip_footer = {count}"
    return f"data.footer = {json.dumps(names[0] if len(names) == 1 else names, ensure_ascii=False)}"


def _is_total(cells: Sequence[str | None], above: pd.DataFrame) -> bool:
    first = next((n for n, cell in enumerate(cells) if cell is not None), None)
    labelled = first is not None and is_label(str(cells[first]))
    if first is None or not len(above) or not (labelled or any(cell is None for cell in cells)):
        return False
    full = above.columns[above.notna().mean().to_numpy() >= _FULL]
    empty = [n for n, name in enumerate(above.columns) if name in full and cells[n] is None]
    if labelled:
        column = pd.Series(above.iloc[:, first].dropna().unique(), dtype="str").str.strip()
        is_id = bool(column.str.fullmatch(r"[^\s:=]*[0-9][^\s:=]*").all())
        return (is_id or bool(empty)) and not column.str.fullmatch(_LABEL).any()
    if len(above) < _LEAST_ROWS or len(empty) < 2 or 2 * len(empty) < len(full):
        return False
    return int(above[full].isna().sum(axis=1).max()) < len(empty)
