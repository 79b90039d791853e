"""Loss and validation metric by epoch."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.evaluation.report.page.charts import Axis, Line, Point, line_chart
from recsys.evaluation.report.page.html import grid, section
from recsys.evaluation.report.page.marks import Look, legend
from recsys.json_values import JsonMapping


def training(content: JsonMapping, known: Mapping[str, Look]) -> str:
    """HTML of the section; empty when nothing was trained by epochs.

    Args:
        content: ``report.json``.
        known: engine -> its look.
    """
    trained = {name: points for name, points in content["curves"].items() if points and name in known}
    if not trained:
        return ""
    charts = [
        _chart(trained, known, key, title)
        for key, title in (("loss", "training loss"), ("metric", "validation metric"))
    ]
    return section("Training", legend(known[name] for name in trained), grid(*charts))


def _chart(trained: JsonMapping, known: Mapping[str, Look], key: str, title: str) -> str:
    lines = [
        Line(
            known[name],
            [
                Point(float(p["step"]), p[key], tip=f"{name}, epoch {p['step']:g}: {title} {p[key]:.4f}")
                for p in points
                if key in p
            ],
        )
        for name, points in trained.items()
    ]
    epochs = sorted({point.x for line in lines for point in line.points})
    return line_chart(title, lines, Axis("epoch", [(epoch, f"{epoch:g}") for epoch in epochs]))
