"""Overview of raw tables in numbers: activity over time, histograms, missing cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.id_column import joint_codes
from recsys.data.ingest.issues import number_text
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.schema import Column, Kind, split_tags

_BINS, _VALUES, _PERIODS = 24, 12, 120
_DAY = 86_400


@dataclass(frozen=True)
class Histogram:
    """Counts of numbers in bins, or of the most frequent values.

    Args:
        labels: of the bars.
        counts: of the bars, as many.
        rest: cells with other values than those of the bars.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    rest: int = 0


@dataclass(frozen=True)
class ColumnPicture:
    """One column of users or items.

    Args:
        table: ``users`` or ``items``.
        name: of the column.
        kind: of the column.
        missing: the share of missing cells.
        histogram: of its numbers, times, values, tags or lengths of texts; None where nothing is drawn.
    """

    table: str
    name: str
    kind: str
    missing: float
    histogram: Histogram | None


@dataclass(frozen=True)
class Overview:
    """What the pictures show.

    Args:
        activity: interactions by day, week or month; None without times.
        period: ``day``, ``week`` or ``month``.
        distributions: title -> histogram, of interactions a user and an item, and of weights.
        columns: of users and items.
    """

    activity: Histogram | None
    period: str
    distributions: dict[str, Histogram]
    columns: tuple[ColumnPicture, ...]


def overview(tables: TypedTables) -> Overview:
    """The overview of tables that could be read; cells with an error are left out."""
    activity, period = _activity(tables.interactions)
    distributions = {}
    for title, columns in (
        ("interactions a user", [part.user for part in tables.interactions]),
        ("interactions an item", [part.item for part in tables.interactions]),
    ):
        if any(len(column.distinct) for column in columns):
            codes, _ = joint_codes(columns, [column.good for column in columns])
            distributions[title] = _powers(np.bincount(codes))
    weights = [part.weight[~np.isnan(part.weight)] for part in tables.interactions if part.weight_columns]
    if weights and len(np.concatenate(weights)):
        distributions["weights"] = numbers_histogram(np.concatenate(weights))
    both = (("users", tables.users), ("items", tables.items))
    columns_found = [picture for what, table in both if table is not None for picture in _columns(what, table)]
    return Overview(activity, period, distributions, tuple(columns_found))


def numbers_histogram(values: NDArray[np.float64]) -> Histogram:
    """Counts in at most 24 bins; of each value where there are no more of them.

    Where the largest is a hundred times the median, the last bin takes all above the 99th percentile.

    Example:
        >>> numbers_histogram(np.array([1.0, 2.0, 2.0]))
        Histogram(labels=('1', '2'), counts=(1, 2), rest=0)
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= _BINS:
        return Histogram(tuple(number_text(float(value)) for value in distinct), tuple(counts.tolist()))
    low, high = float(values.min()), float(values.max())
    top = float(np.quantile(values, 0.99, method="lower"))
    cut = top > low and high > 100 * max(abs(float(np.median(values))), 1e-12)
    edges = np.linspace(low, top if cut else high, _BINS + 1)
    found = np.histogram(np.minimum(values, edges[-1]), edges)[0]
    labels = [f"{edge:.4g}" for edge in edges[:-1]]
    if cut:
        labels[-1] += f" to {high:.4g}"
    return Histogram(tuple(labels), tuple(found.tolist()))


def _activity(parts: tuple[TypedInteractions, ...]) -> tuple[Histogram | None, str]:
    times = [part.time[~np.isnan(part.time)] for part in parts if part.has_timestamps and part.order is not None]
    times = [part[(part >= 0) & (part < 9e9)] for part in times]
    if not sum(map(len, times)):
        return None, "day"
    moments = pd.to_datetime(np.concatenate(times), unit="s")
    days = (moments.max() - moments.min()).days + 1
    period, code = ("day", "D") if days <= _PERIODS else ("week", "W") if days <= 7 * _PERIODS else ("month", "M")
    counts = pd.Series(1, index=moments).groupby(moments.to_period(code)).size()
    whole = pd.period_range(counts.index.min(), counts.index.max(), freq=code)
    if len(whole) <= 10 * _PERIODS:  # else a few moments are far from the others: empty months stay out
        counts = counts.reindex(whole, fill_value=0)
    return Histogram(tuple(str(start.start_time.date()) for start in counts.index), tuple(counts.tolist())), period


def _powers(counts: NDArray[np.int64]) -> Histogram:
    """Counts by powers of two: 1, 2-3, 4-7 ..."""
    power = np.floor(np.log2(counts)).astype(int)
    found = np.bincount(power)
    labels = ["1", *(f"{2**n:,}-{2 ** (n + 1) - 1:,}" for n in range(1, len(found)))]
    return Histogram(tuple(labels), tuple(found.tolist()))


def _columns(what: str, table: TypedEntities) -> Iterator[ColumnPicture]:
    for name, column in table.schema.columns.items():
        cells = table.columns[name]
        filled = cells.dropna()
        missing = 1 - len(filled) / max(len(cells), 1)
        yield ColumnPicture(what, name, str(column.kind), missing, _histogram(filled, column) if len(filled) else None)


def _histogram(filled: Cells, column: Column) -> Histogram | None:
    if column.kind is Kind.NUMERIC:
        return numbers_histogram(filled.to_numpy(np.float64))
    if column.kind is Kind.TIME:
        return _years(filled.to_numpy(np.float64))
    if column.kind is Kind.TEXT:
        return numbers_histogram(np.asarray(filled.map(str).str.len(), np.float64))
    if column.kind in (Kind.CATEGORICAL, Kind.TAGS):
        values = filled.map(str)
        if column.kind is Kind.TAGS:
            values = pd.Series([tag for cell in values for tag in split_tags(cell, column.separator)], dtype="str")
        counts = values.value_counts()
        top = counts.iloc[:_VALUES]
        return Histogram(tuple(map(str, top.index)), tuple(top.tolist()), int(counts.iloc[_VALUES:].sum()))
    return None


def _years(times: NDArray[np.float64]) -> Histogram | None:
    """Counts by year, or by day of at most 24 of them."""
    moments = pd.to_datetime(times[np.abs(times) < 9e9], unit="s")
    if not len(moments):
        return None
    days = pd.Series(moments.date).value_counts().sort_index()
    if len(days) <= _BINS:
        return Histogram(tuple(map(str, days.index)), tuple(days.tolist()))
    years = pd.Series(moments.year).value_counts().sort_index()
    return Histogram(tuple(map(str, years.index)), tuple(years.tolist()))
