"""Histograms and shares as bars, as inline SVG; letters are the browser's, which has those of every script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from recsys.evaluation.report.page.numbers import plain, ticks

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 360, 200, 46, 8, 62
_LABELS, _LONGEST = 12, 12


def histogram(title: str, labels: Sequence[str], counts: Sequence[int], rest: int = 0, width: int = _WIDTH) -> str:
    """A figure with a bar a label; a grey bar is the rest. At most a dozen of the labels are written.

    Args:
        title: plain text.
        labels: of the bars, plain text.
        counts: of the bars.
        rest: the count of what has no bar of its own.
        width: of the drawing; a wide one has the same height.
    """
    named = [*zip(labels, counts, strict=True), *([("others", rest)] if rest else [])]
    most, step = max([*counts, rest, 1]), (width - _LEFT - 4) / max(len(named), 1)
    parts = [_rules(most, width)]
    every = max(1, -(-len(named) // (_LABELS * width // _WIDTH)))
    for number, (label, count) in enumerate(named):
        x, y = _LEFT + number * step, _up(count, most)
        kind = "rest" if rest and number == len(named) - 1 else "bar"
        tip = f"{label}: {count:,}"
        parts.append(
            f"<rect class='{kind} m' x='{x + 0.06 * step:.1f}' y='{y:.1f}' width='{0.88 * step:.1f}' "
            f"height='{max(_HEIGHT - _BOTTOM - y, 0):.1f}'><title>{escape(tip)}</title></rect>"
        )
        if number % every == 0:
            short = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
            at = f"{x + step / 2:.1f} {_HEIGHT - _BOTTOM + 12}"
            parts.append(f"<text transform='translate({at}) rotate(-38)' text-anchor='end'>{escape(short)}</text>")
    return _figure(title, width, _HEIGHT, "".join(parts))


def shares(title: str, values: Mapping[str, float]) -> str:
    """A figure with a horizontal bar a name, longest first, and the share written beside it.

    Args:
        title: plain text.
        values: name -> share, from 0 to 1.
    """
    parts, height = [], 26 * len(values)
    most = max(values.values(), default=0) or 1
    for number, (name, value) in enumerate(sorted(values.items(), key=lambda pair: -pair[1])):
        y = 26 * number
        short = name if len(name) <= 22 else name[:21] + "…"
        length = 150 * value / most
        parts.append(f"<text x='150' y='{y + 17}' text-anchor='end'>{escape(short)}</text>")
        parts.append(
            f"<rect class='bar m' x='156' y='{y + 4}' width='{max(length, 1):.1f}' height='18' rx='2'>"
            f"<title>{escape(name)}: {value:.1%}</title></rect>"
        )
        parts.append(f"<text x='{162 + length:.1f}' y='{y + 17}'>{value:.0%}</text>")
    return _figure(title, _WIDTH, height, "".join(parts))


def _up(count: float, most: int) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * count / most


def _rules(most: int, width: int) -> str:
    parts = []
    for tick in ticks(0, most, 3):
        y = _up(tick, most)
        parts.append(f"<line class='rule' x1='{_LEFT}' x2='{width}' y1='{y:.1f}' y2='{y:.1f}'/>")
        parts.append(f"<text x='{_LEFT - 5}' y='{y + 4:.1f}' text-anchor='end'>{_short(tick)}</text>")
    return "".join(parts)


def _short(count: float) -> str:
    """``1,200`` and ``12k``, ``3.5M``: at most six letters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{plain(count / (1e3 if letter == 'k' else size))}{letter}"
    return plain(count)


def _figure(title: str, width: int, height: int, drawn: str) -> str:
    kind = "chart wide" if width > _WIDTH else "chart"
    return (
        f"<figure><figcaption>{escape(title)}</figcaption><svg class='{kind}' viewBox='0 0 {width} {height}' "
        f"data-marks role='img' aria-label='{escape(title, quote=True)}'>{drawn}</svg></figure>"
    )
