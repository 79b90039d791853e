"""The report as one HTML file that opens without a network."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.page.html import page
from recsys.evaluation.report.page.marks import looks
from recsys.evaluation.report.page.numbers import p_text, signed
from recsys.evaluation.report.page.tables import Cell, interval, table
from recsys.evaluation.report.sections.attribution import attribution
from recsys.evaluation.report.sections.catalogue import catalogue
from recsys.evaluation.report.sections.columns import columns
from recsys.evaluation.report.sections.comparisons import comparisons, verdict_word
from recsys.evaluation.report.sections.embeddings import embeddings
from recsys.evaluation.report.sections.examples import examples
from recsys.evaluation.report.sections.results import results, shown_metrics
from recsys.evaluation.report.sections.settings import settings
from recsys.evaluation.report.sections.slices import slices
from recsys.evaluation.report.sections.summary import lead, summary
from recsys.evaluation.report.sections.training import training
from recsys.evaluation.report.verdict import standing
from recsys.json_values import JsonMapping


def render(content: JsonMapping, decision: JsonMapping | None = None) -> str:
    """The page: first what a reader wants to know, in sentences; then the figures; settings and lineage last, folded.

    Args:
        content: ``report.json``.
        decision: ``decision.json`` of the same run; None without one.
    """
    known = looks(content["engines"])
    parts = [
        summary(content, decision),
        results(content, known, standing(content)),
        comparisons(content, known),
        slices(content, known),
        examples(content["examples"], known) if content.get("examples") else "",
        catalogue(content, known),
        training(content, known),
        attribution(content["attribution"]) if "attribution" in content else "",
        columns(content["columns"]) if "columns" in content else "",
        embeddings(content["embeddings"]) if content.get("embeddings") else "",
        settings(content, decision),
    ]
    title = f"Evaluation on {content['data']['name']}"
    return page(title, parts, lead(content), "Made by recsys; the figures are in <code>report.json</code> beside it.")


def fragment(content: JsonMapping) -> str:
    """The summary, the results and the comparisons, for a notebook cell: plain HTML without style."""
    engines = content["engines"]
    metrics = shown_metrics(engines)
    best = {m: max(engine[m]["value"] for engine in engines.values()) for m in metrics}
    rows: list[list[str | Cell]] = [
        [escape(name), *(interval(engine[m], engine[m]["value"] == best[m]) for m in metrics)]
        for name, engine in engines.items()
    ]
    lines = [
        f"<li><b>{escape(r['engine'])}</b> is {verdict_word(r)} {escape(r['baseline'])} in {escape(r['metric'])}: "
        f"{signed(r['difference'])} [{signed(r['low'])}, {signed(r['high'])}], {escape(p_text(r['p_holm']))} "
        "after Holm</li>"
        for r in content["comparisons"]
    ]
    return "\n".join([summary(content), table(["engine", *metrics], rows), f"<ul>{''.join(lines)}</ul>"])
