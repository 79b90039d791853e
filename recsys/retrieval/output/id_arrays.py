"""Ids of users and items as Arrow arrays, as the files of an output hold them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys.data.vocabulary import Ids


def arrow_ids(ids: Ids, are_integers: bool) -> pa.Array:
    """The ids as int64 or as text.

    Example:
        >>> arrow_ids(np.array([7, 9]), are_integers=True).to_pylist()
        [7, 9]
    """
    return pa.array(ids, pa.int64() if are_integers else pa.string())


def ids_of(column: pa.ChunkedArray) -> Ids:
    """`arrow_ids` undone: int64, or objects that are texts.

    Example:
        >>> ids_of(pa.chunked_array([["a", "b"]])).tolist()
        ['a', 'b']
    """
    return column.to_numpy() if pa.types.is_integer(column.type) else np.array(column.to_pylist(), object)
