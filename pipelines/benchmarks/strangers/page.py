"""The results of `pipelines.benchmarks.strangers` as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.evaluation.report.forest import Estimate
from recsys.json_values import JsonObject

LEVEL = 0.05
"""Of the paired tests, two-sided."""


def table(rows: Sequence[JsonObject]) -> str:
    """Markdown: a row a set and protocol, then how often each model is significantly ahead and behind."""
    models = _models(rows)
    head = ["set", "protocol", "users", "best baseline", *models]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        best = row["best_baseline"]
        cells = [row["set"], row["protocol"], str(row["users"]), f"{best} {row['means'][best]:.4f}"]
        lines.append(f"| {' | '.join([*cells, *(_cell(row, model) for model in models)])} |")
    if len(rows) > 1:
        lines += ["", *(_summary(rows, model) for model in models)]
    return "\n".join(lines) + "\n"


def _models(rows: Sequence[JsonObject]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["models"]))


def ratio(row: JsonObject, model: str) -> float:
    """The model's metric over that of the best baseline."""
    return float(row["means"][model]) / max(float(row["means"][row["best_baseline"]]), 1e-12)


def forest(rows: Sequence[JsonObject]) -> tuple[list[str], dict[str, list[Estimate | None]]]:
    """The rows' names, and of each model the ratios to the best baseline with the intervals of the differences."""
    models = _models(rows)
    names = [f"{row['set']}, {row['protocol']}" for row in rows]
    return names, {model: [_estimate(row, model) for row in rows] for model in models}


def _estimate(row: JsonObject, model: str) -> Estimate | None:
    found = row["against_best"].get(model)
    if found is None:
        return None
    best, centre = float(row["means"][row["best_baseline"]]), ratio(row, model)
    if best <= 0:
        return None
    below, above = found["difference"] - found["low"], found["high"] - found["difference"]
    return Estimate(centre, centre - below / best, centre + above / best)


def _cell(row: JsonObject, model: str) -> str:
    found = row["against_best"].get(model)
    if found is None:
        return ""
    others = [name for name in found["behind"] if name != row["best_baseline"]]
    behind = f" (behind {', '.join(others)})" if others else ""
    return f"{row['means'][model]:.4f}, x{ratio(row, model):.2f}{_mark(found)}{behind}"


def _mark(found: JsonObject) -> str:
    if found["p"] >= LEVEL:
        return ""
    return " ahead" if found["difference"] > 0 else " **behind**"


def _summary(rows: Sequence[JsonObject], model: str) -> str:
    with_it = [row for row in rows if model in row["against_best"]]
    marks = [_mark(row["against_best"][model]).strip(" *") for row in with_it]
    below = sum(bool(row["against_best"][model]["behind"]) for row in with_it)
    mean = float(np.exp(np.mean([np.log(max(ratio(row, model), 1e-3)) for row in with_it])))
    return (
        f"{model}: significantly ahead of the best baseline on {marks.count('ahead')} of {len(with_it)}, behind on "
        f"{marks.count('behind')}, behind some engine on {below}; "
        f"geometric mean of the ratios {mean:.3f}"
    )
