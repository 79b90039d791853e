"""What the columns tell, in the report's HTML."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.html_table import table
from recsys.json_values import JsonMapping


def section(columns: JsonMapping) -> str:
    """What the numbers are, a table with a row a column, and the warnings."""
    rows = [
        [
            escape(row["name"]) + ("" if row["input"] else "<br><small>no input</small>"),
            escape(row["table"]),
            escape(row["kind"]),
            f"{row['values']:,}",
            f"{row['missing']:.1%}",
            _gain(row["evidence"]),
            _gain(row["transitions"]),
        ]
        for row in columns["columns"]
    ]
    warnings = [
        f"<li><b>{escape(row['name'])}</b> of {escape(row['table'])}, {escape(warning['what'])}: "
        f"{escape(warning['found'])}; {escape(warning['remedy'])}</li>"
        for row in columns["columns"]
        for warning in row["warnings"]
    ]
    head = ["column", "table", "kind", "values", "missing", "tells, nats", "of the next, nats"]
    return (
        f"<p>What train alone tells of the columns that <b>{escape(columns['engine'])}</b> may read: the mean gain in "
        "log-likelihood an interaction, leave-one-out, with its 95 % interval over users; emphasized where it is above "
        "zero by three standard errors. Of items: what a user's other items tell of the value of one of them, or "
        "what the value of an item tells of that of the next. Of users: what users of the same value tell of the "
        "items. What a column is worth to the engine: <code>recsys columns</code>.</p>"
        + table(head, rows)
        + (f"<ul>{''.join(warnings)}</ul>" if warnings else "")
    )


def _gain(found: JsonMapping | None) -> str:
    if found is None:
        return "-"
    value = f"{found['value']:+.4f}"
    value = f"<span class='best'>{value}</span>" if found["predictive"] else value
    return f"{value}<br><small>{found['low']:+.4f} to {found['high']:+.4f}</small>"
