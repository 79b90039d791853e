"""The page that `recsys validate --html` writes: tables, pictures of the data, and what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsys.data.ingest.issues import ORDER, rows_text
from recsys.data.ingest.summary import TableSummary
from recsys.data.ingest.validate import Validation, verdict
from recsys.data.overview.overview import ColumnPicture, Histogram, Overview
from recsys.evaluation.report.page.bars import histogram
from recsys.evaluation.report.page.html import card, grid, page, section
from recsys.evaluation.report.page.tables import Cell, table

_DRAWN = 60
"""Columns with a picture, at most."""
_MUCH_MISSING = 0.5
_WIDE = 1040
"""Pixels of a picture over the whole width."""


def data_page(name: str, validation: Validation, found: Overview | None) -> str:
    """The page as HTML that opens without a network.

    Args:
        name: of the data.
        validation: its issues and tables.
        found: what is drawn; None where the tables could not be read.
    """
    kind = "bad" if validation.failed else "good"
    said = f"<p class='headline'><span class='badge {kind}'>{escape(verdict(validation.issues))}</span></p>"
    parts = [f"<section class='card summary'>{said}</section>", section("What is odd", card(_odd(validation)))]
    if found is not None and found.activity is not None:
        drawn = _drawn(f"interactions a {found.period}", found.activity, _WIDE)
        parts.append(section("Activity over time", card(drawn)))
    if found is not None and found.distributions:
        parts.append(section("Interactions", grid(*(_drawn(*pair) for pair in found.distributions.items()))))
    for summary in validation.tables:
        pictures = [] if found is None else [each for each in found.columns if each.table == summary.what]
        parts.append(_table(summary, pictures))
    return page(f"Data of {name}", parts)


def _odd(validation: Validation) -> str:
    lines = []
    for issue in sorted(validation.issues, key=lambda issue: ORDER.index(issue.severity)):
        place = escape(issue.file.name) + (f", <b>{escape(issue.column)}</b>" if issue.column else "")
        rows = f", {rows_text(issue.rows)}" if len(issue.rows) else ""
        lines.append(f"<li>{issue.severity}: {place}{rows}: {escape(issue.found)}; {escape(issue.remedy)}</li>")
    if validation.demand is not None:
        lines.append(f"<li><pre>{escape(validation.demand.to_text())}</pre></li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nothing was found.</p>"


def _drawn(title: str, found: Histogram, width: int = 360) -> str:
    return histogram(title, found.labels, found.counts, found.rest, width)


def _table(summary: TableSummary, pictures: Sequence[ColumnPicture]) -> str:
    """A row for each column of a table, its notes, and the histograms of its columns."""
    rows: list[list[str | Cell]] = []
    for column in summary.columns:
        missing = 1 - column.filled / max(summary.rows, 1)
        share = f"{missing:.1%}" if missing < _MUCH_MISSING else f"<span class='best'>{missing:.1%}</span>"
        told = [escape(text) for text in (column.name, column.role, column.example, column.use)]
        rows.append([*told, Cell(share, missing)])
    parts = [card(table(["column", "role", "example", "use", "missing"], rows, text=4))]
    parts += [f"<p>{escape(note)}</p>" for note in summary.notes]
    drawn = {_title(each): each.histogram for each in pictures if each.histogram is not None}
    charts: dict[str, Histogram] = dict(list(drawn.items())[:_DRAWN])
    parts.append(grid(*(_drawn(*pair) for pair in charts.items())))
    if len(drawn) > _DRAWN:
        parts.append(f"<p class='note'>{len(drawn) - _DRAWN:,} further columns are not drawn.</p>")
    return section(f"{summary.what}: {summary.file.name}, {summary.rows:,} rows", *parts)


def _title(picture: ColumnPicture) -> str:
    what = ", length of the text" if picture.kind == "text" else ""
    missing = f", {picture.missing:.0%} missing" if picture.missing else ""
    return f"{picture.name}{what}{missing}"
