"""Selection of the columns that an embedder reads, and the tags of a column."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind, split_tags
from recsys.errors import ConfigError


def chosen_columns(
    table: EntityTable, columns: Sequence[str], default: Sequence[Kind], allowed: Sequence[Kind]
) -> list[str]:
    """The column names ``columns``, or if empty all columns of the ``default`` kinds.

    Raises:
        ConfigError: a column does not exist or is of a kind that is not ``allowed``, or no column is of a default kind.
    """
    names = list(columns) or table.schema.names(*default)
    for name in names:
        if name not in table.schema.columns:
            raise ConfigError(
                f"columns names {name!r}{did_you_mean(name, table.schema.columns) or ';'} "
                f"the table has {', '.join(table.schema.columns) or 'none'}"
            )
        kind = table.schema.columns[name].kind
        if kind not in allowed:
            raise ConfigError(f"column {name!r} is {kind}; this embedder reads {', '.join(allowed)}")
    if not names:
        raise ConfigError(f"the table has no column of kind {' or '.join(default)}; name the columns to embed")
    return names


def row_tags(table: EntityTable, column: str) -> list[list[str]]:
    """The tags of each row in a tags or categorical column, empty if missing.

    Raises:
        ConfigError: the column does not exist or is of another kind.
    """
    chosen_columns(table, [column], (), (Kind.TAGS, Kind.CATEGORICAL))
    cells, kind = table.columns[column], table.schema.columns[column]
    separator = kind.separator if kind.kind is Kind.TAGS else ""
    return [
        [] if missing else split_tags(str(cell), separator) for cell, missing in zip(cells, cells.isna(), strict=True)
    ]
