"""A table of a report in HTML, and its cells."""

from __future__ import annotations

from collections.abc import Mapping


def table(head: list[str], rows: list[list[str]]) -> str:
    """An HTML table; the cells are HTML, not escaped here."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def interval(found: Mapping[str, float], best: bool = False) -> str:
    """An HTML cell: the value and, in small print below it, its 95 % interval; the ``best`` one is emphasized."""
    value = f"<span class='best'>{found['value']:.4f}</span>" if best else f"{found['value']:.4f}"
    return f"{value}<br><small>{found['low']:.4f} to {found['high']:.4f}</small>"


def with_chance(value: float | None, chance: float | None = None) -> str:
    """An HTML cell: the value and, in small print below it, the chance level; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.3f}" if chance is None else f"{value:.3f}<br><small>{chance:.3f}</small>"
