"""The vectors of users and items as Parquet and NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.vocabulary import Ids
from recsys.engine import Engine, Vectors
from recsys.errors import ConfigError
from recsys.retrieval.requested_users import RequestedUsers
from recsys.retrieval.retriever import item_vectors, user_vectors

Block = tuple[Ids, NDArray[np.float32]]
"""Ids [n] and their vectors [n, D]."""


def dense_items(engine: Engine, data: Dataset) -> Block:
    """The items that have a vector, and the vectors, whose inner product with a user's is the score.

    Raises:
        ConfigError: the vectors are sparse.
        ArtifactError: one is NaN or infinite.
    """
    return _dense(engine, data.items.vocabulary.ids, item_vectors(engine, data.items))


def write_vectors(engine: Engine, data: Dataset, folder: Path) -> dict[str, int]:
    """Writes ``items`` and ``users`` into ``folder``, each as ``.parquet``, ``.npy`` and ``_ids.npy``.

    Args:
        engine: a fitted engine.
        data: the items; the users with their histories, to whom a dataset without interactions has none.
        folder: an existing folder.

    Returns:
        How many vectors each side has; those without a vector are left out.

    Raises:
        ConfigError: the vectors are sparse.
        ArtifactError: one is NaN or infinite.
    """
    counts = {"items": _write(folder, "item", [dense_items(engine, data)])}
    if len(data.interactions):
        blocks = (
            _dense(engine, request.users.vocabulary.ids, user_vectors(engine, request))
            for _, request in RequestedUsers.of(data).requests()
        )
        counts["users"] = _write(folder, "user", blocks)
    return counts


def _dense(engine: Engine, ids: Ids, vectors: Vectors) -> Block:
    if vectors.dense is None or vectors.sparse is not None:
        raise ConfigError(f"the vectors of {engine.kind!r} are sparse, as long as the catalogue; they are not exported")
    kept = slice(None) if vectors.valid is None else vectors.valid
    return ids[kept], np.ascontiguousarray(vectors.dense[kept])


def _write(folder: Path, side: str, blocks: Iterable[Block]) -> int:
    ids: list[Ids] = []
    vectors: list[NDArray[np.float32]] = []
    for own, block in blocks:
        ids.append(own)
        vectors.append(block)
    all_ids, table = np.concatenate(ids), np.concatenate(vectors)
    whole = all_ids.dtype.kind == "i"
    lists = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), table.shape[1])
    columns = {f"{side}_id": pa.array(all_ids, None if whole else pa.string()), "vector": lists}
    pq.write_table(pa.table(columns), folder / f"{side}s.parquet")
    np.save(folder / f"{side}s.npy", table)
    np.save(folder / f"{side}_ids.npy", all_ids if whole else all_ids.astype(np.str_))
    return len(all_ids)
