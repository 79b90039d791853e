"""Lines with bands or whiskers, and points, as inline SVG; the keys of the engines stand outside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recsys.evaluation.report.page.marks import Look
from recsys.evaluation.report.page.numbers import log_ticks, plain, ticks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 250, 46, 14, 10, 42
_STAGGER, _SPREAD = 10, 44
"""Pixels between the whiskers of two engines at one place, and of all of them at most."""


@dataclass(frozen=True)
class Point:
    """A point of a line.

    Args:
        x: its place.
        y: the value.
        low: end of the interval; None without one.
        high: end of the interval.
        tip: what a pointer shows, plain text.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True)
class Line:
    """The points of one engine."""

    look: Look
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """The horizontal axis.

    Args:
        label: plain text.
        places: value -> what is written there; None writes round numbers.
        log: whether it is logarithmic; its numbers are plain all the same.
    """

    label: str
    places: Sequence[tuple[float, str]] | None = None
    log: bool = False


@dataclass(frozen=True)
class _Frame:
    """Values to pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool
    pad: float

    def across(self, value: float) -> float:
        low, high, value = (math.log(v) for v in (*self.x, value)) if self.log else (*self.x, value)
        share = (value - low) / (high - low) if high > low else 0.5
        return _LEFT + self.pad + share * (_WIDTH - _LEFT - _RIGHT - 2 * self.pad)

    def up(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0]) if self.y[1] > self.y[0] else 0.5
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def line_chart(title: str, lines: Sequence[Line], axis: Axis, band: bool = True, joined: bool = True) -> str:
    """A figure with a line an engine.

    Args:
        title: plain text.
        lines: of engines.
        axis: the horizontal one; the vertical one fits the values.
        band: whether intervals are bands around a line; else whiskers, those of several engines side by side.
        joined: whether points are joined by a line.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    step = 0.0 if band else min(_STAGGER, _SPREAD / len(lines))
    frame = _frame(points, axis, 8 + step * (len(lines) - 1) / 2)
    shifts = [step * (n - (len(lines) - 1) / 2) for n in range(len(lines))]
    drawn = "".join(_line(line, frame, shift, band, joined) for line, shift in zip(lines, shifts, strict=True))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption><svg class='chart' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"data-marks role='img' aria-label='{escape(title, quote=True)}'>{_rules(frame, axis)}{drawn}</svg></figure>"
    )


def _frame(points: Sequence[Point], axis: Axis, inner: float) -> _Frame:
    lows = [p.y if p.low is None else p.low for p in points]
    highs = [p.y if p.high is None else p.high for p in points]
    low, high = min(lows), max(highs)
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    bottom = 0.0 if 0 <= low < 0.4 * high else low - pad
    xs = [p.x for p in points] + [place for place, _ in axis.places or ()]
    return _Frame((min(xs), max(xs)), (bottom, high + pad), axis.log, inner)


def _line(line: Line, frame: _Frame, shift: float, band: bool, joined: bool) -> str:
    places = [(frame.across(p.x) + shift, frame.up(p.y), p) for p in line.points]
    parts = []
    spans = [(x, frame.up(p.low), frame.up(p.high)) for x, _, p in places if p.low is not None and p.high is not None]
    if band and len(spans) > 1:
        around = [f"{x:.1f},{high:.1f}" for x, _, high in spans] + [f"{x:.1f},{low:.1f}" for x, low, _ in spans[::-1]]
        parts.append(f"<polygon class='band' points='{' '.join(around)}'/>")
    elif spans:
        parts += [f"<line class='whisker' x1='{x:.1f}' x2='{x:.1f}' y1='{a:.1f}' y2='{b:.1f}'/>" for x, a, b in spans]
    if joined and len(places) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        parts.append(f"<polyline class='path' points='{path}'{line.look.dash}/>")
    parts += [f"<g transform='translate({x:.1f} {y:.1f})'>{line.look.mark(p.tip)}</g>" for x, y, p in places]
    return f"<g {line.look.attributes}>{''.join(parts)}</g>"


def _rules(frame: _Frame, axis: Axis) -> str:
    """The lines and numbers of both axes."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for tick in ticks(*frame.y, 4):
        y = frame.up(tick)
        parts.append(f"<line class='rule' x1='{_LEFT}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}'/>")
        parts.append(f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{plain(tick)}</text>")
    places = axis.places
    if places is None:
        places = [(t, plain(t)) for t in (log_ticks(*frame.x) if axis.log else ticks(*frame.x, 5))]
    end = -math.inf
    for place, label in places:
        x, half = frame.across(place), 3.6 * len(label)
        if x - half > end:
            parts.append(f"<text x='{x:.1f}' y='{bottom + 18}' text-anchor='middle'>{escape(label)}</text>")
            end = x + half + 3
    middle = (_LEFT + right) / 2
    parts.append(f"<text x='{middle}' y='{_HEIGHT - 6}' text-anchor='middle'>{escape(axis.label)}</text>")
    return "".join(parts)
