"""The vectors of users and items as Parquet and NumPy, and sparse ones as CSR matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.vocabulary import Ids
from recsys.engine import Engine, Vectors
from recsys.errors import ConfigError
from recsys.retrieval.requested_users import RequestedUsers
from recsys.retrieval.retriever import item_vectors, user_vectors

Block = tuple[Ids, Vectors]
"""Ids [n] and their vectors [n], all of which are valid."""
_ROWS = 4096
"""Sparse vectors in one row group of Parquet."""


def dense_items(engine: Engine, data: Dataset) -> tuple[Ids, NDArray[np.float32]]:
    """The items that have a vector, and the vectors, whose inner product with a user's is the score.

    Raises:
        ConfigError: the vectors, or a part of them, are sparse.
        ArtifactError: one is NaN or infinite.
    """
    ids, vectors = _known(data.items.vocabulary.ids, item_vectors(engine, data.items))
    if vectors.dense is None or vectors.sparse is not None:
        raise ConfigError(
            f"the vectors of {engine.kind!r} are sparse, at least in part, and long as the catalogue; Faiss searches "
            "dense ones"
        )
    return ids, np.ascontiguousarray(vectors.dense)


def write_vectors(engine: Engine, data: Dataset, folder: Path) -> dict[str, int]:
    """Writes the vectors of items and users into ``folder``; the inner products of their parts sum to the score.

    The dense part is ``items.npy`` and the column ``vector`` of ``items.parquet``. The sparse part is
    ``items_sparse.npz``, a CSR matrix (`scipy.sparse.load_npz`), and ``items_sparse.parquet`` with its ``columns`` and
    ``values`` as lists. Rows of all are those of ``item_ids.npy``; users alike.

    Args:
        engine: a fitted engine.
        data: the items; the users with their histories, to whom a dataset without interactions has none.
        folder: an existing folder.

    Returns:
        How many vectors each side has, those without a vector are left out; ``sparse`` and ``dense`` columns of items,
        where there is such a part.

    Raises:
        ArtifactError: one is NaN or infinite.
    """
    items = _known(data.items.vocabulary.ids, item_vectors(engine, data.items))
    counts = {"items": _write(folder, "item", [items])}
    counts |= {name: part.shape[1] for name, part in _parts(items[1]).items()}
    if len(data.interactions):
        blocks = (
            _known(request.users.vocabulary.ids, user_vectors(engine, request))
            for _, request in RequestedUsers.of(data).requests()
        )
        counts["users"] = _write(folder, "user", blocks)
    return counts


def _known(ids: Ids, vectors: Vectors) -> Block:
    return (ids if vectors.valid is None else ids[vectors.valid]), vectors.known()


def _parts(vectors: Vectors) -> dict[str, NDArray[np.float32] | sp.csr_array]:
    parts = {"dense": vectors.dense, "sparse": vectors.sparse}
    return {name: part for name, part in parts.items() if part is not None}


def _write(folder: Path, side: str, blocks: Iterable[Block]) -> int:
    ids: list[Ids] = []
    dense: list[NDArray[np.float32]] = []
    sparse: list[sp.csr_array] = []
    for own, vectors in blocks:
        ids.append(own)
        dense += [] if vectors.dense is None else [vectors.dense]
        sparse += [] if vectors.sparse is None else [sp.csr_array(vectors.sparse, dtype=np.float32)]
    all_ids = np.concatenate(ids)
    whole = all_ids.dtype.kind == "i"
    keys = pa.array(all_ids, None if whole else pa.string())
    if dense:
        _write_dense(folder / f"{side}s", f"{side}_id", keys, np.concatenate(dense))
    if sparse:
        _write_sparse(folder / f"{side}s_sparse", f"{side}_id", keys, sparse)
    np.save(folder / f"{side}_ids.npy", all_ids if whole else all_ids.astype(np.str_))
    return len(all_ids)


def _write_dense(path: Path, key: str, ids: pa.Array, table: NDArray[np.float32]) -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), table.shape[1])
    pq.write_table(pa.table({key: ids, "vector": lists}), path.with_suffix(".parquet"))
    np.save(path.with_suffix(".npy"), table)


def _write_sparse(path: Path, key: str, ids: pa.Array, blocks: Sequence[sp.csr_array]) -> None:
    table = blocks[0] if len(blocks) == 1 else sp.csr_array(sp.vstack(blocks, format="csr"))
    table = table if table.has_sorted_indices else table.sorted_indices()
    sp.save_npz(path.with_suffix(".npz"), table, compressed=False)
    lists = {"columns": pa.list_(pa.int32()), "values": pa.list_(pa.float32())}
    schema = pa.schema({key: ids.type, **lists})
    with pq.ParquetWriter(path.with_suffix(".parquet"), schema) as writer:
        for start in range(0, len(ids), _ROWS):
            part = table[start : start + _ROWS]
            offsets = pa.array(part.indptr.astype(np.int32))
            cells = (pa.array(part.indices.astype(np.int32)), pa.array(part.data))
            arrays = [ids.slice(start, _ROWS), *(pa.ListArray.from_arrays(offsets, each) for each in cells)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
