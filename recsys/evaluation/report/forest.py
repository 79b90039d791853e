"""A forest plot: estimates with intervals, one row a comparison, one colour a model."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys.evaluation.report.plots import save_figure


@dataclass(frozen=True)
class Estimate:
    """A value and its interval."""

    value: float
    low: float
    high: float


def save_forest(path: Path, names: Sequence[str], models: Mapping[str, Sequence[Estimate | None]], label: str) -> None:
    """Writes the plot as an image.

    Args:
        path: of the image; its suffix says the format.
        names: of the rows, from top to bottom.
        models: name -> one estimate a row; None where the row has none.
        label: of the axis of values; 1 is marked as the reference.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.5 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    for number, (model, estimates) in enumerate(models.items()):
        shift = 0.25 * (number - (len(models) - 1) / 2)
        found = [(place + shift, estimate) for place, estimate in enumerate(estimates) if estimate is not None]
        below, above = [e.value - e.low for _, e in found], [e.high - e.value for _, e in found]
        heights, values = [height for height, _ in found], [e.value for _, e in found]
        axes.errorbar(values, heights, xerr=[below, above], fmt="o", markersize=4, label=model)
    axes.axvline(1.0, color="0.5", linewidth=1)
    axes.set_yticks(range(len(names)), list(names))
    axes.invert_yaxis()
    axes.set_xlabel("\n".join(textwrap.wrap(label, 60)))
    axes.margins(y=0.02)
    axes.legend()
    save_figure(figure, path, dpi=150)
