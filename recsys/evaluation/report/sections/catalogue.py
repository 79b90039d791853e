"""What the first ten places do with the catalogue: coverage, novelty, diversity and concentration."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.marks import Look
from recsys.evaluation.report.page.tables import Cell, table
from recsys.json_values import JsonMapping

_COLUMNS = {
    "coverage": "Coverage: share of the catalogue that is in any list.",
    "novelty": "Novelty: bits of surprise of a listed item; items that few users have are worth more.",
    "diversity": "Diversity: how unlike two items of a list are, from 0 to 1.",
    "gini": "Gini: 0 where all items are listed equally often, near 1 where a few are in all lists.",
    "popularity_share": "Popularity share: places held by the fifth of the items that is most popular.",
}


def catalogue(content: JsonMapping, known: Mapping[str, Look]) -> str:
    """HTML of the section; empty where nothing was counted.

    Args:
        content: ``report.json``.
        known: engine -> its look.
    """
    found = content["catalogue"]
    if not found:
        return ""
    rows = [
        [Cell(f"<span class='engine'>{known[name].key}{escape(name)}</span>", name)]
        + [Cell(f"{values[key]:.3f}", values[key]) for key in _COLUMNS]
        for name, values in found.items()
    ]
    head = ["engine", *(key.replace("_", " ") for key in _COLUMNS)]
    made = table(head, rows, engines=[known[name].number for name in found])
    return section("Catalogue", card(made), note=f"Of the first ten places. {' '.join(_COLUMNS.values())}")
