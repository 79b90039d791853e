"""Numbers as a page writes them: metrics, p-values, and the ticks of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SMALLEST_P = 0.001
_DECADES = 1.5
"""Decades above which a logarithmic axis has a tick a decade alone."""


def p_text(p: float) -> str:
    """A p-value to two significant digits, without the zero that every p-value has before the point.

    Example:
        >>> [p_text(p) for p in (0.00004, 0.0123, 0.5, 0.997, 1.0)]
        ['p < .001', 'p = .012', 'p = .50', 'p > .99', 'p = 1']
    """
    if p < _SMALLEST_P:
        return "p < .001"
    if p >= 1:
        return "p = 1"
    if p > 0.99:
        return "p > .99"
    digits = 1 - math.floor(math.log10(p))
    return f"p = {p:.{digits}f}".replace("0.", ".", 1)


def plain(value: float) -> str:
    """A number of an axis without an exponent: ``1,000``, ``0.05``; at most three significant digits below a thousand.

    Example:
        >>> plain(1000.0), plain(0.05), plain(-0.002), plain(20.0), plain(0.0)
        ('1,000', '0.05', '−0.002', '20', '0')
    """
    if value == 0:
        return "0"
    size = abs(value)
    decimals = max(0, 2 - math.floor(math.log10(size))) if size < 1000 else 0
    text = f"{size:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"−{text}" if value < 0 else text


def signed(value: float) -> str:
    """A difference of metrics with its sign: ``+0.0123``, ``−0.0040``."""
    return f"{round(value, 4) + 0.0:+.4f}".replace("-", "−")


def seconds(value: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``3 min``, ``2.5 h``."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About ``n`` round numbers from ``low`` to ``high``.

    Example:
        >>> ticks(0.0, 1.0), ticks(3.0, 3.0)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [3.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / n
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next((unit * factor for factor in (1, 2, 5) if rough <= unit * factor), unit * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(each * step, 12) for each in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten, and 2 and 5 times these where few decades are shown.

    Example:
        >>> log_ticks(1, 1000), log_ticks(2, 30)
        ([1.0, 10.0, 100.0, 1000.0], [2.0, 5.0, 10.0, 20.0])
    """
    factors: Sequence[float] = (1,) if math.log10(high / low) > _DECADES else (1, 2, 5)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in decades for factor in factors]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001] or [low, high]
