"""The results of `pipelines.benchmarks.strangers` as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recsys.json_values import JsonObject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVEL = 0.05


def table(rows: Sequence[JsonObject]) -> str:
    """Markdown: a row a set and protocol, then how often each model is significantly ahead and behind."""
    models = list(dict.fromkeys(name for row in rows for name in row["against_best"]))
    head = ["set", "protocol", "users", "best baseline", *models]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        best = row["best_baseline"]
        cells = [row["set"], row["protocol"], str(row["users"]), f"{best} {row['means'][best]:.4f}"]
        lines.append(f"| {' | '.join([*cells, *(_cell(row, model) for model in models)])} |")
    if len(rows) > 1:
        lines += ["", *(_summary(rows, model) for model in models)]
    return "\n".join(lines) + "\n"


def ratio(row: JsonObject, model: str) -> float:
    """The model's metric over that of the best baseline."""
    return float(row["means"][model]) / max(float(row["means"][row["best_baseline"]]), 1e-12)


def figure(rows: Sequence[JsonObject]) -> Figure:
    """The ratio of each model to the best baseline, with the interval of the paired difference."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(name for row in rows for name in row["against_best"]))
    drawn = Figure(figsize=(8, 1.5 + 0.32 * len(rows)), layout="constrained")
    axes = drawn.subplots()
    places = np.arange(len(rows))
    for number, model in enumerate(models):
        with_it = [(place, row) for place, row in zip(places, rows, strict=True) if model in row["against_best"]]
        bests = np.array([float(row["means"][row["best_baseline"]]) for _, row in with_it])
        tests = [row["against_best"][model] for _, row in with_it]
        centre = np.array([ratio(row, model) for _, row in with_it])
        spread = np.array([[t["difference"] - t["low"], t["high"] - t["difference"]] for t in tests]).T / bests
        height = np.array([place for place, _ in with_it]) + 0.25 * (number - (len(models) - 1) / 2)
        axes.errorbar(centre, height, xerr=np.maximum(spread, 0), fmt="o", markersize=4, label=model)
    axes.axvline(1.0, color="0.5", linewidth=1)
    axes.set_yticks(places, [f"{row['set']}, {row['protocol']}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("NDCG@10 over that of the best of popularity, itemknn, ease and als, 95 % interval")
    axes.legend()
    return drawn


def _cell(row: JsonObject, model: str) -> str:
    found = row["against_best"].get(model)
    if found is None:
        return ""
    return f"{row['means'][model]:.4f}, x{ratio(row, model):.2f}{_mark(found)}"


def _mark(found: JsonObject) -> str:
    if found["p"] >= _LEVEL:
        return ""
    return " ahead" if found["difference"] > 0 else " **behind**"


def _summary(rows: Sequence[JsonObject], model: str) -> str:
    with_it = [row for row in rows if model in row["against_best"]]
    marks = [_mark(row["against_best"][model]).strip(" *") for row in with_it]
    mean = float(np.exp(np.mean([np.log(max(ratio(row, model), 1e-3)) for row in with_it])))
    return (
        f"{model}: significantly ahead of the best baseline on {marks.count('ahead')} of {len(with_it)}, behind on "
        f"{marks.count('behind')}; geometric mean of the ratios {mean:.3f}"
    )
