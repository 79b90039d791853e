"""Values of an item column as whole numbers, for rules that count or compare them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import filled_texts, is_missing, seconds
from recsys.data.schema import Kind, split_tags
from recsys.data.vocabulary import MISSING
from recsys.errors import DataError


@dataclass(frozen=True, eq=False)
class ColumnValues:
    """The values of a column, each with a number.

    Args:
        codes: int32 [I, T], the values of each item, padded with MISSING; T is 1 but for tags.
        names: [V], the value of each number.
    """

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, items: EntityTable, column: str, rule: str) -> ColumnValues:
        """The values of ``column``; of tags each tag is a value, and a missing cell has none.

        Args:
            items: [I].
            column: the name.
            rule: the key that names it, for messages.

        Raises:
            DataError: items have no such column.

        Example:
            >>> import pandas as pd
            >>> from recsys.data.schema import Schema
            >>> from recsys.data.vocabulary import Vocabulary
            >>> cells = pd.DataFrame({"genres": ["Drama|War", None, "War"]})
            >>> table = EntityTable(Vocabulary.of([1, 2, 3]), cells, Schema.of({"genres": "tags"}))
            >>> ColumnValues.of(table, "genres", "recommend.rules.caps").codes.tolist()
            [[0, 1], [-1, -1], [1, -1]]
        """
        check_column(items, column, rule)
        kind, cells = items.schema.columns[column], items.columns[column]
        place, distinct = pd.factorize(cells)
        texts = filled_texts(pd.Series(distinct, dtype=cells.dtype))
        codes, names = _tags(texts, kind.separator) if kind.kind is Kind.TAGS else _single(texts)
        return cls(codes[place], names)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """int32 [..., T]: the values of the items at ``rows``; MISSING rows have none."""
        return self._padded[rows]

    @cached_property
    def _padded(self) -> NDArray[np.int32]:
        return np.vstack([self.codes, np.full((1, self.codes.shape[1]), MISSING, np.int32)])


def _single(texts: pd.Series[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """int32 [n + 1, 1], the number of each text without blanks around it, and the texts; the last row is MISSING."""
    found = texts.str.strip()
    codes, names = pd.factorize(found.where(found != ""), sort=True)
    return np.append(codes, MISSING).astype(np.int32)[:, None], tuple(names)


def _tags(texts: pd.Series[str], separator: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """int32 [n + 1, T], the numbers of the tags of each text, and the tags; the last row is MISSING."""
    cells = [list(dict.fromkeys(split_tags(text, separator))) for text in texts.fillna("")]
    names = sorted({value for values in cells for value in values})
    number = {name: code for code, name in enumerate(names)}
    codes = np.full((len(cells) + 1, max(map(len, cells), default=1) or 1), MISSING, np.int32)
    for row, values in enumerate(cells):
        codes[row, : len(values)] = [number[value] for value in values]
    return codes, tuple(names)


def times_of(items: EntityTable, column: str, rule: str) -> NDArray[np.float64]:
    """float64 [I]: a column of times as seconds since 1970 UTC; NaN where the cell is missing.

    Raises:
        DataError: items have no such column, or a cell is neither a number nor a date.
    """
    check_column(items, column, rule)
    cells = items.columns[column]
    found = seconds(cells).to_numpy(np.float64)
    wrong = np.flatnonzero(np.isnan(found) & ~is_missing(cells))
    if len(wrong):
        raise DataError(
            f"{rule}: the item {items.vocabulary.ids[wrong[0]]!r} has {cells.iloc[wrong[0]]!r} in the column {column}, "
            "which is no time; mend the cell, or write dates as 2024-05-31"
        )
    return found


def check_column(items: EntityTable, column: str, rule: str) -> None:
    """Checks that items have a column.

    Raises:
        DataError: they have not; names the nearest.
    """
    if column not in items.columns:
        names = list(map(str, items.columns))
        raise DataError(
            f"{rule}: items have no column {column!r}{did_you_mean(column, names) or '.'} "
            f"They have: {', '.join(names) or 'none'}"
        )
