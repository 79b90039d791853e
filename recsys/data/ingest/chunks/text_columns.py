"""Columns of text that are read in chunks, no Python object a cell: as integers or numbered where that says all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.chunks.coded_ids import CodedIds
from recsys.data.ingest.chunks.growing_array import GrowingArray

if TYPE_CHECKING:
    import pyarrow

MOST_DISTINCT = 1 << 16
"""Distinct texts up to which a column that holds no ids is numbered."""


class IdTexts:
    """A column of ids: a categorical of text, with the ids in the order in which they first occur."""

    def __init__(self) -> None:
        self._ids, self._are_integers = CodedIds(), True

    def add(self, cells: pyarrow.Array) -> None:
        """The cells of the next chunk, texts or missing."""
        numbers = written_integers(cells) if self._are_integers else None
        if numbers is None and self._are_integers:
            self._are_integers = False
            self._ids.to_texts()
        if numbers is None:
            self._ids.add(*_coded(cells))
            return
        codes, distinct = pd.factorize(numbers.fill_null(0).to_numpy())
        if numbers.null_count:  # the 0 above may be no id
            codes, distinct = _coded(cells)[0], pd.Index(_coded(cells)[1].astype(np.int64)).to_numpy()
        self._ids.add(codes, pd.Index(distinct))

    def cells(self) -> pd.Categorical:
        """[n] the column."""
        if self._are_integers:
            self._ids.to_texts()
        return self._ids.categorical()


class TextCells:
    """Any other column, in the smallest form that loses nothing.

    It is int64 if every cell is written as an integer is, without a zero in front; else a categorical if there are at
    most `MOST_DISTINCT` texts; else text. The form does not depend on how the table is cut into chunks.
    """

    def __init__(self) -> None:
        self._numbers: GrowingArray[np.int64] | None = GrowingArray(np.dtype(np.int64))
        self._coded: CodedIds | None = None
        self._texts: list[pyarrow.Array] = []

    def add(self, cells: pyarrow.Array) -> None:
        """The cells of the next chunk, texts or missing."""
        if self._numbers is not None:
            numbers = None if cells.null_count else written_integers(cells)
            if numbers is not None:
                self._numbers.add(numbers.to_numpy())
                return
            self._leave_numbers(self._numbers.array())
        if self._coded is None:
            self._texts.append(cells)
            return
        self._coded.add(*_coded(cells))
        if self._coded.n_distinct > MOST_DISTINCT:
            self._texts = [_arrow_texts(pd.Series(self._coded.categorical()).astype("str"))]
            self._coded = None

    def cells(self) -> NDArray[np.int64] | pd.Categorical | pd.Series[Any]:
        """[n] the column."""
        if self._numbers is not None:
            return self._numbers.array()
        if self._coded is not None:
            return self._coded.categorical()
        import pyarrow

        texts: pd.Series[Any] = pyarrow.table({"": pyarrow.chunked_array(self._texts)}).to_pandas()[""]
        return texts

    def _leave_numbers(self, numbers: NDArray[np.int64]) -> None:
        codes, distinct = pd.factorize(numbers)
        self._numbers = None
        if len(distinct) <= MOST_DISTINCT:
            self._coded = CodedIds()
            self._coded.add(codes, pd.Index(distinct).astype("str"))
        else:
            self._texts = [_arrow_texts(pd.Series(numbers))]


def written_integers(cells: pyarrow.Array) -> pyarrow.Array | None:
    """The numbers of texts that are the decimal forms of int64, from which these can be told; None for others.

    Args:
        cells: [n] texts; missing ones stay so.
    """
    import pyarrow

    try:
        numbers = cells.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        return None
    return numbers if numbers.cast(cells.type).equals(cells) else None


def _coded(cells: pyarrow.Array) -> tuple[NDArray[np.integer], pd.Index[Any]]:
    """Codes of the cells, -1 for missing ones, and the distinct texts in the order in which they first occur."""
    coded = cells.dictionary_encode()
    distinct = pd.Index(coded.dictionary.to_numpy(zero_copy_only=False), dtype="str")
    return coded.indices.fill_null(-1).to_numpy(), distinct


def _arrow_texts(cells: pd.Series[Any]) -> pyarrow.Array:
    import pyarrow

    if cells.dtype == np.int64:
        return pyarrow.array(cells.to_numpy()).cast(pyarrow.string())
    found = pyarrow.array(cells, type=pyarrow.string(), from_pandas=True)
    return found.combine_chunks() if isinstance(found, pyarrow.ChunkedArray) else found
