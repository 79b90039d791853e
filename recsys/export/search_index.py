"""A Faiss index of item vectors for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.engine import Vectors
from recsys.retrieval.approximate import kinds
from recsys.retrieval.approximate.built import TARGET, IndexSetting, build
from recsys.retrieval.approximate.kinds import InvertedLists
from recsys.retrieval.approximate.search import EXACT_UP_TO


def write_index(
    vectors: NDArray[np.float32], queries: Vectors, path: Path, target: float = TARGET
) -> dict[str, object]:
    """Writes an index of ``vectors`` by inner product, whose ids are the rows.

    Up to 20,000 items it is flat. Above, it is an inverted file of half-precision vectors (scalar quantization), of
    which so many lists are searched that the recall of the exact top 100 of the queries reaches ``target``.

    Args:
        vectors: [n, D] of items.
        queries: [Q] of users, which nothing else of the index depends on; without any, all lists are searched.
        path: of the file.
        target: recall@100 against the exact ranking.

    Returns:
        ``kind`` in Faiss, and for an inverted file ``nprobe`` and ``recall``, None without queries.

    Raises:
        ConfigError: Faiss is not installed.
    """
    told: dict[str, object] = {}
    if len(vectors) <= EXACT_UP_TO:
        index = kinds.flat(np.ascontiguousarray(vectors, np.float32))
    else:
        built = build(InvertedLists(rescaled=False), Vectors(vectors), IndexSetting(lambda: queries, target=target))
        index = built.index
        index.nprobe = index.nlist if built.recall is None else built.breadth
        told = {"nprobe": int(index.nprobe), "recall": built.recall and round(built.recall, 4)}
    kinds.write(index, path)
    return {"kind": type(index).__name__} | told
