"""Features: columns turned into numbers by transforms that are fitted on train alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind
from recsys.data.vocabulary import MISSING
from recsys.errors import ArtifactError

ABSENT, RARE = 0, 1
"""Rows of a category table: a missing value, and one that is rare or unknown. Known values follow from row 2."""


class FeatureOptions(Config):
    """How columns become numbers.

    Args:
        min_count: a category or tag seen on fewer training entities shares the vector of the rare and unknown.
        numeric: ``standard`` subtracts the mean and divides by the deviation of train; ``quantile`` maps to the
            standard normal by train's quantiles.
        max_tags: at most this many tags of an entity count, the first ones.
    """

    min_count: int = Field(2, ge=1)
    numeric: Literal["standard", "quantile"] = "standard"
    max_tags: int = Field(16, ge=1)


@dataclass(frozen=True)
class Categories:
    """A categorical or tags column: ``values[i]`` has row ``i + 2``.

    Args:
        name: of the column.
        kind: ``categorical`` or ``tags``.
        values: known values, most frequent first; new ones are appended when a bundle is fine-tuned.
        separator: between tags.
        max_tags: T.
        fitted: how many values there were before any were appended.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    separator: str = "|"
    max_tags: int = 1
    fitted: int = 0

    @property
    def size(self) -> int:
        """Rows of the table, the missing and the rare row included."""
        return len(self.values) + 2

    def transform(self, column: pd.Series[Any]) -> NDArray[Any]:
        """int64 [n] rows, or [n, T] for tags, filled up with MISSING; a row without tags starts with ABSENT."""
        rows = {value: row for row, value in enumerate(self.values, 2)}
        if self.kind == Kind.CATEGORICAL:
            return np.array([rows.get(text, RARE) if text else ABSENT for text in _texts(column)], np.int64)
        result = np.full((len(column), self.max_tags), MISSING, np.int64)
        for place, text in enumerate(_texts(column)):
            found = [rows.get(tag, RARE) for tag in _tags(text, self.separator)[: self.max_tags]] or [ABSENT]
            result[place, : len(found)] = found
        return result

    def grown(self, column: pd.Series[Any], min_count: int) -> Categories:
        """With the values of ``column`` that are new and frequent enough appended."""
        fitted = _fit_categories(self.name, self.kind, column, self.separator, min_count, self.max_tags)
        fresh = tuple(value for value in fitted.values if value not in set(self.values))
        return replace(self, values=self.values + fresh)


@dataclass(frozen=True)
class Numeric:
    """A numeric column, or a component of a time column.

    Args:
        name: of the column.
        kind: ``numeric``.
        centre: mean of train.
        spread: standard deviation of train, 1 when constant.
        quantiles: values of train at even steps of probability; empty for ``standard``. Also the bins of the
            piecewise-linear encoder.
        style: ``standard`` or ``quantile``.
    """

    name: str
    kind: str
    centre: float
    spread: float
    quantiles: tuple[float, ...]
    style: str

    def transform(self, column: pd.Series[Any]) -> NDArray[Any]:
        """float32 [n, 1], NaN where missing."""
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan, copy=True)
        values[~np.isfinite(values)] = np.nan
        return self.scaled(values).astype(np.float32)[:, None]

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in units of the training distribution."""
        if self.style == "standard" or len(set(self.quantiles)) < 2:
            scaled: NDArray[np.float64] = (values - self.centre) / self.spread
            return scaled
        from scipy.special import ndtri

        grid = np.linspace(0, 1, len(self.quantiles))
        points, first = np.unique(np.array(self.quantiles), return_index=True)
        last = len(self.quantiles) - 1 - np.unique(np.array(self.quantiles)[::-1], return_index=True)[1]
        share = np.interp(values, points, (grid[first] + grid[last]) / 2)
        normal: NDArray[np.float64] = ndtri(np.clip(share, 0.005, 0.995))
        normal[np.isnan(values)] = np.nan
        return normal

    def grown(self, column: pd.Series[Any], min_count: int) -> Numeric:
        """Itself: a scaler stays as it was fitted, or old vectors would move."""
        return self


@dataclass(frozen=True)
class Time:
    """A time column: hour of the day, day of the week and day of the year as points on circles, and the scaled moment.

    Args:
        name: of the column.
        kind: ``time``.
        centre: mean of train, seconds since 1970 UTC.
        spread: standard deviation of train.
    """

    name: str
    kind: str
    centre: float
    spread: float

    width = 7

    def transform(self, column: pd.Series[Any]) -> NDArray[Any]:
        """float32 [n, 7], NaN where missing."""
        seconds = _seconds(column)
        parts = [(seconds - self.centre) / self.spread]
        for period in (86_400.0, 7 * 86_400.0, 365.2425 * 86_400.0):
            angle = 2 * np.pi * seconds / period
            parts += [np.sin(angle), np.cos(angle)]
        return np.stack(parts, 1).astype(np.float32)

    def grown(self, column: pd.Series[Any], min_count: int) -> Time:
        """Itself."""
        return self


@dataclass(frozen=True)
class Embedded:
    """A column of precomputed vectors.

    Args:
        name: of the column.
        kind: ``embedding``.
        width: D of the vectors.
        spread: root mean square of train's components.
    """

    name: str
    kind: str
    width: int
    spread: float

    def transform(self, column: pd.Series[Any]) -> NDArray[Any]:
        """float32 [n, D], NaN rows where missing or of another length."""
        result = np.full((len(column), self.width), np.nan, np.float32)
        for place, cell in enumerate(column):
            if isinstance(cell, (list, np.ndarray)) and len(cell) == self.width:
                result[place] = np.asarray(cell, np.float32) / self.spread
        return result

    def grown(self, column: pd.Series[Any], min_count: int) -> Embedded:
        """Itself."""
        return self


FeatureColumn = Categories | Numeric | Time | Embedded

_CLASSES: dict[str, type[Any]] = {
    "categorical": Categories,
    "tags": Categories,
    "numeric": Numeric,
    "time": Time,
    "embedding": Embedded,
}


@dataclass(frozen=True)
class FeatureSet:
    """The transforms of a table's columns; text and image columns have their own embedders and are not among them.

    Args:
        columns: fitted transforms in the order of the schema.
        min_count: what a new category must reach when the set grows.
    """

    columns: tuple[FeatureColumn, ...]
    min_count: int = 2

    @classmethod
    def fit(cls, table: EntityTable, rows: NDArray[np.integer] | None, options: FeatureOptions) -> FeatureSet:
        """Fits on the training entities ``rows`` alone (None: all)."""
        train = table.columns if rows is None else table.columns.iloc[rows]
        fitted = [_fit(table, name, train[name], options) for name in table.schema]
        return cls(tuple(column for column in fitted if column is not None), options.min_count)

    def transform(self, table: EntityTable) -> dict[str, NDArray[Any]]:
        """Column name -> values, one row an entity; a column that ``table`` lacks is missing throughout."""
        absent = pd.Series([None] * len(table), dtype=object)
        return {c.name: c.transform(table.columns.get(c.name, absent)) for c in self.columns}

    def grown(self, table: EntityTable) -> FeatureSet:
        """With new categories appended and new columns fitted on ``table``; what was there keeps its rows and scale."""
        known = {column.name for column in self.columns}
        old = tuple(
            c.grown(table.columns[c.name], self.min_count) if c.name in table.columns else c for c in self.columns
        )
        options = FeatureOptions(min_count=self.min_count)
        new = [_fit(table, name, table.columns[name], options) for name in table.schema if name not in known]
        return FeatureSet(old + tuple(column for column in new if column is not None), self.min_count)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"min_count": self.min_count, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeatureSet:
        """What `to_dict` gave.

        Raises:
            ArtifactError: a kind that this version does not know.
        """
        return cls(tuple(_column(entry) for entry in raw["columns"]), raw["min_count"])


def _column(entry: Mapping[str, Any]) -> FeatureColumn:
    if entry["kind"] not in _CLASSES:
        raise ArtifactError(f"feature {entry['name']!r} is of kind {entry['kind']!r}, which this version does not know")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    column: FeatureColumn = _CLASSES[entry["kind"]](**values)
    return column


def _fit(table: EntityTable, name: str, train: pd.Series[Any], options: FeatureOptions) -> FeatureColumn | None:
    column = table.schema.columns[name]
    if column.kind in (Kind.CATEGORICAL, Kind.TAGS):
        limit = options.max_tags if column.kind is Kind.TAGS else 1
        return _fit_categories(name, str(column.kind), train, column.separator, options.min_count, limit)
    if column.kind is Kind.NUMERIC:
        return _fit_numeric(name, train, options.numeric)
    if column.kind is Kind.TIME:
        seconds = _seconds(train)
        return Time(name, "time", *_moments(seconds[np.isfinite(seconds)]))
    if column.kind is Kind.EMBEDDING:
        return _fit_embedding(name, train)
    return None


def _fit_categories(
    name: str, kind: str, train: pd.Series[Any], separator: str, min_count: int, max_tags: int
) -> Categories:
    texts = _texts(train)
    if kind == Kind.TAGS:
        texts = [tag for text in texts for tag in _tags(text, separator)[:max_tags]]
    values, counts = np.unique(np.array([t for t in texts if t], dtype=object), return_counts=True)
    order = np.lexsort((values, -counts))
    kept = tuple(str(values[i]) for i in order if counts[i] >= min_count)
    return Categories(name, kind, kept, separator, max_tags, len(kept))


def _fit_numeric(name: str, train: pd.Series[Any], style: str) -> Numeric:
    values = pd.to_numeric(train, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    quantiles = tuple(np.quantile(values, np.linspace(0, 1, 33)).tolist()) if len(values) else ()
    return Numeric(name, "numeric", *_moments(values), quantiles, style)


def _fit_embedding(name: str, train: pd.Series[Any]) -> Embedded | None:
    cells = [np.asarray(c, np.float64) for c in train if isinstance(c, (list, np.ndarray)) and len(c)]
    if not cells:
        return None
    spread = float(np.sqrt(np.mean([np.square(cell).mean() for cell in cells])))
    return Embedded(name, "embedding", len(cells[0]), spread or 1.0)


def _moments(values: NDArray[np.float64]) -> tuple[float, float]:
    return (float(values.mean()), float(values.std()) or 1.0) if len(values) else (0.0, 1.0)


def _texts(column: pd.Series[Any]) -> list[str]:
    return ["" if pd.isna(cell) else str(cell) for cell in column]


def _tags(text: str, separator: str) -> Sequence[str]:
    return list(dict.fromkeys(tag.strip() for tag in text.split(separator) if tag.strip()))


def _seconds(column: pd.Series[Any]) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if np.isfinite(numbers).any() or not column.notna().any():
        return numbers
    moments = pd.to_datetime(column, errors="coerce", utc=True)
    since = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since.to_numpy(np.float64))
