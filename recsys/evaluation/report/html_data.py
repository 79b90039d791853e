"""The page that `recsys validate --html` writes: tables, pictures of the data, and what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsys.data.ingest.issues import ORDER, rows_text
from recsys.data.ingest.summary import TableSummary
from recsys.data.ingest.validate import Validation, verdict
from recsys.data.overview.overview import ColumnPicture, Histogram, Overview
from recsys.evaluation.report.html import page
from recsys.evaluation.report.html_table import table
from recsys.evaluation.report.plots import bar_charts

_DRAWN = 60
"""Columns with a picture, at most."""
_MUCH_MISSING = 0.5


def data_page(name: str, validation: Validation, found: Overview | None) -> str:
    """The page as HTML that opens without a network.

    Args:
        name: of the data.
        validation: its issues and tables.
        found: what is drawn; None where the tables could not be read.
    """
    parts = [f"<p><b>{escape(verdict(validation.issues))}</b></p>", "<h2>What is odd</h2>", _odd(validation)]
    if found is not None and found.activity is not None:
        parts += ["<h2>Activity over time</h2>", bar_charts({f"interactions a {found.period}": found.activity}, 1)]
    if found is not None and found.distributions:
        parts += ["<h2>Interactions</h2>", bar_charts(found.distributions, len(found.distributions))]
    for summary in validation.tables:
        pictures = [] if found is None else [each for each in found.columns if each.table == summary.what]
        parts += _table(summary, pictures)
    return page(f"Data of {name}", parts)


def _odd(validation: Validation) -> str:
    lines = []
    for issue in sorted(validation.issues, key=lambda issue: ORDER.index(issue.severity)):
        place = f"{issue.file.name}" + (f", <b>{escape(issue.column)}</b>" if issue.column else "")
        rows = f", {rows_text(issue.rows)}" if len(issue.rows) else ""
        lines.append(f"<li>{issue.severity}: {place}{rows}: {escape(issue.found)}; {escape(issue.remedy)}</li>")
    if validation.demand is not None:
        lines.append(f"<li><pre>{escape(validation.demand.to_text())}</pre></li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nothing was found.</p>"


def _table(summary: TableSummary, pictures: Sequence[ColumnPicture]) -> list[str]:
    """A row for each column of a table, its notes, and the histograms of its columns."""
    rows = []
    for column in summary.columns:
        missing = 1 - column.filled / max(summary.rows, 1)
        share = f"{missing:.1%}" if missing < _MUCH_MISSING else f"<span class='best'>{missing:.1%}</span>"
        rows.append(
            [escape(part) for part in (column.name, column.role)] + [share, escape(column.example), escape(column.use)]
        )
    parts = [f"<h2>{escape(summary.what)}: {escape(summary.file.name)}, {summary.rows:,} rows</h2>"]
    parts += [table(["column", "role", "missing", "example", "use"], rows)]
    parts += [f"<p>{escape(note)}</p>" for note in summary.notes]
    drawn = {_title(each): each.histogram for each in pictures if each.histogram is not None}
    charts: dict[str, Histogram] = dict(list(drawn.items())[:_DRAWN])
    if charts:
        parts.append(bar_charts(charts, 3))
    if len(drawn) > _DRAWN:
        parts.append(f"<p><small>{len(drawn) - _DRAWN:,} further columns are not drawn.</small></p>")
    return parts


def _title(picture: ColumnPicture) -> str:
    what = ", length of the text" if picture.kind == "text" else ""
    missing = f", {picture.missing:.0%} missing" if picture.missing else ""
    return f"{picture.name}{what}{missing}"
