"""The text of each row of a table, joined from its columns."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.content.columns import chosen_columns
from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import texts
from recsys.data.ingest.checks import Cells
from recsys.data.schema import Column, Kind, split_tags

Text = str | None
"""None for a row without text."""


def row_texts(table: EntityTable, columns: Sequence[str] = ()) -> list[Text]:
    """One text a row: the cells of ``columns`` (default: every text column) as sentences, in that order.

    Tags are separated by commas, and 1979.0 is written 1979. The full stops at the end of cells are removed; a row
    whose cells are all missing or empty has no text.

    Raises:
        ConfigError: a column does not exist or is of a kind that is not text.

    Example:
        >>> import pandas as pd
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
    return [". ".join(cell for cell in row if cell) or None for row in zip(*parts, strict=True)]


def _cells(cells: Cells, column: Column) -> list[str]:
    return ["" if text is None else _tidied(text, column).rstrip(". ") for text in texts(cells)]


def _tidied(text: str, column: Column) -> str:
    if column.kind is Kind.TAGS:
        return ", ".join(split_tags(text, column.separator))
    return " ".join(text.split())
