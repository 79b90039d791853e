"""Costs against the size of the input, a line a stage, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from recsys.evaluation.report.plots import save_figure

Lines = Mapping[str, Sequence[float]]
"""Name of a line -> its value at each size."""


def save_growth(path: Path, sizes: Sequence[int], panels: Mapping[str, Lines], label: str) -> None:
    """Writes the plot as an image, a panel beside the other.

    Args:
        path: of the image; its suffix says the format.
        sizes: of the input, ascending.
        panels: title -> lines.
        label: of the axis of sizes.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(5.5 * len(panels), 5), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, values in lines.items():
            axes.plot(sizes, values, marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel=label, title=title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    save_figure(figure, path, dpi=120)
