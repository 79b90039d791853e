"""Parquet and Feather files, refused where a small file would unpack to a large table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys.data.ingest.reading.content import SUSPICIOUS_RATIO
from recsys.data.ingest.reading.found import Found, check_width
from recsys.data.ingest.reading.problem import Unreadable, damaged
from recsys.errors import reason_of

if TYPE_CHECKING:
    import pyarrow

PARQUET, FEATHER, OLD_FEATHER = b"PAR1", b"ARROW1", b"FEA1"
"""The first bytes of the formats."""
_CELL_BYTES, _SUSPICIOUS_BYTES = 8, 1 << 25
"""Tables of up to 32 MiB are read however small their file is."""


def read_columnar(path: Path, start: bytes) -> Found:
    """Reads a Parquet or Feather file.

    Args:
        path: a regular file.
        start: its first bytes.

    Raises:
        Unreadable: damaged, or suspiciously large when it is unpacked.
    """
    try:
        if start.startswith(PARQUET):
            check_parquet(path)
            return Found(pd.read_parquet(path))
        check_feather(path, start)
        return Found(pd.read_feather(path))
    except Unreadable:
        raise
    except Exception as error:  # Arrow raises many kinds of exceptions on damaged files
        raise damaged(reason_of(error)) from error


def parquet_rows(path: Path) -> int:
    """The number of rows of a Parquet file."""
    import pyarrow.parquet as parquet

    return int(parquet.read_metadata(path).num_rows)


def check_parquet(path: Path) -> None:
    """Refuses a Parquet file with too many columns, or whose cells are over 200 times as large as the file.

    Raises:
        Unreadable: says how large the table is.
    """
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(path)
    metadata = file.metadata
    check_width(len(file.schema_arrow.names))
    chunks = [
        metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)
    ]
    limit = _limit(path)
    cells = sum(chunk.num_values for chunk in chunks) + metadata.num_rows * (metadata.num_columns == 0)
    _check_size(cells * _CELL_BYTES, limit, metadata.num_rows)
    packed = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"]
    if sum(chunk.num_values * min(chunk.total_uncompressed_size, 1 << 31) for chunk in packed) > limit:
        _check_texts(path, {chunk.path_in_schema for chunk in packed}, limit)


def check_feather(path: Path, start: bytes) -> None:
    """Refuses a Feather file with too many columns, or whose batches are over 200 times as large as the file.

    Raises:
        Unreadable: says how large the table is.
    """
    if not start.startswith(FEATHER):
        return  # version 1 is not compressed
    from pyarrow import ipc

    reader = ipc.open_file(str(path))
    check_width(len(reader.schema.names))
    limit, found = _limit(path), 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        found += sum(_expanded(column) for column in batch.columns)
        _check_size(found, limit, batch.num_rows)


def _check_texts(path: Path, names: set[str], limit: int) -> None:
    """Adds up the texts that the dictionaries of text columns stand for, without writing them out."""
    import pyarrow.parquet as parquet

    flat, found = sorted(name for name in names if "." not in name), 0
    file = parquet.ParquetFile(path, read_dictionary=flat)
    for batch in file.iter_batches(batch_size=1 << 16, columns=flat):
        found += sum(_expanded(column) for column in batch.columns)
        _check_size(found, limit, file.metadata.num_rows)


def _expanded(column: pyarrow.Array) -> int:
    """Bytes of the cells of an array, those of a dictionary counted for each row that uses them."""
    if hasattr(column, "dictionary") and hasattr(column, "indices"):
        import pyarrow.compute as compute

        values, indices = column.dictionary, column.indices.drop_null().to_numpy()
        lengths = compute.binary_length(values) if str(values.type) in ("string", "large_string", "binary") else None
        if lengths is not None:
            return int(np.nan_to_num(lengths.to_numpy(zero_copy_only=False))[indices].sum()) + 8 * len(column)
    return int(column.nbytes)


def _limit(path: Path) -> int:
    """The most bytes that the table of a file may unpack to."""
    return max(_SUSPICIOUS_BYTES, SUSPICIOUS_RATIO * path.stat().st_size)


def _check_size(found: int, limit: int, rows: int) -> None:
    if found > limit:
        raise Unreadable(
            f"its {rows:,} rows unpack to over {found >> 20:,} MiB, over {SUSPICIOUS_RATIO} times the size of the file",
            "if it is meant, leave out columns that repeat one value, or write it without compression and dictionaries",
        )
