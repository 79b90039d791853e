"""Warnings about the ends of the parts of a table: totals that are read as rows, and rows that were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.text.footer import Ending, left_out_by

_Part = tuple[str, tuple[Ending, ...], tuple[Ending, ...]]
_Placed = list[tuple[str, Ending]]


def ending_notes(parts: Sequence[_Part], options: TableFormat) -> Iterator[tuple[str, str]]:
    """Found and remedy of each kind of odd ending, over all parts together.

    Args:
        parts: the name of each part (empty for a single file), its rows that look like totals, and the lines that were
            left out at its end.
        options: that say which lines are left out.
    """
    totals = [(name, ending) for name, found, _ in parts for ending in found]
    cut = [(name, ending) for name, _, found in parts for ending in found]
    if totals:
        yield _of_totals(totals)
    rows = [(name, ending) for name, ending in cut if ending.is_row]
    if rows:
        yield _of_rows(rows, [ending for _, ending in cut if not ending.is_row])
    if options.footer and not any(ending.text.removeprefix('"').startswith(options.footer) for _, ending in cut):
        yield (
            f"no line at the end begins with {' or '.join(map(repr, options.footer))}, so none is left out",
            "correct data.footer, or leave it out",
        )


def _of_totals(totals: _Placed) -> tuple[str, str]:
    many = len(totals) > 1
    found = f"{_where(totals)} look{'' if many else 's'} like totals and not like {'rows' if many else 'a row'}, and "
    found += f"{'are' if many else 'is'} read as {'rows' if many else 'one'}: {totals[0][1].shown}"
    most = max(Counter(name for name, _ in totals).values())
    says = left_out_by([ending.label for _, ending in totals], most)
    return (
        found,
        f"{says} leaves out such lines; if {'these are rows' if many else 'it is a row'}, nothing is to be done",
    )


def _of_rows(rows: _Placed, others: Sequence[Ending]) -> tuple[str, str]:
    many = len(rows) > 1
    found = f"{_where(rows)} {'are' if many else 'is'} left out, and look{'' if many else 's'} like "
    found += f"{'rows' if many else 'a row'}: {rows[0][1].shown}"
    labels = [ending.label for ending in others]
    if labels and None not in labels:
        says = left_out_by(labels, 0)
        return found, f"replace data.skip_footer by {says}, which leaves out only last lines that begin so"
    return found, "correct data.skip_footer, or name how such lines begin in data.footer"


def _where(placed: _Placed) -> str:
    """The places of lines: ``line 7``, or their number and the first part."""
    name, ending = placed[0]
    if name and len(placed) > 1:
        return f"{len(placed):,} last lines of parts, the first {name} line {ending.line},"
    lines = ", ".join(str(ending.line) for _, ending in placed)
    return f"{name} line {lines}" if name else f"line{'s' if len(placed) > 1 else ''} {lines}"
