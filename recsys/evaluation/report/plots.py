"""Matplotlib figures of a report, and how figures are saved."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.evaluation.report.page.numbers import plain
from recsys.json_values import JsonMapping

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def metrics_figure(content: JsonMapping, metrics: Sequence[str]) -> Figure:
    """A Matplotlib figure with an axis for each of ``metrics``, by the length of the list, with 95 % bands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    lengths: list[int] = []
    for axis, metric in zip(axes, metrics, strict=True):
        for name, engine in content["engines"].items():
            lengths = sorted(int(key.split("@")[1]) for key in engine if key.startswith(f"{metric}@"))
            points = [engine[f"{metric}@{k}"] for k in lengths]
            line = axis.plot(lengths, [p["value"] for p in points], marker="o", markersize=3, label=name)[0]
            low, high = [p["low"] for p in points], [p["high"] for p in points]
            axis.fill_between(lengths, low, high, alpha=0.15, color=line.get_color())
        axis.set_xscale("log")
        axis.set_xticks(lengths, [plain(k) for k in lengths])
        axis.set_xticks([], minor=True)
        axis.set_xlabel("k")
        axis.set_title(f"{metric}@k", loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.25)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def save_figure(figure: Figure, target: Path | io.StringIO, **options: Any) -> None:
    """Writes the figure, always with the same bytes; a ``$`` in a name is drawn as it is, not as a formula."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
    # tick labels are made while the figure is drawn; without a salt the ids of an SVG are random
    with rc_context({"text.parse_math": False, "svg.hashsalt": "recsys"}):
        figure.savefig(target, **options)
