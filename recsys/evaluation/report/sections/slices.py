"""For whom and for what the engines are good: by the users' activity and by the items' popularity."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.evaluation.metrics import compared
from recsys.evaluation.report.page.charts import Axis, Line, Point, line_chart
from recsys.evaluation.report.page.html import grid, section
from recsys.evaluation.report.page.marks import Look, legend
from recsys.json_values import JsonMapping


def slices(content: JsonMapping, known: Mapping[str, Look]) -> str:
    """HTML of the section; empty where nothing was counted.

    Args:
        content: ``report.json``.
        known: engine -> its look.
    """
    if not content["slices"]:
        return ""
    recall, _ = compared(metric for metric in next(iter(content["engines"].values())) if "@" in metric)
    kinds = {
        "user_activity": (f"{recall} by length of history", "interactions in the user's history", "users"),
        "item_popularity": ("hits@10 by item popularity", "training interactions of the target", "targets"),
    }
    charts = [_chart(content["slices"], known, kind, *words) for kind, words in kinds.items()]
    return section(
        "For whom, and for what",
        legend(known.values()),
        grid(*charts),
        note="Groups of about equal size, with 95 % intervals over users.",
    )


def _chart(found: JsonMapping, known: Mapping[str, Look], kind: str, title: str, label: str, unit: str) -> str:
    groups = next(iter(found.values()))[kind]
    names = [group["slice"].rpartition(" ")[2] for group in groups]
    lines = []
    for name, parts in found.items():
        points = [
            Point(
                float(place),
                part["value"],
                part["low"],
                part["high"],
                f"{name}, {names[place]}: {part['value']:.4f} [{part['low']:.4f}, {part['high']:.4f}], "
                f"{part[unit]:,} {unit}",
            )
            for place, part in enumerate(parts[kind])
        ]
        lines.append(Line(known[name], points))
    axis = Axis(label, [(float(place), name.replace("-", "–")) for place, name in enumerate(names)])
    return line_chart(title, lines, axis, band=False)
