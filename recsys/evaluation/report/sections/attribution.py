"""What each modality adds to an engine: Shapley values, what is lost without it, what it gives alone."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.intervals import Estimate, ForestRow, forest
from recsys.evaluation.report.page.marks import Look
from recsys.evaluation.report.page.numbers import signed
from recsys.evaluation.report.page.tables import Cell, interval, table
from recsys.json_values import JsonMapping

_KINDS = {"shapley": "Shapley", "left_out": "left out", "alone": "alone"}


def attribution(found: JsonMapping) -> str:
    """HTML of the section: what the numbers are, a forest plot, and a table with a row a modality.

    Args:
        found: ``attribution`` of ``report.json``.
    """
    full, empty, metric = found["full"], found["empty"], found["metric"]
    by_worth = sorted(found["contributions"].items(), key=lambda pair: -pair[1]["shapley"]["value"])
    slices = found["slices"]
    rows: list[list[str | Cell]] = [
        [
            escape(name),
            f"{contribution['share']:.0%}",
            *(interval(contribution[kind]) for kind in _KINDS),
            *(interval(contributions[name]["shapley"]) for contributions in slices.values()),
        ]
        for name, contribution in by_worth
    ]
    head = ["modality", "share", *_KINDS.values(), *(escape(name) for name in slices)]
    plot = forest([_row(name, contribution, metric) for name, contribution in by_worth], f"Shapley value, {metric}")
    return section(
        "Contribution of each modality",
        card(plot),
        card(table(head, rows)),
        note=f"<b>{escape(found['engine'])}</b>: {escape(metric)} {full['value']:.4f} with all modalities, "
        f"{empty['value']:.4f} with none. The Shapley value is a modality's mean contribution over all orders in which "
        "they could come in; the values add up to the difference, and the share is of their sum. Left out: what the "
        "model loses without the modality. Alone: what it gives by itself. With 95 % bootstrap intervals over users"
        + ("; the last columns are Shapley values over the users of a slice." if slices else "."),
    )


def _row(name: str, contribution: JsonMapping, metric: str) -> ForestRow:
    cell = contribution["shapley"]
    span = f"[{signed(cell['low'])}, {signed(cell['high'])}]"
    tip = f"{name}: {signed(cell['value'])} {span} of {metric}"
    return ForestRow(
        Estimate(Look(0, name), cell["value"], cell["low"], cell["high"], tip),
        f"<b>{escape(name)}</b>",
        f"{signed(cell['value'])} <small>{span}</small>",
    )
