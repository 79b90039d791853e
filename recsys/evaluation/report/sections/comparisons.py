"""The paired tests as forest plots, one a metric."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.intervals import Estimate, ForestRow, forest
from recsys.evaluation.report.page.marks import Look
from recsys.evaluation.report.page.numbers import p_text, signed
from recsys.evaluation.report.verdict import is_sure
from recsys.json_values import JsonMapping


def comparisons(content: JsonMapping, known: Mapping[str, Look]) -> str:
    """HTML of the section.

    Args:
        content: ``report.json``.
        known: engine -> its look.
    """
    rows = content["comparisons"]
    if not rows:
        return section("Comparisons", "<p>Only one engine was evaluated.</p>")
    baseline = rows[0]["baseline"]
    plots = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        mine = sorted((r for r in rows if r["metric"] == metric), key=lambda r: -r["difference"])
        lines = [_row(r, known[r["engine"]], "p_holm") for r in mine]
        leader = content.get("leader")
        if leader and leader["metric"] == metric and baseline not in (leader["engine"], leader["next"]):
            lines.append(_row({**leader, "baseline": leader["next"]}, known[leader["engine"]], "p"))
        plots.append(card(f"<h3>{escape(metric)}</h3>", forest(lines, f"difference in {metric}")))
    return section(
        "Comparisons",
        *plots,
        note=f"Mean difference to the baseline <b>{escape(baseline)}</b> over the same users, with its 95 % interval "
        "and the p-value of the paired sign-flip test after Holm's correction over all of these tests. A filled mark: "
        "the test tells the two apart; a hollow one: it does not. Where the leader is shown against the next, that is "
        "one more test, not corrected.",
    )


def verdict_word(row: JsonMapping) -> str:
    """``ahead of``, ``behind`` or ``not significantly different from``."""
    if not is_sure(row, "p_holm"):
        return "not significantly different from"
    return "ahead of" if row["difference"] > 0 else "behind"


def _row(row: JsonMapping, look: Look, p: str) -> ForestRow:
    sure = is_sure(row, p)
    span = f"[{signed(row['low'])}, {signed(row['high'])}]"
    test = p_text(row[p])
    tip = f"{row['engine']} − {row['baseline']}, {row['metric']}\n{signed(row['difference'])} {span}, {test}"
    against = "" if p == "p_holm" else f" − {escape(row['baseline'])} <span class='tag'>leader and next</span>"
    return ForestRow(
        Estimate(look, row["difference"], row["low"], row["high"], tip, sure),
        f"<span {look.attributes}><b>{escape(row['engine'])}</b>{against}</span>",
        f"{signed(row['difference'])} <small>{span} &nbsp;{escape(test)}</small>",
    )
