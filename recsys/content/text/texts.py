"""The text of each row of a table, out of the columns that are to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from recsys.content.columns import chosen_columns
from recsys.data.entities import EntityTable
from recsys.data.schema import Column, Kind

Text = str | None
"""None where a row has nothing to read."""


def row_texts(table: EntityTable, columns: Sequence[str] = ()) -> list[Text]:
    """One text a row: the cells of ``columns`` (default: every text column) as sentences, in that order.

    Tags are separated by commas and whole numbers lose their point; a row whose cells are all missing has no text.

    Raises:
        ConfigError: a column is not there, or is of a kind that cannot be read as text.

    Example:
        >>> from recsys.data.schema import Schema
        >>> from recsys.data.vocabulary import Vocabulary
        >>> frame = pd.DataFrame({"title": ["Alien", None], "tags": ["Horror|Sci-Fi", None], "year": [1979.0, None]})
        >>> schema = Schema.of({"title": "text", "tags": "tags", "year": "numeric"})
        >>> table = EntityTable(Vocabulary.of([1, 2]), frame, schema)
        >>> row_texts(table, ["title", "year", "tags"])
        ['Alien. 1979. Horror, Sci-Fi', None]
    """
    names = chosen_columns(table, columns, (Kind.TEXT,), (Kind.TEXT, Kind.CATEGORICAL, Kind.TAGS, Kind.NUMERIC))
    parts = [_cells(table.columns[name], table.schema.columns[name]) for name in names]
    return [
        ". ".join(found) or None for found in ([c.rstrip(". ") for c in row if c] for row in zip(*parts, strict=True))
    ]


def _cells(cells: pd.Series[Any], column: Column) -> list[str]:
    return ["" if missing else _text(cell, column) for cell, missing in zip(cells, cells.isna(), strict=True)]


def _text(cell: Any, column: Column) -> str:
    if column.kind is Kind.TAGS:
        return ", ".join(tag.strip() for tag in str(cell).split(column.separator) if tag.strip())
    if column.kind is Kind.NUMERIC:
        return f"{cell:g}"
    return " ".join(str(cell).split())
