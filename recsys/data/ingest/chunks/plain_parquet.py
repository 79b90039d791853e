"""Plain Parquet files as one table, read in batches: numbers into arrays of their final size, ids as their numbers."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys.data.ingest.chunks.coded_ids import CodedIds
from recsys.data.ingest.reading.columnar import PARQUET, check_parquet, parquet_rows
from recsys.data.ingest.reading.content import head

if TYPE_CHECKING:
    import pyarrow

_BATCH = 1 << 20


def read_plain_parquet(files: Sequence[Path], ids: Collection[str]) -> pd.DataFrame | None:
    """The rows of all files, one after the other; None where they are to be read one by one, as frames.

    Plain are files of one schema with columns of numbers, texts and times, with an id column among them, whose ids and
    whole numbers are never missing. The table has the columns that `pandas.read_parquet` gives, but for id columns,
    which are categorical, with the categories in the order in which they first occur.

    Args:
        files: at least one.
        ids: names of the id columns.
    """
    try:
        return _read(files, ids)
    except MemoryError:  # a frame takes more
        raise
    except Exception:  # whatever is wrong with a file is told where it is read as a frame
        return None


class _NotPlainError(Exception):
    """A cell is missing where the type of the column would change."""


def _read(files: Sequence[Path], ids: Collection[str]) -> pd.DataFrame | None:
    import pyarrow.parquet as parquet

    if not all(head(file).startswith(PARQUET) and not any("=" in part for part in file.parts) for file in files):
        return None
    schema = parquet.read_schema(files[0])
    if not any(name in ids for name in schema.names) or not _is_plain(schema, ids):
        return None
    if not all(parquet.read_schema(file).equals(schema) for file in files[1:]):
        return None
    for file in files:
        check_parquet(file)
    texts = [field.name for field in schema if field.name in ids and str(field.type).endswith("string")]
    n_rows = sum(map(parquet_rows, files))
    columns = {field.name: _column(field, n_rows, field.name in ids) for field in schema}
    for file in files:
        with parquet.ParquetFile(file, read_dictionary=texts) as opened:
            for batch in opened.iter_batches(_BATCH):
                for column, cells in zip(columns.values(), batch.columns, strict=True):
                    column.add(cells)
    return pd.DataFrame({name: columns.pop(name).cells() for name in schema.names}, copy=False)


def _is_plain(schema: pyarrow.Schema, ids: Collection[str]) -> bool:
    """Whether the columns are of plain types, each with a name of its own, and no index has to become a column."""
    from pyarrow import types

    if not schema.names or len(set(schema.names)) < len(schema.names):
        return False
    stored = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    if any(not isinstance(index, dict) or index.get("name") for index in stored.get("index_columns", [])):
        return False

    def fits(field: pyarrow.Field) -> bool:
        text = types.is_string(field.type) or types.is_large_string(field.type)
        if field.name in ids:
            return bool(text or (types.is_integer(field.type) and not types.is_uint64(field.type)))
        number = types.is_integer(field.type) or types.is_float32(field.type) or types.is_float64(field.type)
        return bool(text or number or types.is_timestamp(field.type))

    return all(fits(field) for field in schema)


def _column(field: pyarrow.Field, n_rows: int, is_id: bool) -> _Ids | _Numbers | _Others:
    from pyarrow import types

    if is_id:
        return _Ids(n_rows)
    if types.is_integer(field.type) or types.is_floating(field.type):
        return _Numbers(n_rows, np.dtype(field.type.to_pandas_dtype()))
    return _Others(field.type)


class _Ids:
    def __init__(self, n_rows: int) -> None:
        self._ids = CodedIds(n_rows)

    def add(self, cells: pyarrow.Array) -> None:
        _refuse_missing(cells)
        coded = cells if hasattr(cells, "dictionary") else cells.dictionary_encode()
        values, codes = coded.dictionary, coded.indices.to_numpy()
        if str(values.type).endswith("string"):
            distinct = pd.Index(values.to_numpy(zero_copy_only=False), dtype="str")
        else:
            distinct = pd.Index(values.to_numpy().astype(np.int64))
        used, first = pd.factorize(codes)  # a dictionary of a file may be in another order
        self._ids.add(used, distinct[first])

    def cells(self) -> pd.Categorical:
        return self._ids.categorical()


class _Numbers:
    def __init__(self, n_rows: int, kind: np.dtype[Any]) -> None:
        self._cells, self._filled = np.empty(n_rows, kind), 0

    def add(self, cells: pyarrow.Array) -> None:
        if self._cells.dtype.kind != "f":
            _refuse_missing(cells)
        self._cells[self._filled : self._filled + len(cells)] = cells.to_numpy(zero_copy_only=False)
        self._filled += len(cells)

    def cells(self) -> np.ndarray[Any, Any]:
        return self._cells


class _Others:
    def __init__(self, kind: pyarrow.DataType) -> None:
        self._chunks: list[pyarrow.Array] = []
        self._kind = kind

    def add(self, cells: pyarrow.Array) -> None:
        self._chunks.append(cells)

    def cells(self) -> pd.Series[Any]:
        import pyarrow

        cells: pd.Series[Any] = pyarrow.table({"": pyarrow.chunked_array(self._chunks, self._kind)}).to_pandas()[""]
        return cells


def _refuse_missing(cells: pyarrow.Array) -> None:
    if cells.null_count:
        raise _NotPlainError
