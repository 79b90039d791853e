"""The results of `pipelines.benchmarks.scale` as a table and as a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from pipelines.benchmarks.scale.stages import Cost
from recsys.evaluation.report.growth import save_growth

Found = Mapping[int, Mapping[str, Cost]]
"""Number of interactions -> stage -> cost."""


def table(found: Found) -> str:
    """Markdown: a row a stage and size; growth is against the next smaller size, see `growth`."""
    head = ["stage", "interactions", "s", "CPU s", "MiB", "private MiB", "bytes an interaction", "growth"]
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    sizes = sorted(found)
    for name in found[sizes[-1]]:
        measured = [size for size in sizes if name in found[size]]
        for smaller, size in zip([None, *measured], measured, strict=False):
            before = None if smaller is None else (smaller, found[smaller][name])
            lines.append(line(name, found[size][name], size, before))
    return "\n".join(lines) + "\n"


def line(name: str, cost: Cost, rows: int, before: tuple[int, Cost] | None = None) -> str:
    """A row of the table.

    Example:
        >>> line("prepare", Cost(3.0, 40.0, 1024.0, 900.0), 1_000_000, (100_000, Cost(1.0, 4.0, 300.0)))
        '| prepare | 1,000,000 | 3.0 | 40.0 | 1,024 | 900 | 1,074 | 1.00 |'
    """
    size = 2**20 * cost.peak_mb / rows
    grown = "" if before is None else f"{growth(before[0], before[1].cpu_seconds, rows, cost.cpu_seconds):.2f}"
    cells = [
        name,
        f"{rows:,}",
        f"{cost.seconds:.1f}",
        f"{cost.cpu_seconds:.1f}",
        f"{cost.peak_mb:,.0f}",
        f"{cost.private_mb:,.0f}",
        f"{size:,.0f}",
    ]
    return f"| {' | '.join([*cells, grown])} |"


def growth(rows: int, seconds: float, more_rows: int, more_seconds: float) -> float:
    """The exponent x of seconds = c * interactions ** x between two sizes: 1 is linear.

    Example:
        >>> growth(10, 3.0, 1000, 300.0)
        1.0
    """
    return math.log(more_seconds / seconds) / math.log(more_rows / rows)


def save_plot(found: Found, path: Path) -> None:
    """Writes CPU seconds and memory against interactions, a line a stage, on logarithmic axes."""
    sizes = sorted(found)
    names = [name for name in found[sizes[-1]] if all(name in found[size] for size in sizes)]
    costs = {name: [found[size][name] for size in sizes] for name in names}
    panels = {
        "CPU seconds": {name: [cost.cpu_seconds for cost in line] for name, line in costs.items()},
        "private memory, MiB": {name: [cost.private_mb for cost in line] for name, line in costs.items()},
    }
    save_growth(path, sizes, panels, "interactions")
