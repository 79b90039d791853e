"""Fingerprints of users: digests of everything that a list is made from and that differs between users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.engine import Request, Vectors
from recsys.retrieval.retriever import EncodedUsers

SIZE = 16
"""Bytes of a fingerprint."""


def user_fingerprints(request: Request, users: EncodedUsers, lists: Sequence[Histories]) -> list[bytes]:
    """[U] digests of columns, history, also seen items, single lists and the vector of each user.

    The vector stands in it because an encoder may give a user another one, in its last bits, beside other users.

    Args:
        request: [U] users.
        users: [U] their vectors.
        lists: [U] items of each user that rules name, such as own candidates.
    """
    ragged = [request.histories, *([] if request.also_seen is None else [request.also_seen]), *lists]
    pieces = [_cells(request), _vectors(users), *(_rows(part) for part in ragged)]
    return [_digest(parts) for parts in zip(*pieces, strict=True)]


def vector_pieces(vectors: Vectors) -> list[bytes | memoryview]:
    """What a digest of ``vectors`` is made of."""
    sparse: Any = vectors.sparse
    pieces = [sparse.data, sparse.indices, sparse.indptr] if sp.issparse(sparse) else [sparse]
    return array_pieces((vectors.dense, vectors.valid, *pieces))


def array_pieces(arrays: Iterable[NDArray[np.generic] | None]) -> list[bytes | memoryview]:
    """What a digest of ``arrays`` is made of."""
    return [b"-" if array is None else np.ascontiguousarray(array).data for array in arrays]


def _digest(parts: Sequence[bytes]) -> bytes:
    made = hashlib.blake2b(digest_size=SIZE)
    for part in parts:
        made.update(len(part).to_bytes(8, "little"))
        made.update(part)
    return made.digest()


def _cells(request: Request) -> list[bytes]:
    """The cells of each user as text."""
    columns = [[repr(_plain(cell)) for cell in cells] for _, cells in request.users.columns.items()]
    if not columns:
        return [b""] * len(request)
    return ["\0".join(row).encode("utf-8", "backslashreplace") for row in zip(*columns, strict=True)]


def _plain(cell: object) -> object:
    return cell.tolist() if isinstance(cell, np.ndarray | np.generic) else cell


def _vectors(users: EncodedUsers) -> list[bytes]:
    vectors, flags = users.vectors, [users.unknown]
    flags += [] if vectors.valid is None else [vectors.valid]
    found = _rows_of(np.stack(flags, axis=1).astype(np.uint8))
    for part in (vectors.dense, vectors.sparse):
        if part is None:
            continue
        if not isinstance(part, np.ndarray):
            bounds = part.indptr.astype(np.int64)
            entries = (np.ascontiguousarray(part.indices, np.int64), np.ascontiguousarray(part.data, np.float32))
            more = [b"".join(each) for each in zip(*(_slices(array, bounds) for array in entries), strict=True)]
        else:
            more = _rows_of(np.ascontiguousarray(part, np.float32))
        found = [one + other for one, other in zip(found, more, strict=True)]
    return found


def _rows(part: Histories) -> list[bytes]:
    columns = (part.items.astype(np.int32), part.times.astype(np.int64), part.weights.astype(np.float32))
    return [b"".join(each) for each in zip(*(_slices(column, part.offsets) for column in columns), strict=True)]


def _slices(array: NDArray[np.generic], bounds: NDArray[np.int64]) -> list[bytes]:
    """The bytes of ``array[bounds[u]:bounds[u + 1]]`` for each u."""
    content, size = np.ascontiguousarray(array).tobytes(), array.dtype.itemsize
    ends = (bounds * size).tolist()
    return [content[start:stop] for start, stop in pairwise(ends)]


def _rows_of(table: NDArray[np.generic]) -> list[bytes]:
    return _slices(table.reshape(-1), np.arange(len(table) + 1, dtype=np.int64) * table.shape[1])
