"""Features: numeric inputs of models, computed from columns by transforms that are fitted on train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config, parse
from recsys.data.entities import EntityTable
from recsys.data.features.categories import Categories
from recsys.data.features.scalers import Embedded, Numeric, Time
from recsys.data.ingest.checks import Cells
from recsys.data.schema import Kind
from recsys.errors import ArtifactError
from recsys.json_values import JsonMapping, JsonObject


class FeatureOptions(Config):
    """Options of the transforms of columns.

    Args:
        min_count: categories and tags of fewer training entities share one vector with unknown ones.
        numeric: ``standard`` subtracts the mean and divides by the deviation of train; ``quantile`` maps to the
            standard normal by train's quantiles.
        max_tags: the number of tags of an entity that are used, the first ones.
    """

    min_count: int = Field(2, ge=1)
    numeric: Literal["standard", "quantile"] = "standard"
    max_tags: int = Field(16, ge=1)


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
        options: what they were fitted with, and what new categories and columns are when the set grows.
    """

    columns: tuple[FeatureColumn, ...]
    options: FeatureOptions

    @classmethod
    def fit(cls, table: EntityTable, rows: NDArray[np.integer] | None, options: FeatureOptions) -> FeatureSet:
        """Fits on the training entities ``rows`` alone (None: all)."""
        train = table.columns if rows is None else table.columns.iloc[rows]
        fitted = [_fit(table, name, train[name], options) for name in table.schema]
        return cls(tuple(column for column in fitted if column is not None), options)

    def transform(self, table: EntityTable) -> dict[str, NDArray[np.generic]]:
        """Column name -> values, one row an entity; a column that ``table`` lacks is missing throughout."""
        absent = pd.Series([None] * len(table), dtype=object)
        return {c.name: c.transform(table.columns.get(c.name, absent)) for c in self.columns}

    def grown(self, table: EntityTable) -> FeatureSet:
        """With new categories appended and new columns fitted on ``table``; what was there keeps its rows and scale."""
        known = {column.name for column in self.columns}
        old = tuple(
            c.grown(table.columns[c.name], self.options.min_count) if c.name in table.columns else c
            for c in self.columns
        )
        new = [_fit(table, name, table.columns[name], self.options) for name in table.schema if name not in known]
        return FeatureSet(old + tuple(column for column in new if column is not None), self.options)

    def to_dict(self) -> JsonObject:
        """JSON values."""
        return {"options": self.options.model_dump(), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, raw: JsonMapping) -> FeatureSet:
        """What `to_dict` gave.

        Raises:
            ArtifactError: a kind that this version lacks.
        """
        return cls(tuple(_column(entry) for entry in raw["columns"]), parse(FeatureOptions, raw["options"], "features"))


def _column(entry: JsonMapping) -> FeatureColumn:
    if entry["kind"] not in _CLASSES:
        raise ArtifactError(f"feature {entry['name']!r} is of kind {entry['kind']!r}, which this version lacks")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    column: FeatureColumn = _CLASSES[entry["kind"]](**values)
    return column


def _fit(table: EntityTable, name: str, train: Cells, options: FeatureOptions) -> FeatureColumn | None:
    column = table.schema.columns[name]
    if column.kind in (Kind.CATEGORICAL, Kind.TAGS):
        limit = options.max_tags if column.kind is Kind.TAGS else 1
        return Categories.fit(name, str(column.kind), train, column.separator, options.min_count, limit)
    if column.kind is Kind.NUMERIC:
        return Numeric.fit(name, train, options.numeric)
    if column.kind is Kind.TIME:
        return Time.fit(name, train)
    return Embedded.fit(name, train) if column.kind is Kind.EMBEDDING else None
