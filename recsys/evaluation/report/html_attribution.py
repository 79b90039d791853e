"""The attribution in the report's HTML."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.html_table import interval, table
from recsys.json_values import JsonMapping


def section(attribution: JsonMapping) -> str:
    """What the numbers are, and a table with a row a modality: over all users in three ways, then by slice."""
    full, empty, metric = attribution["full"], attribution["empty"], escape(attribution["metric"])
    slices = attribution["slices"]
    rows = [
        [
            escape(name),
            f"{contribution['share']:.0%}",
            *(interval(contribution[kind]) for kind in ("shapley", "left_out", "alone")),
            *(interval(contributions[name]["shapley"]) for contributions in slices.values()),
        ]
        for name, contribution in sorted(
            attribution["contributions"].items(), key=lambda pair: -pair[1]["shapley"]["value"]
        )
    ]
    return (
        f"<p><b>{escape(attribution['engine'])}</b>: {metric} {full['value']:.4f} with all modalities, "
        f"{empty['value']:.4f} with none. "
        f"The Shapley value is a modality's mean contribution over all orders in which they could come in; "
        f"the values add up to the difference, and the share is of their sum. Left out: what the model loses without "
        f"the modality. Alone: what it gives by itself. Points of {metric}, with 95 % bootstrap intervals over users."
        f"</p>{table(['modality', 'share', 'Shapley', 'left out', 'alone', *(escape(s) for s in slices)], rows)}"
        + ("<p><small>The last columns are Shapley values over the users of a slice.</small></p>" if slices else "")
    )
