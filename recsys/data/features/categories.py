"""Category vocabularies: the values of a categorical or tags column as rows of an embedding table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.schema import Kind, split_tags
from recsys.data.vocabulary import MISSING

ABSENT, RARE = 0, 1
"""Rows of a missing value, and of rare and unknown values; the values of the vocabulary start at row 2."""


@dataclass(frozen=True)
class Categories:
    """A categorical or tags column: ``values[i]`` has row ``i + 2``.

    Args:
        name: of the column.
        kind: ``categorical`` or ``tags``.
        values: the vocabulary, most frequent first; fine-tuning appends new values.
        separator: between tags.
        max_tags: T, the most tags of a row that are used.
        fitted: the number of values without appended ones.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    separator: str = "|"
    max_tags: int = 1
    fitted: int = 0

    @classmethod
    def fit(cls, name: str, kind: str, train: Cells, separator: str, min_count: int, max_tags: int) -> Categories:
        """The vocabulary of the values that occur at least ``min_count`` times in ``train``."""
        texts = _texts(train)
        if kind == Kind.TAGS:
            texts = [tag for text in texts for tag in _tags(text, separator)[:max_tags]]
        values, counts = np.unique(np.array([t for t in texts if t], dtype=object), return_counts=True)
        order = np.lexsort((values, -counts))
        kept = tuple(str(values[i]) for i in order if counts[i] >= min_count)
        return cls(name, kind, kept, separator, max_tags, len(kept))

    @property
    def size(self) -> int:
        """Rows of the table, the missing and the rare row included."""
        return len(self.values) + 2

    def transform(self, column: Cells) -> NDArray[np.generic]:
        """int64 [n] rows, or [n, T] for tags, padded with MISSING; a row without tags has ABSENT."""
        rows = {value: row for row, value in enumerate(self.values, 2)}
        if self.kind == Kind.CATEGORICAL:
            return np.array([rows.get(text, RARE) if text else ABSENT for text in _texts(column)], np.int64)
        result = np.full((len(column), self.max_tags), MISSING, np.int64)
        for place, text in enumerate(_texts(column)):
            found = [rows.get(tag, RARE) for tag in _tags(text, self.separator)[: self.max_tags]] or [ABSENT]
            result[place, : len(found)] = found
        return result

    def grown(self, column: Cells, min_count: int) -> Categories:
        """The vocabulary with the new values that occur at least ``min_count`` times in ``column`` appended."""
        fitted = Categories.fit(self.name, self.kind, column, self.separator, min_count, self.max_tags)
        known = set(self.values)
        fresh = tuple(value for value in fitted.values if value not in known)
        return replace(self, values=self.values + fresh)


def _texts(column: Cells) -> list[str]:
    return ["" if pd.isna(cell) else str(cell) for cell in column]


def _tags(text: str, separator: str) -> Sequence[str]:
    return list(dict.fromkeys(split_tags(text, separator)))
