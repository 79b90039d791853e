"""The figures of a report, as SVG text."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.evaluation.metrics import compared
from recsys.json_values import JsonMapping

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from recsys.data.overview.overview import Histogram

Content = JsonMapping


def metric_by_k(content: Content) -> str:
    """Recall and NDCG by the length of the list, with 95 % bands."""
    return svg(metrics_figure(content, ("recall", "ndcg")))


def metrics_figure(content: Content, metrics: Sequence[str]) -> Figure:
    """A Matplotlib figure with an axis for each of ``metrics``, by the length of the list, with 95 % bands."""
    figure, axes = subplots(len(metrics))
    for axis, metric in zip(axes, metrics, strict=True):
        for name, engine in content["engines"].items():
            ks = sorted(int(key.split("@")[1]) for key in engine if key.startswith(f"{metric}@"))
            points = [engine[f"{metric}@{k}"] for k in ks]
            line = axis.plot(ks, [p["value"] for p in points], marker="o", markersize=3, label=name)[0]
            axis.fill_between(
                ks, [p["low"] for p in points], [p["high"] for p in points], alpha=0.15, color=line.get_color()
            )
        axis.set_xscale("log")
        axis.set_xlabel("k")
        axis.set_title(f"{metric}@k", loc="left")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def slices(content: Content) -> str:
    """Recall by user activity and hits by item popularity, with 95 % intervals."""
    figure, axes = subplots(2)
    recall, _ = compared(metric for metric in next(iter(content["engines"].values())) if "@" in metric)
    titles = {"user_activity": f"{recall} by length of history", "item_popularity": "hits@10 by item popularity"}
    for axis, (kind, title) in zip(axes, titles.items(), strict=True):
        names = list(content["slices"])
        _grouped(axis, {name: content["slices"][name][kind] for name in names})
        labels = [p["slice"].rpartition(" ")[2] for p in content["slices"][names[0]][kind]]
        axis.set_xticks(range(len(labels)), labels)
        axis.set_title(title, loc="left")
        axis.set_xlabel("interactions in the history" if kind == "user_activity" else "training interactions")
    axes[0].legend(frameon=False, fontsize=8)
    return svg(figure)


def curves(content: Content) -> str:
    """Loss and validation metric by epoch; empty when nothing was trained by epochs."""
    trained = {name: points for name, points in content["curves"].items() if points}
    if not trained:
        return ""
    figure, axes = subplots(2)
    for name, points in trained.items():
        epochs = [p["step"] for p in points]
        axes[0].plot(epochs, [p["loss"] for p in points], label=name)
        measured = [p for p in points if "metric" in p]
        axes[1].plot([p["step"] for p in measured], [p["metric"] for p in measured], label=name)
    axes[0].set_title("training loss", loc="left")
    axes[1].set_title("validation metric", loc="left")
    for axis in axes:
        axis.set_xlabel("epoch")
    axes[0].legend(frameon=False, fontsize=8)
    return svg(figure)


def attribution(content: Content) -> str:
    """The contribution of each modality: three measures over all users, and Shapley values by slice; 95 % intervals."""
    found = content["attribution"]
    names = sorted(found["contributions"], key=lambda name: -found["contributions"][name]["shapley"]["value"])
    kinds = {"shapley": "Shapley value", "left_out": "left out", "alone": "alone"}
    ways = {label: [found["contributions"][name][kind] for name in names] for kind, label in kinds.items()}
    parts = {"all users": found["contributions"], **found["slices"]}
    slices = {users: [contributions[name]["shapley"] for name in names] for users, contributions in parts.items()}
    figure, axes = subplots(2)
    titles = (f"{found['metric']}: contributions over all users", "Shapley value by slice")
    for axis, groups, title in zip(axes, (ways, slices), titles, strict=True):
        _grouped(axis, groups)
        axis.set_xticks(range(len(names)), names)
        axis.axhline(0, color="#1d2433", linewidth=0.8)
        axis.set_title(title, loc="left")
        axis.legend(frameon=False, fontsize=8)
    return svg(figure)


def bar_charts(histograms: Mapping[str, Histogram], columns: int) -> str:
    """Bar charts of histograms by their titles, ``columns`` side by side; a grey bar is the rest."""
    figures = []
    titles = list(histograms)
    for start in range(0, len(titles), columns):
        figure, axes = subplots(columns)
        figure.set_figheight(2.6)
        for axis, title in zip(axes, titles[start : start + columns], strict=False):
            _bars(axis, title, histograms[title])
        for axis in axes[len(titles) - start :]:
            axis.set_visible(False)
        figures.append(_with_written_text(figure))
    return "\n".join(figures)


def _with_written_text(figure: Figure) -> str:
    """The figure as an SVG element whose text is written by the browser, which has the letters of every script."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        return svg(figure)


def _bars(axis: Axes, title: str, histogram: Histogram) -> None:
    """At most a dozen of the labels are written; text is shown as it is, dollar signs included."""
    n = len(histogram.counts)
    axis.bar(range(n), histogram.counts, width=0.9)
    labels = [text if len(text) <= 14 else text[:13] + "…" for text in histogram.labels]
    if histogram.rest:
        axis.bar([n], [histogram.rest], width=0.9, color="#c9d0d6")
        labels.append("others")
    ticks = range(0, len(labels), max(1, -(-len(labels) // 12)))
    axis.set_xticks(ticks, [labels[tick] for tick in ticks], rotation=40, ha="right", fontsize=7, parse_math=False)
    axis.set_title(title, loc="left", fontsize=9, parse_math=False)


def _grouped(axis: Axes, groups: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Bars with intervals, side by side at each place, one of each group."""
    for number, (label, points) in enumerate(groups.items()):
        x = [place + (number - (len(groups) - 1) / 2) * 0.8 / len(groups) for place in range(len(points))]
        value = [p["value"] for p in points]
        error = [[p["value"] - p["low"] for p in points], [p["high"] - p["value"] for p in points]]
        axis.bar(x, value, width=0.75 / len(groups), yerr=error, label=label, error_kw={"lw": 0.8})


def subplots(columns: int) -> tuple[Figure, Sequence[Axes]]:
    """A figure of ``columns`` axes side by side, in the style of the report."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.25)
    return figure, axes


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


def svg(figure: Figure) -> str:
    """The figure as an SVG element."""
    buffer = io.StringIO()
    save_figure(figure, buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
