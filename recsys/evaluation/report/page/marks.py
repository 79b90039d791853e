"""How an engine looks: one colour and one shape in every figure of a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

_COLOURS = 8
"""Classes ``e0`` to ``e7`` of the style sheet."""
_SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "M-4.5 -4.5h9v9h-9z",
    "M0 -5.8L5.6 4.4H-5.6z",
    "M0 -6.2L6.2 0L0 6.2L-6.2 0z",
    "M0 5.8L5.6 -4.4H-5.6z",
    "M-2 -5.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5v-4h3.5z",
    "M0 -6L5.7 -1.9L3.5 4.9H-3.5L-5.7 -1.9z",
    "M-6 -3.2h12v6.4h-12z",
)


@dataclass(frozen=True)
class Look:
    """The colour and the shape of an engine, by its place in the report; after eight the dashes of lines change.

    Args:
        number: of the engine, from 0.
        name: of the engine, plain text.
    """

    number: int
    name: str

    @property
    def attributes(self) -> str:
        """HTML attributes of a part that shows the engine: its colour, and what highlights it."""
        return f"class='e e{self.number % _COLOURS}' data-e='{self.number}'"

    @property
    def dash(self) -> str:
        """The dashes of its lines, as an SVG attribute; empty for an unbroken line."""
        cycle = self.number // _COLOURS
        return f" stroke-dasharray='{8 - 2 * (cycle % 4)} {2 + 2 * (cycle % 3)}'" if cycle else ""

    def mark(self, tip: str, hollow: bool = False) -> str:
        """An SVG path around 0, 0 with the text that a pointer shows."""
        kind = "hollow" if hollow else "mark"
        title = f"<title>{escape(tip)}</title>" if tip else ""
        named = " m" if tip else ""
        return f"<path class='{kind}{named}' d='{_SHAPES[self.number % len(_SHAPES)]}'>{title}</path>"

    @property
    def key(self) -> str:
        """The line and the mark beside the engine's name."""
        line = f"<line class='whisker' x1='-11' x2='11' y1='0' y2='0'{self.dash}/>"
        shown = f"class='key e{self.number % _COLOURS}' viewBox='-12 -7 24 14' aria-hidden='true'"
        return f"<svg {shown}>{line}{self.mark('')}</svg>"


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Engine -> its look, in the order of the report."""
    return {name: Look(number, name) for number, name in enumerate(names)}


def legend(known: Iterable[Look]) -> str:
    """The names with their marks; one that is clicked is highlighted in the whole page."""
    chips = (
        f"<li><button type='button' class='chip e{look.number % _COLOURS}' data-e='{look.number}' aria-pressed='false'>"
        f"{look.key}{escape(look.name)}</button></li>"
        for look in known
    )
    return f"<ul class='chips' aria-label='Engines; a click highlights one'>{''.join(chips)}</ul>"
