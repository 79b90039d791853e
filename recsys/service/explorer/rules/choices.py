"""What the controls of rules choose among: columns, values of columns, and ages of items."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys.data.schema import Kind
from recsys.retrieval.rules.items.column_values import times_of
from recsys.retrieval.rules.items.freshness import Freshness, first_interactions
from recsys.service.explorer.catalogue import Catalogue, day, leading_values
from recsys.service.explorer.flat_map import colour_columns

_DAY = 86_400
_PARTS = (0.75, 0.5, 0.25, 0.1)
"""Parts of the items that the stops of an age leave."""
_VALUES = 8
"""Values of a column that may be favoured, the most frequent ones."""


@dataclass(frozen=True)
class Age:
    """Items that are newer than some days; 0 days stand for all items."""

    days: float
    text: str
    column: str | None = None


@dataclass(frozen=True)
class Favoured:
    """The items of a value of a column: what the page calls them, what a person reads, and their condition."""

    key: str
    text: str
    where: str


def category_columns(catalogue: Catalogue) -> list[str]:
    """The categorical and tags columns that cards show, those of few values first."""
    items = catalogue.data.items
    names = [name for name in items.schema.names(Kind.CATEGORICAL, Kind.TAGS) if name in catalogue.columns]
    few = colour_columns(catalogue)
    return sorted(names, key=lambda name: name not in few)


def favoured(catalogue: Catalogue) -> Iterator[Favoured]:
    """The most frequent values of the columns of few values."""
    items = catalogue.data.items
    for name in category_columns(catalogue):
        if name not in colour_columns(catalogue) or "`" in name:
            continue
        values, counts = np.unique([text for text in leading_values(items, name) if text] or [""], return_counts=True)
        column = name if name.isidentifier() and name.isascii() else f"`{name}`"
        for value in map(str, values[np.argsort(-counts, kind="stable")][:_VALUES]):
            text = json.dumps(value, ensure_ascii=False)
            tags = items.schema.columns[name].kind is Kind.TAGS
            if value:
                where = f"{text} in {column}" if tags else f"{column} == {text}"
                yield Favoured(f"{name}={value}", f"{name.replace('_', ' ')}: {value}", where)


def ages(catalogue: Catalogue, rule: Freshness | None) -> list[Age]:
    """Ages that leave a part of the items, older ones first, and that of the config; none where items have no times.

    The column is that of the config, or else the first column of times; without one, first interactions count.
    """
    data, now = catalogue.data, time.time()
    column = next(iter(data.items.schema.names(Kind.TIME)), None) if rule is None else rule.column
    if column is None and not data.has_timestamps:
        return []
    times = first_interactions(data) if column is None else times_of(data.items, column, "freshness.column")
    old = (now - times[np.isfinite(times) & (times <= now)]) / _DAY
    if not len(old):
        return []
    days = {float(math.ceil(np.quantile(old, part))) for part in _PARTS} | ({rule.days} if rule else set())
    days = {each for each in days if each > 0 and (rule or (old >= each).any())}

    def text(each: float) -> str:
        return f"since {day(now - each * _DAY)}, {int((old < each).sum()):,} items"

    return [Age(0.0, "of any age"), *(Age(each, text(each), column) for each in sorted(days, reverse=True))]
