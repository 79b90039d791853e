"""Rows of separated text as columns of Arrow: the parser of all chunks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow


def arrow_columns(text: bytes, mark: str, width: int, quoted: bool) -> list[pyarrow.Array] | None:
    """The cells of each column as text, missing where empty; None if a line has another number of cells.

    Blank lines are passed over.

    Args:
        text: UTF-8 with line feeds, without a header.
        mark: the separator, one ASCII character.
        width: the number of columns, at least 2.
        quoted: whether double quotes hold cells together.
    """
    import pyarrow
    from pyarrow import csv

    if not text:
        return [pyarrow.array([], pyarrow.string())] * width
    names = [str(n) for n in range(width)]
    try:
        table = csv.read_csv(
            io.BytesIO(text),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            csv.ParseOptions(delimiter=mark, quote_char='"' if quoted else False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()),
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    return [column.combine_chunks() for column in table.columns]
