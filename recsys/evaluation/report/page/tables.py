"""Tables of a page, and their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """A cell that is sorted by another value than its text.

    Args:
        html: what is shown.
        key: what it is sorted by; None puts it last.
    """

    html: str
    key: float | str | None = None


def table(head: Sequence[str], rows: Sequence[Sequence[str | Cell]], text: int = 1, engines: Sequence[int] = ()) -> str:
    """A table that a click on a heading sorts; it scrolls in itself where the screen is narrow.

    Args:
        head: HTML of the headings.
        rows: HTML of the cells, not escaped here.
        text: number of columns from the left that hold text.
        engines: the number of the engine of each row, which is dimmed while another one is highlighted; empty for
            tables of anything else.
    """
    top = "".join(f"<th scope='col'{_text(place < text)}>{cell}</th>" for place, cell in enumerate(head))
    body = "".join(
        f"<tr{f' class=e data-e={engines[number]}' if engines else ''}>"
        f"{''.join(_cell(cell, place < text) for place, cell in enumerate(row))}</tr>"
        for number, row in enumerate(rows)
    )
    return (
        f"<div class='scroll'><table class='sortable'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def interval(found: Mapping[str, float], best: bool = False) -> Cell:
    """The value and, in small print below it, its 95 % interval; the ``best`` one is emphasized."""
    value = f"<span class='best'>{found['value']:.4f}</span>" if best else f"{found['value']:.4f}"
    return Cell(f"{value} <small>{found['low']:.4f} to {found['high']:.4f}</small>", found["value"])


def with_chance(value: float | None, chance: float | None = None) -> Cell:
    """The value and, in small print below it, the chance level; a dash for None."""
    if value is None:
        return Cell("–", None)
    return Cell(f"{value:.3f}" + ("" if chance is None else f" <small>{chance:.3f}</small>"), value)


def _cell(cell: str | Cell, text: bool) -> str:
    if isinstance(cell, str):
        return f"<td{_text(text)}>{cell}</td>"
    return f"<td{_text(text)} data-v='{'' if cell.key is None else escape(str(cell.key))}'>{cell.html}</td>"


def _text(is_text: bool) -> str:
    return " class=text" if is_text else ""
