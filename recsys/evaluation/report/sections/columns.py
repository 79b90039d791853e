"""What the columns tell."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.numbers import signed
from recsys.evaluation.report.page.tables import Cell, table
from recsys.json_values import JsonMapping


def columns(found: JsonMapping) -> str:
    """HTML of the section: what the numbers are, a table with a row a column, and the warnings.

    Args:
        found: ``columns`` of ``report.json``.
    """
    rows: list[list[str | Cell]] = [
        [
            escape(row["name"]) + ("" if row["input"] else " <small>no input</small>"),
            escape(row["table"]),
            escape(row["kind"]),
            Cell(f"{row['values']:,}", row["values"]),
            Cell(f"{row['missing']:.1%}", row["missing"]),
            _gain(row["evidence"]),
            _gain(row["transitions"]),
        ]
        for row in found["columns"]
    ]
    warnings = [
        f"<li><b>{escape(row['name'])}</b> of {escape(row['table'])}, {escape(warning['what'])}: "
        f"{escape(warning['found'])}; {escape(warning['remedy'])}</li>"
        for row in found["columns"]
        for warning in row["warnings"]
    ]
    head = ["column", "table", "kind", "values", "missing", "tells, nats", "of the next, nats"]
    listed = f"<ul>{''.join(warnings)}</ul>" if warnings else ""
    return section(
        "Columns",
        card(table(head, rows, text=3), listed),
        note=f"What train alone tells of the columns that <b>{escape(found['engine'])}</b> may read: the mean gain in "
        "log-likelihood an interaction, leave-one-out, with its 95 % interval over users; emphasized where it is above "
        "zero by three standard errors. Of items: what a user's other items tell of the value of one of them, or "
        "what the value of an item tells of that of the next. Of users: what users of the same value tell of the "
        "items. What a column is worth to the engine: <code>recsys columns</code>.",
    )


def _gain(found: JsonMapping | None) -> Cell:
    if found is None:
        return Cell("–")
    value = signed(found["value"])
    value = f"<span class='best'>{value}</span>" if found["predictive"] else value
    return Cell(f"{value} <small>{signed(found['low'])} to {signed(found['high'])}</small>", found["value"])
