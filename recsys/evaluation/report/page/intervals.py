"""Estimates with their intervals on one axis: rows of a table, and forest plots. They keep their letters' size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recsys.evaluation.report.page.marks import Look
from recsys.evaluation.report.page.numbers import plain, ticks

_LEFT, _WIDTH = 4, 92
"""Percent of a track that is left free at each side for marks, and the rest."""


@dataclass(frozen=True)
class Scale:
    """The values at the ends of a track."""

    low: float
    high: float

    def percent(self, value: float) -> str:
        """Where ``value`` is drawn."""
        return f"{_LEFT + _WIDTH * (value - self.low) / ((self.high - self.low) or 1):.2f}%"


@dataclass(frozen=True)
class Estimate:
    """A value and its interval.

    Args:
        look: of what was measured.
        value: the point estimate.
        low: end of the interval.
        high: end of the interval.
        tip: what a pointer shows, plain text.
        sure: whether the mark is filled.
    """

    look: Look
    value: float
    low: float
    high: float
    tip: str
    sure: bool = True


@dataclass(frozen=True)
class ForestRow:
    """A row of a forest plot.

    Args:
        estimate: what is drawn.
        who: HTML on its left.
        numbers: HTML on its right.
    """

    estimate: Estimate
    who: str
    numbers: str


def track(estimate: Estimate, scale: Scale, zero: bool = False) -> str:
    """An interval as wide as its cell.

    Args:
        estimate: what is drawn.
        scale: of the axis.
        zero: whether a line at 0 is drawn.
    """
    line = f"<line class='zero' x1='{scale.percent(0)}' x2='{scale.percent(0)}' y1='0' y2='22'/>" if zero else ""
    return (
        f"<svg class='track' height='22' data-marks role='img' aria-label='{escape(estimate.tip, quote=True)}'>{line}"
        f"<g {estimate.look.attributes}>"
        f"<line class='whisker' x1='{scale.percent(estimate.low)}' x2='{scale.percent(estimate.high)}' "
        "y1='11' y2='11'/>"
        f"<svg x='{scale.percent(estimate.value)}' y='11' width='1' height='1' overflow='visible'>"
        f"{estimate.look.mark(estimate.tip, not estimate.sure)}</svg></g></svg>"
    )


def forest(rows: Sequence[ForestRow], label: str) -> str:
    """A forest plot: a row an estimate, the values below, a line at 0.

    Args:
        rows: from top to bottom.
        label: of the axis, plain text.
    """
    scale = Scale(min(0.0, *(r.estimate.low for r in rows)), max(0.0, *(r.estimate.high for r in rows)))
    lines = (
        f"<div class='row' role='listitem'><div class='who'>{row.who}</div>"
        f"<div class='plot'>{track(row.estimate, scale, zero=True)}</div><div class='numbers'>{row.numbers}</div></div>"
        for row in rows
    )
    return f"<div class='forest' role='list'>{''.join(lines)}<div class='axis'>{_axis(scale, label)}</div></div>"


def _axis(scale: Scale, label: str) -> str:
    marks = "".join(
        f"<line class='rule' x1='{scale.percent(t)}' x2='{scale.percent(t)}' y1='0' y2='5'/>"
        f"<text x='{scale.percent(t)}' y='19' text-anchor='middle'>{plain(t)}</text>"
        for t in ticks(scale.low, scale.high, 4)
    )
    return (
        f"<svg class='track' height='40' aria-hidden='true'>"
        f"<line class='rule' x1='0' x2='100%' y1='.5' y2='.5'/>{marks}"
        f"<text x='50%' y='36' text-anchor='middle'>{escape(label)}</text></svg>"
    )
